"""One meter per metric: fed frame by frame in one decode pass, it ends in a reading.

A meter keeps numbers, never frames, except the one before. What a number means and how it is computed is the kernels'
part; a meter only decides how frames become one value: the mean where every frame counts the same, the root mean square
for flicker (one flash must not drown in a long clip), the share for frozen and black frames.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.scoring.adapters.identity import IdentityTracker
from services.scoring.domain import Reading
from services.scoring.kernels import flicker as flicker_kernel
from services.scoring.kernels import motion as motion_kernel
from services.scoring.kernels import ssim as ssim_kernel
from services.scoring.kernels import stillness
from services.scoring.kernels.exposure import clipped_cells, clipped_share, mean_luma
from services.scoring.kernels.luma import (
    Luma,
    Map,
    Region,
    Rgb,
    at_side,
    cell_means,
    cell_region,
    extreme_cell,
    luma,
)
from services.scoring.kernels.sharpness import sharpness


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One frame as the meters see it: computed once, shared by all."""

    index: int
    rgb: Rgb
    luma: Luma
    small: Luma

    @property
    def size(self) -> tuple[int, int]:
        return self.luma.shape[1], self.luma.shape[0]


def view(*, index: int, rgb: Rgb) -> View:
    grey = luma(rgb=rgb)
    return View(index=index, rgb=rgb, luma=grey, small=at_side(picture=grey, side=motion_kernel.SIDE))


class Meter(Protocol):
    def feed(self, frame: View) -> None: ...
    def readings(self) -> tuple[Reading, ...]: ...
    def series(self) -> "Mapping[str, list[tuple[int, float]]]":
        """(frame, value) of the metrics that have a value for every frame; others are left out."""


@dataclass(slots=True)
class Series:
    """Values by frame (8 bytes each), and the worst of them so far with its region."""

    highest_is_worst: bool
    frames: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    worst_region: Region | None = None
    _worst: float | None = None

    def add(self, frame: int, value: float, region: Region | None = None) -> None:
        self.frames.append(frame)
        self.values.append(value)
        if self._worst is None or (value > self._worst if self.highest_is_worst else value < self._worst):
            self._worst, self.worst_region = value, region

    def worst(self) -> tuple[int, float]:
        pick = max if self.highest_is_worst else min
        value = pick(self.values)
        return self.frames[self.values.index(value)], value

    def pairs(self) -> list[tuple[int, float]]:
        return list(zip(self.frames, self.values, strict=True))

    def furthest_from_median(self) -> tuple[int, float]:
        values = np.asarray(self.values)
        index = int(np.argmax(np.abs(values - np.median(values))))
        return self.frames[index], float(values[index])


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(np.asarray(values, dtype=np.float64)))


class SharpnessMeter:
    def __init__(self) -> None:
        self._series = Series(highest_is_worst=False)

    def feed(self, frame: View) -> None:
        self._series.add(frame.index, sharpness(luma=frame.luma))

    def readings(self) -> tuple[Reading, ...]:
        worst_frame, worst_value = self._series.worst()
        value = _mean(self._series.values)
        return (Reading(metric="sharpness", value=value, worst_frame=worst_frame, worst_value=worst_value),)

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {"sharpness": self._series.pairs()}


class ExposureMeter:
    def __init__(self) -> None:
        self._brightness = Series(highest_is_worst=True)
        self._clipped = Series(highest_is_worst=True)

    def feed(self, frame: View) -> None:
        self._brightness.add(frame.index, mean_luma(luma=frame.luma))
        width, height = frame.size
        _, region = extreme_cell(cells=clipped_cells(luma=frame.luma), highest=True, width=width, height=height)
        self._clipped.add(frame.index, clipped_share(luma=frame.luma), region)

    def readings(self) -> tuple[Reading, ...]:
        odd_frame, odd_value = self._brightness.furthest_from_median()
        worst_frame, worst_value = self._clipped.worst()
        return (
            Reading(
                metric="exposure", value=_mean(self._brightness.values), worst_frame=odd_frame, worst_value=odd_value
            ),
            Reading(
                metric="clipping",
                value=_mean(self._clipped.values),
                worst_frame=worst_frame,
                worst_value=worst_value,
                worst_region=self._clipped.worst_region if worst_value > 0 else None,
            ),
        )

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {"exposure": self._brightness.pairs(), "clipping": self._clipped.pairs()}


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
            metric="motion", value=_mean(self._motion.values), worst_frame=worst_frame, worst_value=worst_value
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


class StillnessMeter:
    """Frozen and black frames. A black frame is not also counted as frozen."""

    def __init__(self) -> None:
        self._previous: View | None = None
        self._frames = 0
        self._pairs = 0
        self._frozen: list[int] = []
        self._black: list[int] = []

    def feed(self, frame: View) -> None:
        self._frames += 1
        black = stillness.is_black(luma=frame.luma)
        if black:
            self._black.append(frame.index)
        if self._previous is not None:
            self._pairs += 1
            if not black and stillness.is_frozen(previous=self._previous.luma, current=frame.luma):
                self._frozen.append(frame.index)
        self._previous = frame

    def readings(self) -> tuple[Reading, ...]:
        black = _share_reading("black_frames", self._black, self._frames)
        if not self._pairs:
            return Reading(metric="frozen_frames", not_measurable="a single frame cannot freeze"), black
        return _share_reading("frozen_frames", self._frozen, self._pairs), black

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        """1 where the frame is frozen or black; the first frame cannot be frozen."""
        frozen, black = set(self._frozen), set(self._black)
        return {
            "frozen_frames": [(frame, float(frame in frozen)) for frame in range(1, self._frames)],
            "black_frames": [(frame, float(frame in black)) for frame in range(self._frames)],
        }


def _share_reading(metric: str, hits: list[int], of: int) -> Reading:
    start, length = _longest_run(hits)
    return Reading(
        metric=metric,
        value=len(hits) / of,
        worst_frame=start,
        details={"longest_run": float(length)},
        note=f"longest run {length} frames from frame {start}" if start is not None else None,
    )


def _longest_run(hits: list[int]) -> tuple[int | None, int]:
    best_start: int | None = None
    best = length = 0
    for position, frame in enumerate(hits):
        length = length + 1 if position and hits[position - 1] == frame - 1 else 1
        if length > best:
            best, best_start = length, frame - length + 1
    return best_start, best


class IdentityMeter:
    """Similarity of the character's region. Frames without the region count as 0 once it was seen anywhere in the clip:
    a face that leaves must not raise the mean."""

    def __init__(self, *, tracker: IdentityTracker, further: Sequence[IdentityTracker] = ()) -> None:
        self._trackers = (tracker, *further)
        self.region = tracker.region
        self._series = Series(highest_is_worst=False)
        self._seen = 0

    def feed(self, frame: View) -> None:
        sightings = [tracker.observe(frame.rgb) for tracker in self._trackers]
        sighting = max((s for s in sightings if s is not None), key=lambda s: s.similarity, default=None)
        if sighting is None:
            self._series.add(frame.index, 0.0)
            return
        self._seen += 1
        self._series.add(frame.index, sighting.similarity, sighting.region)

    def readings(self) -> tuple[Reading, ...]:
        if not self._seen:
            reason = "the character's region is in none of the frames"
            return (Reading(metric="identity_similarity", not_measurable=reason),)
        worst_frame, worst_value = self._series.worst()
        return (
            Reading(
                metric="identity_similarity",
                value=_mean(self._series.values),
                worst_frame=worst_frame,
                worst_value=worst_value,
                worst_region=self._series.worst_region,
                details={"presence": self._seen / len(self._series.values)},
                note=None if self.region.kind == "face" else "no face in the source image: its middle is compared",
            ),
        )

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {"identity_similarity": self._series.pairs()}


class HandoverMeter:
    """The first frame against the last frame of the clip before."""

    def __init__(self, *, previous_last: Rgb) -> None:
        self._previous_last = luma(rgb=previous_last)
        self._reading: Reading | None = None

    def feed(self, frame: View) -> None:
        if self._reading is None:
            scores = ssim_kernel.handover_map(previous_last=self._previous_last, first=frame.luma)
            value, region = _ssim_worst(scores, frame.size)
            self._reading = Reading(
                metric="handover_ssim", value=float(scores.mean()), worst_frame=frame.index,
                worst_value=value, worst_region=region,
            )  # fmt: skip

    def readings(self) -> tuple[Reading, ...]:
        assert self._reading is not None  # a pass without frames raises before it asks
        return (self._reading,)

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {}


class BaselineMeter:
    """SSIM per frame against the baseline's frame of the same number; fed with both, in step."""

    def __init__(self) -> None:
        self._series = Series(highest_is_worst=False)

    def feed_pair(self, frame: View, baseline: Rgb) -> None:
        scores = ssim_kernel.ssim_map(first=luma(rgb=baseline), second=frame.luma)
        _, region = _ssim_worst(scores, frame.size)
        self._series.add(frame.index, float(scores.mean()), region)

    def reading(self) -> Reading:
        worst_frame, worst_value = self._series.worst()
        return Reading(
            metric="ssim_to_baseline",
            value=_mean(self._series.values),
            worst_frame=worst_frame,
            worst_value=worst_value,
            worst_region=self._series.worst_region if worst_value < 1 else None,
            details={"p5": float(np.percentile(self._series.values, 5))},
        )


def _ssim_worst(scores: NDArray[np.float64], size: tuple[int, int]) -> tuple[float, Region]:
    cells = cell_means(values=scores)
    value, _ = extreme_cell(cells=cells, highest=False, width=size[0], height=size[1])
    row, column = divmod(int(np.argmin(cells)), cells.shape[1])
    return value, cell_region(row=row, column=column, width=size[0], height=size[1])
