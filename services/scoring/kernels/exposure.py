"""How bright, how much of the picture is beyond what it can show, and how far apart light and dark are."""

import numpy as np

from services.scoring.kernels.luma import Map
from services.scoring.kernels.surface import Surface, share

LEVELS = 255.0


def mean_luma(*, of: Surface) -> float:
    """Mean luma in [0, 1] (full range: 255 is 1)."""
    return int(of.level.sum()) / int(of.pixels.sum()) / LEVELS


def luma_cells(*, of: Surface) -> Map:
    """Mean luma per grid cell, in [0, 1]."""
    return share(of.level, of.pixels) / LEVELS


def clipped_share(*, of: Surface) -> float:
    """Share of pixels at either end of the range, in [0, 1]: detail that no grading brings back."""
    return int((of.crushed + of.blown).sum()) / int(of.pixels.sum())


def clipped_cells(*, of: Surface) -> Map:
    """The same per grid cell."""
    return share(of.crushed + of.blown, of.pixels)


def contrast(*, of: Surface) -> float:
    """RMS contrast: the standard deviation of luma, as a share of the range; 0 flat, 0.5 half black and half white.

    Peli, "Contrast in complex images", JOSA A 7(10), 1990, eq. 4, with luminance scaled to [0, 1].
    """
    count = int(of.pixels.sum())
    level, square = int(of.level.sum()), int(of.square.sum())
    return float(np.sqrt(count * square - level * level)) / count / LEVELS


def contrast_cells(*, of: Surface) -> Map:
    """The same within each grid cell."""
    return np.asarray(
        np.sqrt(of.pixels * of.square - of.level * of.level) / np.maximum(of.pixels, 1) / LEVELS, dtype=np.float64
    )
