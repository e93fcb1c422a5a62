"""Frames that show nothing new, and frames that show nothing."""

import numpy as np

from services.scoring.kernels.luma import Luma, cell_means

FROZEN_LEVELS = 0.35
"""8-bit levels, mean absolute difference in the cell that changed most. A repeated frame is coded as skipped blocks
(0); a drift of a quarter pixel per frame over a photograph measures 0.6 and more."""

BLACK_LEVEL = 0.10
BLACK_SHARE = 0.98
"""FFmpeg `blackdetect`: pixel_black_th 0.10 of the range and picture_black_ratio_th 0.98."""


def change(*, previous: Luma, current: Luma) -> float:
    """Mean absolute difference, in 8-bit levels, of the grid cell that changed most: a small mover still counts."""
    if previous.shape != current.shape:
        raise ValueError(f"frames of shape {previous.shape} and {current.shape} cannot be compared")
    difference = np.abs(current.astype(np.float32) - previous.astype(np.float32))
    return float(cell_means(values=difference).max())


def is_frozen(*, previous: Luma, current: Luma) -> bool:
    """True if `current` repeats `previous`, up to what a lossy codec adds to a repetition."""
    return change(previous=previous, current=current) < FROZEN_LEVELS


def is_black(*, luma: Luma) -> bool:
    """True if at least 98 % of the pixels are at or below a tenth of the range (FFmpeg blackdetect's rule)."""
    dark = np.count_nonzero(luma <= BLACK_LEVEL * 255)
    return bool(dark >= BLACK_SHARE * luma.size)
