"""Three identical renders made into one baseline: mean and noise per segment and metric."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.regression.domain.environment import Environment
from services.regression.domain.noise import Noise, pooled_noise
from services.regression.domain.rules import BUILT_IN, Direction

BASELINE_RENDERS = 3
"""Two give a difference, three the first idea of a spread; each further one costs a whole draft scene."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One metric of one clip: a finite value, or the reason why there is none."""

    value: float | None
    unit: str = ""
    direction: Direction = Direction.TWO_SIDED
    not_measurable: str | None = None
    worst_frame: int | None = None
    worst_value: float | None = None
    worst_region: tuple[int, int, int, int] | None = None

    @property
    def measured(self) -> float | None:
        """The value, unless it is missing or not a finite number."""
        if self.value is None or not math.isfinite(self.value):
            return None
        return self.value

    @property
    def why_not(self) -> str:
        return self.not_measurable or "no value was given"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """What measured identity. Readings of different backends or versions are different scales."""

    name: str
    version: str
    is_identity: bool = False
    notice: str = ""

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredSegment:
    """One rendered and measured position."""

    position: int
    clip_sha256: str
    environment: Environment
    metric_suite_version: str
    backend: Backend
    readings: Mapping[str, Reading]
    not_measurable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineMetric:
    """`values` are the readings of the identical renders; `lost` why some of them have none."""

    unit: str
    direction: Direction
    values: tuple[float, ...]
    noise: Noise
    lost: tuple[str, ...] = ()

    @property
    def mean(self) -> float | None:
        """Equal readings give exactly that reading, so that a bit-exact repetition has a delta of exactly 0."""
        if not self.values:
            return None
        if min(self.values) == max(self.values):
            return self.values[0]
        return math.fsum(self.values) / len(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    clips: Mapping[int, str]
    metrics: Mapping[int, Mapping[str, BaselineMetric]]
    environments: tuple[Environment, ...]
    metric_suite_version: str
    backend: Backend
    renders: int = BASELINE_RENDERS


class BaselineImpossible(Exception):
    """The renders cannot be made into one baseline; the text says why."""


Render = Mapping[int, ScoredSegment]
"""One chain, by position."""


def build_baseline(renders: Sequence[Render]) -> Baseline:
    """The first render's clips are the ones that new clips are compared with; the values are of all of them.

    Raises BaselineImpossible if a clip could not be measured at all, if the renders were measured by different metric
    suites or identity backends, or if there are fewer than three.
    """
    if len(renders) < BASELINE_RENDERS:
        raise BaselineImpossible(f"a baseline needs {BASELINE_RENDERS} renders, there are {len(renders)}")
    segments = [segment for render in renders for segment in render.values()]
    _check_measured(segments)
    suite, backend = _one_scale(segments)
    return Baseline(
        clips={position: segment.clip_sha256 for position, segment in sorted(renders[0].items())},
        metrics=_metrics(renders),
        environments=tuple(dict.fromkeys(segment.environment for segment in segments)),
        metric_suite_version=suite,
        backend=backend,
        renders=len(renders),
    )


def _check_measured(segments: Sequence[ScoredSegment]) -> None:
    for segment in segments:
        if segment.not_measurable is not None:
            raise BaselineImpossible(f"segment {segment.position} could not be measured: {segment.not_measurable}")


def _one_scale(segments: Sequence[ScoredSegment]) -> tuple[str, Backend]:
    suites = {segment.metric_suite_version for segment in segments}
    if len(suites) > 1:
        raise BaselineImpossible(f"the renders were measured by different metric suites: {', '.join(sorted(suites))}")
    backends = {segment.backend.label for segment in segments}
    if len(backends) > 1:
        raise BaselineImpossible(f"identity was measured by different backends: {', '.join(sorted(backends))}")
    return suites.pop(), segments[0].backend


def _metrics(renders: Sequence[Render]) -> dict[int, dict[str, BaselineMetric]]:
    positions = sorted({position for render in renders for position in render})
    names = sorted({name for render in renders for segment in render.values() for name in segment.readings})
    return {position: _at(renders, positions, position, names) for position in positions}


def _at(
    renders: Sequence[Render], positions: Sequence[int], position: int, names: Sequence[str]
) -> dict[str, BaselineMetric]:
    found = {name: _readings(renders, position, name) for name in names}
    return {
        name: _metric(readings, [_values(_readings(renders, other, name)) for other in positions])
        for name, readings in found.items()
        if readings
    }


def _metric(readings: Sequence[Reading], groups: Sequence[Sequence[float]]) -> BaselineMetric:
    values = _values(readings)
    return BaselineMetric(
        unit=readings[0].unit,
        direction=readings[0].direction,
        values=values,
        noise=pooled_noise(values, groups),
        lost=tuple(reading.why_not for reading in readings if reading.measured is None),
    )


def _readings(renders: Sequence[Render], position: int, name: str) -> list[Reading]:
    """The readings of a metric. The comparison with the baseline's clips leaves out the first render: it is those
    clips.
    """
    relational = name in BUILT_IN and BUILT_IN[name].relational
    compared = renders[1:] if relational else renders
    return [render[position].readings[name] for render in compared if name in render[position].readings]


def _values(readings: Sequence[Reading]) -> tuple[float, ...]:
    return tuple(reading.measured for reading in readings if reading.measured is not None)
