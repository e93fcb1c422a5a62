"""Frames that show nothing new, frames that show nothing, and frames of another shot."""

from collections.abc import Sequence

import cv2

from services.scoring.kernels.luma import Plane
from services.scoring.kernels.surface import Surface

FREEZE_TOLERANCE = 0.001
"""FFmpeg `freezedetect`, noise: the mean change, as a share of the range, up to which a picture stands still."""

CUT_SCORE = 10.0
"""FFmpeg `scdet`, threshold: percent of the range."""

BLACK_SHARE = 0.98
"""FFmpeg `blackdetect`, picture_black_ratio_th; its pixel_black_th is `surface.DARK`."""


def mean_change(*, before: Sequence[Plane], after: Sequence[Plane], bits: int) -> float:
    """Mean absolute difference of all samples of some planes, as a share of the range (2 to the number of bits): the
    MAFD of FFmpeg's `scene_sad`. Chroma counts as many times as it has samples."""
    if [plane.shape for plane in before] != [plane.shape for plane in after]:
        raise ValueError("frames of different shapes cannot be compared")
    total = sum(cv2.norm(one, two, cv2.NORM_L1) for one, two in zip(before, after, strict=True))
    return float(total) / sum(plane.size for plane in after) / float(1 << bits)


def cut_score(*, change: float, neighbour: float) -> float:
    """How much a step between two frames looks like a cut, in percent of the range.

    FFmpeg's `scdet`: the mean change of luma, or its difference to that of the neighbouring step if that is smaller.
    A cut changes the picture once; fast motion changes it as much at every step, and is no cut.
    """
    return 100.0 * min(change, abs(change - neighbour))


def is_black(*, of: Surface) -> bool:
    """True if at least 98 % of the pixels are at or below a tenth of the range (FFmpeg blackdetect's rule)."""
    return int(of.dark.sum()) >= BLACK_SHARE * int(of.pixels.sum())
