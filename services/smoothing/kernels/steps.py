"""Steps in luminance, contrast and saturation at a cut, apart from the trend that the clips already have."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.smoothing.kernels.picture import Rgb, planes

FULL = 255.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Mean luma, its standard deviation, and the mean chroma length hypot(C_B, C_R); as fractions of the range."""

    luminance: float
    contrast: float
    saturation: float


def look(*, rgb: Rgb) -> Look:
    """Of one frame, full range: black is 0, white 1."""
    picture = planes(rgb=rgb).astype(np.float64)
    chroma = np.hypot(picture[..., 1] - 128.0, picture[..., 2] - 128.0)
    bright = picture[..., 0]
    return Look(
        luminance=float(bright.mean()) / FULL,
        contrast=float(bright.std()) / FULL,
        saturation=float(chroma.mean()) / FULL,
    )


def steps(*, before: Sequence[Rgb], after: Sequence[Rgb]) -> Look:
    """The change at the cut between two runs of frames, less the median change per step inside them.

    A fade or a pan that goes on across the cut is therefore no step. Sign: positive if the later side is brighter (has
    more contrast, more colour).
    """
    looks = [look(rgb=frame) for frame in (*before, *after)]
    cut = len(before)
    return Look(
        luminance=_step([each.luminance for each in looks], cut),
        contrast=_step([each.contrast for each in looks], cut),
        saturation=_step([each.saturation for each in looks], cut),
    )


def _step(values: list[float], cut: int) -> float:
    changes = np.diff(np.array(values))
    trend = np.delete(changes, cut - 1)
    return float(changes[cut - 1] - (np.median(trend) if trend.size else 0.0))
