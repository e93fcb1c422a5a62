"""How far each step of a sequence is from what its neighbours led one to expect.

A step is predicted at constant velocity: the frame before it, moved as the picture moved in the step before or in the
step after, whichever fits better. A camera or an actor that keeps moving is predicted well, whatever its speed; a
jump, a change of colour, focus or face is not, and neither is a frame that merely repeats the one before it. Only at
a cut such a repetition is expected as well: there it is the frame that the later clip was handed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from services.smoothing.kernels.motion import flow, moved
from services.smoothing.kernels.picture import Field, Planes, Rgb, luma, planes
from shared.vision.ssim import ssim

CELL = 16
"""Pixels of the analysis size: about one 25th of the width; interpolation noise averages out, a face does not."""

WORST_SHARE = 0.1
"""A step is scored by the tenth of its cells that are worst: a disturbance need not fill the frame to be seen."""

NOISE_SIGMA = 1.0

REPEATED = 0.5
"""A repetition leaves at most this share of what continued motion leaves; in a still scene both leave the same."""


@dataclass(frozen=True)
class Run:
    """Frames of one analysis size in presentation order, with their flows worked out once and when asked for."""

    frames: tuple[Rgb, ...]

    @cached_property
    def planes(self) -> tuple[Planes, ...]:
        return tuple(planes(rgb=frame) for frame in self.frames)

    @cached_property
    def flows(self) -> tuple[Field, ...]:
        """Backward flow of every step; the entry of step s is at s - 1."""
        lumas = [luma(rgb=frame) for frame in self.frames]
        return tuple(flow(target=lumas[s], source=lumas[s - 1]) for s in range(1, len(lumas)))

    def flow_of(self, step: int) -> Field:
        return self.flows[step - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSurprise:
    """In 8-bit levels. `total`: against constant velocity. `appearance`: what remains when the step's own motion is
    known, so that only a change of colour, focus or content is left. `change`: without any prediction."""

    total: float
    appearance: float
    change: float
    likeness: float
    """SSIM of the frame with its prediction, -1 to 1, higher is better: SSIM as it would be if nothing moved."""

    repeats: bool = False
    """The frame is explained better as a repetition of the one before it than as a continuation of the motion."""


def surprises(*, frames: Sequence[Rgb], cut: int | None = None) -> list[StepSurprise]:
    """One entry per step, from step 1 on; needs at least three frames, all of one size.

    `cut`: the step at which the later frame may repeat the earlier one.
    """
    if len(frames) < 3:
        raise ValueError(f"a step is judged by its neighbours: at least 3 frames are needed, not {len(frames)}")
    sequence = Run(tuple(frames))
    return [_surprise(sequence, step, may_repeat=step == cut) for step in range(1, len(frames))]


def _surprise(sequence: Run, step: int, *, may_repeat: bool) -> StepSurprise:
    before, after = sequence.planes[step - 1], sequence.planes[step]
    neighbours = [s for s in (step - 1, step + 1) if 1 <= s < len(sequence.frames)]
    expected = [unexplained(before=before, after=after, field=sequence.flow_of(s)) for s in neighbours]
    own = unexplained(before=before, after=after, field=sequence.flow_of(step))
    still = unexplained(before=before, after=after, field=None)
    repeats = may_repeat and worst_cells(values=still) < REPEATED * worst_cells(values=np.minimum.reduce(expected))
    # Own motion never explains less than a neighbour's; where the flow failed, the neighbour's is the better guess.
    best = np.minimum.reduce([*expected, still] if repeats else expected)
    fields = [None] if repeats else [sequence.flow_of(s) for s in neighbours]
    return StepSurprise(
        total=worst_cells(values=best),
        appearance=worst_cells(values=np.minimum(own, best)),
        change=worst_cells(values=still),
        likeness=max(_likeness(before, after, field) for field in fields),
        repeats=repeats,
    )


def _likeness(before: Planes, after: Planes, field: Field | None) -> float:
    """SSIM of the luma planes at the analysis size, the earlier one moved along the flow."""
    moved_on = before[..., 0] if field is None else moved(source=np.ascontiguousarray(before[..., 0]), field=field)
    return ssim(first=np.rint(moved_on).astype(np.uint8), second=after[..., 0].astype(np.uint8))


def unexplained(*, before: Planes, after: Planes, field: Field | None) -> NDArray[np.float32]:
    """Length of the YCbCr difference that remains after moving `before` along the flow, per pixel, in 8-bit levels.

    Smoothed by one pixel first: what is finer is grain and interpolation, not a seam.
    """
    difference = after - (before if field is None else moved(source=before, field=field))
    smooth = cv2.GaussianBlur(difference, (5, 5), NOISE_SIGMA)
    return np.asarray(cv2.sqrt(cv2.transform(smooth * smooth, np.ones((1, 3), np.float32))), dtype=np.float32)


def worst_cells(*, values: NDArray[np.float32]) -> float:
    """Mean of the worst tenth of the cells (at least one) of a map, each cell the mean of about 16 x 16 pixels."""
    height, width = values.shape
    grid = (max(1, round(width / CELL)), max(1, round(height / CELL)))
    cells = np.sort(cv2.resize(values, grid, interpolation=cv2.INTER_AREA), axis=None)[::-1]
    return float(cells[: max(1, round(WORST_SHARE * cells.size))].mean(dtype=np.float64))
