"""What every meter is made of: values by frame, and the protocol they are fed and read by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from services.scoring.domain import Reading
from services.scoring.kernels.luma import Map, Region, extreme_cell
from services.scoring.workers.meters.views import View


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

    def add_cells(self, frame: int, value: float, cells: Map, size: tuple[int, int]) -> None:
        """The region is the worst of a grid of cells in a picture of this size (width, height)."""
        _, region = extreme_cell(cells=cells, highest=self.highest_is_worst, width=size[0], height=size[1])
        self.add(frame, value, region)

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


class BothSides:
    """Values that can be too low and too high: the worst one is that which is furthest from the clip's own median."""

    def __init__(self) -> None:
        self._low = Series(highest_is_worst=False)
        self._high = Series(highest_is_worst=True)

    def add(self, frame: int, value: float, cells: Map, size: tuple[int, int]) -> None:
        self._low.add_cells(frame, value, cells, size)
        self._high.add_cells(frame, value, cells, size)

    def pairs(self) -> list[tuple[int, float]]:
        return self._high.pairs()

    def reading(self, metric: str) -> Reading:
        """The region of a frame that is too high is its highest cell, of one that is too low the lowest."""
        worst_frame, worst_value = self._high.furthest_from_median()
        side = self._high if worst_value == self._high.worst()[1] else self._low
        return Reading(
            metric=metric,
            value=mean(self._high.values),
            worst_frame=worst_frame,
            worst_value=worst_value,
            worst_region=side.worst_region,
        )


def mean(values: Sequence[float]) -> float:
    return float(np.mean(np.asarray(values, dtype=np.float64)))
