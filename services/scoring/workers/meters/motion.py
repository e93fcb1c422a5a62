"""What moves, how evenly, and whether each frame follows from the one before. All of it shares one flow per step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from services.scoring.domain import Reading
from services.scoring.kernels import motion as kernel
from services.scoring.kernels.luma import cell_means, extreme_cell
from services.scoring.kernels.motion import Field
from services.scoring.workers.meters.series import Series, mean
from services.scoring.workers.meters.views import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """From one frame to the next; `field` leads from the later one back to the earlier."""

    before: View
    after: View
    field: Field


class StepMeter(Protocol):
    """As a meter, but fed with steps: it sees nothing of a clip of one frame."""

    def feed(self, step: Step) -> None: ...
    def readings(self) -> tuple[Reading, ...]: ...
    def series(self) -> Mapping[str, list[tuple[int, float]]]: ...


class StepsMeter:
    """Finds the flow from each frame to the next and hands it to its parts."""

    def __init__(self, *parts: StepMeter) -> None:
        self._parts = parts
        self._previous: View | None = None

    def feed(self, frame: View) -> None:
        previous, self._previous = self._previous, frame
        if previous is None:
            return
        step = Step(before=previous, after=frame, field=kernel.flow(previous=previous.small, current=frame.small))
        for part in self._parts:
            part.feed(step)

    def readings(self) -> tuple[Reading, ...]:
        return tuple(reading for part in self._parts for reading in part.readings())

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {name: values for part in self._parts for name, values in part.series().items()}


class MotionMeter:
    """`fps` makes motion a speed, so that clips of other frame rates compare."""

    def __init__(self, *, fps: float) -> None:
        self._fps = fps
        self._motion = Series(highest_is_worst=True)

    def feed(self, step: Step) -> None:
        self._motion.add(step.after.index, kernel.motion_amount(field=step.field) * self._fps)

    def readings(self) -> tuple[Reading, ...]:
        if not self._motion.values:
            return (Reading(metric="motion", not_measurable="motion needs at least 2 frames"),)
        worst_frame, worst_value = self._motion.furthest_from_median()
        value = mean(self._motion.values)
        return (Reading(metric="motion", value=value, worst_frame=worst_frame, worst_value=worst_value),)

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {"motion": self._motion.pairs()}


class JumpMeter:
    """The most uneven step of the clip: the highest counts, as one jump must not drown in a long clip."""

    def __init__(self) -> None:
        self._steps: list[Field] = []
        self._frame = 0
        self._size = (0, 0)
        self._jumps = Series(highest_is_worst=True)

    def feed(self, step: Step) -> None:
        self._steps = [*self._steps[-2:], step.field]
        if len(self._steps) > 1:
            self._judge(self._steps[0], self._steps[-2], self._steps[-1])
        self._frame, self._size = step.after.index, step.after.size

    def _judge(self, before: Field, here: Field, after: Field) -> None:
        """At either end of the clip a step has one neighbour and stands in for the other one itself."""
        cells = kernel.unevenness_cells(before=before, here=here, after=after)
        _, region = extreme_cell(cells=cells, highest=True, width=self._size[0], height=self._size[1])
        self._jumps.add(self._frame, float(cells.mean()), region)

    def _end(self) -> None:
        if len(self._steps) > 1:
            self._judge(self._steps[-2], self._steps[-1], self._steps[-1])
        self._steps = []

    def readings(self) -> tuple[Reading, ...]:
        self._end()
        if not self._jumps.values:
            return (Reading(metric="motion_jump", not_measurable="a jump of motion needs at least 3 frames"),)
        frame, value = self._jumps.worst()
        return (
            Reading(
                metric="motion_jump", value=value, worst_frame=frame, worst_value=value,
                worst_region=self._jumps.worst_region, details={"median": float(np.median(self._jumps.values))},
            ),
        )  # fmt: skip

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        self._end()
        return {"motion_jump": self._jumps.pairs()}


class WarpingMeter:
    """Mean over the steps, as its authors pool it."""

    def __init__(self) -> None:
        self._errors = Series(highest_is_worst=True)
        self._visible: list[float] = []

    def feed(self, step: Step) -> None:
        before, after = step.before.small, step.after.small
        seen = kernel.visible(field=step.field, reverse=kernel.quick_flow(previous=after, current=before))
        errors = kernel.warping_error_map(previous=before, current=after, field=step.field, mask=seen)
        width, height = step.after.size
        _, region = extreme_cell(cells=cell_means(values=errors), highest=True, width=width, height=height)
        share = float(seen.mean())
        self._visible.append(share)
        self._errors.add(step.after.index, float(errors.mean(dtype=np.float64)) / share if share else 0.0, region)

    def readings(self) -> tuple[Reading, ...]:
        if not self._errors.values:
            return (Reading(metric="warping_error", not_measurable="a warping error needs at least 2 frames"),)
        frame, value = self._errors.worst()
        return (
            Reading(
                metric="warping_error", value=mean(self._errors.values), worst_frame=frame, worst_value=value,
                worst_region=self._errors.worst_region, details={"visible": mean(self._visible)},
            ),
        )  # fmt: skip

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {"warping_error": self._errors.pairs()}
