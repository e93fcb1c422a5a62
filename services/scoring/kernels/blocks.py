"""Blocks of 8 x 8 pixels that show: the traces of a coarse encoder, or of a decoder that works in tiles."""

import numpy as np

from services.scoring.kernels.luma import Map
from services.scoring.kernels.surface import Surface, share

FLOOR = 1.0
"""Levels. Where a picture has no steps of its own, a step of one level at the grid is as good as invisible."""


def blockiness(*, of: Surface) -> float:
    """By how much steps are higher on the 8 x 8 grid than off it, 0 upwards: 0 none, 1 twice as high.

    (B - A) / (A + 1) with the mean absolute step between neighbours on the grid (B) and off it (A), in levels, across
    and down; negative differences count as 0. B and A are those of Wang, Sheikh and Bovik, "No-reference perceptual
    quality assessment of JPEG compressed images", ICIP 2002, eqs. 1 and 2. The grid begins at the picture's corner: a
    clip that was cropped or resized after it was encoded hides its blocks.
    """
    on = int(of.grid_step.sum()) / max(1, int(of.grid_steps.sum()))
    off = int((of.step - of.grid_step).sum()) / max(1, int((of.steps - of.grid_steps).sum()))
    return max(0.0, (on - off) / (off + FLOOR))


def blockiness_cells(*, of: Surface) -> Map:
    """The same per grid cell; 0 in a cell that the 8 x 8 grid does not cross."""
    on = share(of.grid_step, of.grid_steps)
    off = share(of.step - of.grid_step, of.steps - of.grid_steps)
    return np.asarray(np.maximum(0.0, (on - off) / (off + FLOOR)), dtype=np.float64)
