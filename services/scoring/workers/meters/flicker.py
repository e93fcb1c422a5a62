"""Light that jumps: apart from motion on any clip, and as VBench counts it on static ones."""

from collections.abc import Mapping

import cv2
import numpy as np

from services.scoring.domain import Reading
from services.scoring.kernels import flicker as kernel
from services.scoring.kernels.luma import Luma, Map, cell_means, extreme_cell
from services.scoring.kernels.motion import flow
from services.scoring.workers.meters.motion import Step
from services.scoring.workers.meters.series import Series, mean
from services.scoring.workers.meters.views import View


class FlickerMeter:
    """Root mean square over the frames: one flash must not drown in a long clip."""

    def __init__(self) -> None:
        self._change: Map | None = None
        self._flicker = Series(highest_is_worst=True)

    def feed(self, step: Step) -> None:
        change = kernel.brightness_change(previous=step.before.small, current=step.after.small, field=step.field)
        if self._change is not None:
            cells = kernel.flicker_cells(before=self._change, after=change)
            width, height = step.after.size
            _, region = extreme_cell(cells=cells, highest=True, width=width, height=height)
            self._flicker.add(step.before.index, float(cells.mean()), region)
        self._change = change

    def readings(self) -> tuple[Reading, ...]:
        if not self._flicker.values:
            return (Reading(metric="flicker", not_measurable="flicker needs at least 3 frames"),)
        worst_frame, worst_value = self._flicker.worst()
        return (
            Reading(
                metric="flicker",
                value=float(np.sqrt(np.mean(np.square(self._flicker.values)))),
                worst_frame=worst_frame,
                worst_value=worst_value,
                worst_region=self._flicker.worst_region,
            ),
        )

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {"flicker": self._flicker.pairs()}


class StaticFlickerMeter:
    """VBench's temporal flickering. On a clip that moves there is none: motion would be taken for flicker."""

    def __init__(self) -> None:
        self._first: Luma | None = None
        self._last: Luma | None = None
        self._fastest: list[float] = []
        self._scores = Series(highest_is_worst=False)

    def feed(self, step: Step) -> None:
        before, after = step.before.small, step.after.small
        self._first = before if self._first is None else self._first
        self._last = after
        self._fastest.append(kernel.fastest_part(field=step.field))
        width, height = step.after.size
        cells = cell_means(values=cv2.absdiff(before, after).astype(np.float32))
        _, region = extreme_cell(cells=cells, highest=True, width=width, height=height)
        self._scores.add(step.after.index, (255.0 - _colour_change(step.before, step.after)) / 255.0, region)

    def readings(self) -> tuple[Reading, ...]:
        metric = "temporal_flicker"
        if self._first is None or self._last is None:
            return (Reading(metric=metric, not_measurable="temporal flicker needs at least 2 frames"),)
        if not self._is_static(self._first, self._last):
            return (Reading(metric=metric, not_measurable="asked of static clips only, and this one moves"),)
        frame, value = self._scores.worst()
        return (
            Reading(
                metric=metric, value=mean(self._scores.values), worst_frame=frame, worst_value=value,
                worst_region=self._scores.worst_region if value < 1 else None,
            ),
        )  # fmt: skip

    def _is_static(self, first: Luma, last: Luma) -> bool:
        there = kernel.fastest_part(field=flow(previous=first, current=last))
        back = kernel.fastest_part(field=flow(previous=last, current=first))
        return kernel.is_static(steps=np.asarray(self._fastest), ends=(there, back))

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {"temporal_flicker": self._scores.pairs()}


def _colour_change(before: View, after: View) -> float:
    one, two = before.stored, after.stored
    if one.u is None or one.v is None or two.u is None or two.v is None:
        return kernel.grey_change(before=before.luma, after=after.luma)
    return kernel.rgb_change(
        before=(before.luma, one.u, one.v), after=(after.luma, two.u, two.v), bits=two.bits, limited=two.limited
    )
