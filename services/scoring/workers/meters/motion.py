"""What moves, and the light that jumps apart from it."""

from collections.abc import Mapping

import numpy as np

from services.scoring.domain import Reading
from services.scoring.kernels import flicker as flicker_kernel
from services.scoring.kernels import motion as motion_kernel
from services.scoring.kernels.luma import Map, extreme_cell
from services.scoring.workers.meters.series import Series, mean
from services.scoring.workers.meters.views import View


class MotionMeter:
    """Motion and flicker share the flow. `fps` makes motion a speed, so that clips of other frame rates compare."""

    def __init__(self, *, fps: float) -> None:
        self._fps = fps
        self._previous: View | None = None
        self._change: Map | None = None
        self._motion = Series(highest_is_worst=True)
        self._flicker = Series(highest_is_worst=True)

    def feed(self, frame: View) -> None:
        previous, self._previous = self._previous, frame
        if previous is None:
            return
        field_ = motion_kernel.flow(previous=previous.small, current=frame.small)
        self._motion.add(frame.index, motion_kernel.motion_amount(field=field_) * self._fps)
        change = flicker_kernel.brightness_change(previous=previous.small, current=frame.small, field=field_)
        if self._change is not None:
            cells = flicker_kernel.flicker_cells(before=self._change, after=change)
            width, height = frame.size
            _, region = extreme_cell(cells=cells, highest=True, width=width, height=height)
            self._flicker.add(previous.index, float(cells.mean()), region)
        self._change = change

    def readings(self) -> tuple[Reading, ...]:
        return self._motion_reading(), self._flicker_reading()

    def _motion_reading(self) -> Reading:
        if not self._motion.values:
            return Reading(metric="motion", not_measurable="motion needs at least 2 frames")
        worst_frame, worst_value = self._motion.furthest_from_median()
        return Reading(
            metric="motion", value=mean(self._motion.values), worst_frame=worst_frame, worst_value=worst_value
        )

    def _flicker_reading(self) -> Reading:
        if not self._flicker.values:
            return Reading(metric="flicker", not_measurable="flicker needs at least 3 frames")
        worst_frame, worst_value = self._flicker.worst()
        return Reading(
            metric="flicker",
            value=float(np.sqrt(np.mean(np.square(self._flicker.values)))),
            worst_frame=worst_frame,
            worst_value=worst_value,
            worst_region=self._flicker.worst_region,
        )

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {"motion": self._motion.pairs(), "flicker": self._flicker.pairs()}
