"""The pair of frames at which two clips join best, in a wider window around the cut."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.smoothing.kernels.disturbance import unexplained, worst_cells
from services.smoothing.kernels.motion import flow
from services.smoothing.kernels.picture import Rgb, analysis_size, at_size, luma, planes

SHRINK = 2
"""Pairs are compared at half the analysis size: there are a hundred of them."""

COST_PER_FRAME = 0.02
"""Every dropped frame must buy this share of the surprise: nobody throws rendered frames away for nothing."""

DEFAULT_REACH = 12
"""Frames on each side of the cut that may be dropped."""

KEPT = 3
"""Frames that stay on each side: what is left must still be a clip whose motion can be judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """How many frames to drop from the end of the earlier and from the start of the later clip; the surprise at the
    new cut, and at the old one, in 8-bit levels."""

    drop_before: int
    drop_after: int
    levels: float
    levels_now: float


def best_join(*, before: Sequence[Rgb], after: Sequence[Rgb], most_before: int, most_after: int) -> Join:
    """Compare every pair within reach; of nearly equal ones the one that drops fewest frames wins.

    A pair is scored as a step is (see `disturbance`): by what constant velocity does not explain, either side's.
    """
    if min(len(before), len(after)) < KEPT:
        raise ValueError(f"at least {KEPT} frames are needed on each side of the cut")
    ends = _Side(before[::-1], limit=min(most_before, len(before) - KEPT))
    starts = _Side(after, limit=min(most_after, len(after) - KEPT))
    levels = np.array([[_levels(ends, i, starts, j) for j in range(starts.count)] for i in range(ends.count)])
    dropped = np.add.outer(np.arange(ends.count), np.arange(starts.count))
    i, j = np.unravel_index(int(np.argmin(levels + COST_PER_FRAME * levels[0, 0] * dropped)), levels.shape)
    return Join(
        drop_before=int(i), drop_after=int(j), levels=float(levels[i, j]), levels_now=float(levels[0, 0])
    )  # fmt: skip


class _Side:
    """One clip, from the cut outwards: its candidates and the motion next to each of them."""

    def __init__(self, frames: Sequence[Rgb], *, limit: int) -> None:
        self.count = max(0, limit) + 1
        height, width = frames[0].shape[:2]
        size = analysis_size(width=width, height=height)
        size = (max(32, size[0] // SHRINK), max(32, size[1] // SHRINK))
        small = [at_size(rgb=frame, size=size) for frame in frames[: self.count + 1]]
        lumas = [luma(rgb=frame) for frame in small]
        self.planes = [planes(rgb=frame) for frame in small]
        self.outwards = [flow(target=lumas[k], source=lumas[k + 1]) for k in range(self.count)]
        self.inwards = [flow(target=lumas[k + 1], source=lumas[k]) for k in range(self.count)]


def _levels(ends: _Side, i: int, starts: _Side, j: int) -> float:
    """The earlier clip is stored backwards: its flow outwards is its backward flow in time."""
    expected = [
        unexplained(before=ends.planes[i], after=starts.planes[j], field=field)
        for field in (ends.outwards[i], starts.inwards[j])
    ]
    return worst_cells(values=np.minimum(*expected))
