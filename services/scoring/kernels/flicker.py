"""Luminance that jumps to and fro while the picture stays: flicker, apart from motion, fades and cuts."""

import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.luma import Luma, Map, cell_means
from services.scoring.kernels.motion import warped

GRID = 6
"""Cells of 16 x 16 pixels at the analysis size: large enough that interpolation noise averages out."""


def brightness_change(*, previous: Luma, current: Luma, field: NDArray[np.float32]) -> Map:
    """Change of mean luma per cell, in fractions of the range, after moving the previous frame along the flow."""
    compensated = warped(previous=previous, field=field)
    return cell_means(values=(current.astype(np.float32) - compensated) / 255.0, grid=GRID)


def flicker_cells(*, before: Map, after: Map) -> Map:
    """Flicker at the frame between two steps of `brightness_change`, per cell, as a fraction of the range.

    Where brightness rises and then falls (or falls and then rises), the smaller of the two steps; otherwise 0. So a
    fade, an exposure ramp or a single cut is no flicker, and an alternation by a is a. The rule is that of flashes in
    ITU-R BT.1702-3, Annex 1: a pair of opposing changes in luminance.
    """
    opposing = before * after < 0
    return np.where(opposing, np.minimum(np.abs(before), np.abs(after)), 0.0)


def flicker(*, before: Map, after: Map) -> float:
    """Mean of `flicker_cells`: the share of the range by which the picture flickers at this frame."""
    return float(flicker_cells(before=before, after=after).mean())
