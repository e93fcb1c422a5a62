"""How far the segments of a scene have moved from its first one, and where that leads.

Each segment starts from the last frame of the one before, so small errors add up: colours creep, contrast fades, a face
becomes another. A clip alone cannot show it. The numbers of the clips are what was measured anyway; here they are only
set against those of segment 1, and a line is drawn through them (see `trend`).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from services.scoring.domain.gates import Gate
from services.scoring.domain.readings import Measurement, Reading
from services.scoring.domain.segments import Method, SegmentId
from services.scoring.domain.trend import FEWEST_POINTS, Point, Trend, trend_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One position of a chain; without a measurement `missing` says why."""

    position: int
    tier: str
    method: Method | None
    measurement: Measurement | None
    segment_id: SegmentId | None = None
    missing: str = "it is not measured yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """The segment that is expected to be the first beyond `limit`, if nothing changes, and the earliest and latest one
    that the data allow with 95 % confidence."""

    limit: float
    position: int
    earliest: int
    latest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One metric over a chain. `values` by position, 0 for segment 1; positions without one say why in `missing`.

    `limit_above` and `limit_below` are what the gate fails beyond (warns, if nothing fails). `crossed_at` is the first
    segment measured beyond one. `outlook` says in words what is expected, or why nothing can be.
    """

    metric: str
    values: Mapping[int, float]
    missing: Mapping[int, str]
    limit_above: float | None
    limit_below: float | None
    trend: Trend | None
    crossed_at: int | None
    crossing: Crossing | None
    outlook: str

    @property
    def slope(self) -> float | None:
        """Per segment; of a number with a sign, with its sign."""
        return None if self.trend is None else _signed(self.trend, self.trend.slope)

    @property
    def slope_range(self) -> tuple[float, float] | None:
        if self.trend is None:
            return None
        ends = _signed(self.trend, self.trend.low), _signed(self.trend, self.trend.high)
        low, high = min(ends), max(ends)
        return (max(0.0, low), high) if len(self.trend.direction) > 1 else (low, high)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """Where a drift's points come from, and how a point becomes the number that is told."""

    source: str
    point: Callable[[Reading, Reading], Point]
    value: Callable[[Point], float]
    resolution: float
    of_a_backend: bool = False


def _colour(first: Reading, other: Reading) -> Point:
    return other.details["a"] - first.details["a"], other.details["b"] - first.details["b"]


def _relative(first: Reading, other: Reading) -> Point:
    """Contrast is a ratio: half of it is as much in a soft scene as in a hard one. Raises ValueError for a flat one."""
    if not first.value:
        raise ValueError("segment 1 has no contrast")
    return ((other.value or 0.0) / first.value - 1.0,)


def _change(first: Reading, other: Reading) -> Point:
    return ((other.value or 0.0) - (first.value or 0.0),)


_KINDS: Mapping[str, _Kind] = {
    "drift_colour": _Kind(source="colour_cast", point=_colour, value=lambda point: math.hypot(*point), resolution=0.2),
    "drift_contrast": _Kind(source="contrast", point=_relative, value=lambda point: point[0], resolution=0.005),
    "drift_identity": _Kind(
        source="identity_similarity", point=_change, value=lambda point: point[0], resolution=0.005, of_a_backend=True
    ),
}
"""The resolutions are what encoding the same frames again moves the numbers by: a tenth of a just noticeable difference
of colour, half a per cent of contrast, half a hundredth of likeness."""


def drifts_of(chain: Sequence[Link], gates: Mapping[str, Gate]) -> dict[str, Drift]:
    """Every drift of a chain, by metric; `chain` in the order of its positions."""
    return {metric: _drift(metric, kind, chain, gates.get(metric)) for metric, kind in _KINDS.items()}


def drift_readings(chain: Sequence[Link], gates: Mapping[str, Gate]) -> dict[str, Reading]:
    """What is said of the last link: how far it has moved, and what the chain up to it makes expect."""
    return {metric: _reading(drift, chain[-1]) for metric, drift in drifts_of(chain, gates).items()}


def _reading(drift: Drift, link: Link) -> Reading:
    """Worst where the clip's own reading is: the least like the source, the furthest from grey, the oddest contrast."""
    position = link.position
    if position not in drift.values or position == 1:
        reason = "drift is measured against segment 1, and this is it" if position == 1 else drift.missing[position]
        return Reading(metric=drift.metric, not_measurable=reason)
    details: dict[str, float] = {}
    if drift.slope is not None and drift.slope_range is not None:
        details = {"slope": drift.slope, "slope_low": drift.slope_range[0], "slope_high": drift.slope_range[1]}
    if drift.crossing is not None:
        details |= {
            "crosses_at": float(drift.crossing.position),
            "crosses_earliest": float(drift.crossing.earliest),
            "crosses_latest": float(drift.crossing.latest),
        }
    assert link.measurement is not None
    own = link.measurement.readings[_KINDS[drift.metric].source]
    return Reading(
        metric=drift.metric,
        value=drift.values[position],
        worst_frame=own.worst_frame,
        worst_region=own.worst_region,
        details=details,
        note=drift.outlook,
    )


def _drift(metric: str, kind: _Kind, chain: Sequence[Link], gate: Gate | None) -> Drift:
    points, missing = _points(kind, chain)
    values = {position: kind.value(point) for position, point in points.items()}
    above, below = _limits(gate)
    crossed_at = next((at for at, value in values.items() if _beyond(value, above, below)), None)
    trend = None
    if len(points) >= FEWEST_POINTS:
        trend = trend_of([float(at) for at in points], list(points.values()), resolution=kind.resolution)
    crossing = None
    if trend is not None and trend.is_news and crossed_at is None:
        crossing = _crossing(trend, above, below, last=max(points))
    return Drift(
        metric=metric,
        values=values,
        missing=missing,
        limit_above=above,
        limit_below=below,
        trend=trend,
        crossed_at=crossed_at,
        crossing=crossing,
        outlook=_outlook(len(points), trend, crossed_at, crossing),
    )


def _points(kind: _Kind, chain: Sequence[Link]) -> tuple[dict[int, Point], dict[int, str]]:
    points: dict[int, Point] = {}
    missing: dict[int, str] = {}
    first = chain[0] if chain and chain[0].position == 1 else None
    for link in chain:
        reason = _incomparable(kind, first, link)
        if reason is None:
            assert first is not None and first.measurement is not None and link.measurement is not None
            start, other = first.measurement.readings[kind.source], link.measurement.readings[kind.source]
            try:
                points[link.position] = kind.point(start, other)
            except ValueError as error:
                reason = str(error)
        if reason is not None:
            missing[link.position] = reason
    return points, missing


def _incomparable(kind: _Kind, first: Link | None, link: Link) -> str | None:
    """Why a link cannot be set against segment 1; None if it can."""
    if first is None:
        return "segment 1 is not known"
    for each, name in ((first, "segment 1"), (link, "this segment")):
        if each.measurement is None:
            return f"{name}: {each.missing}"
        reading = each.measurement.readings.get(kind.source)
        if reading is None or reading.value is None:
            why = "an older metric suite has none" if reading is None else reading.not_measurable
            return f"{name} has no {kind.source}: {why}"
    return _other_scale(kind, first, link)


def _other_scale(kind: _Kind, first: Link, link: Link) -> str | None:
    assert first.method is not None and link.method is not None
    if first.tier != link.tier:
        return f"segment 1 is a {first.tier} render, this one a {link.tier} one"
    old, new = first.method, link.method
    if old.suite_version != new.suite_version:
        return f"segment 1 was measured by metric suite {old.suite_version}, this one by {new.suite_version}"
    backends = tuple(f"{each.identity_backend} {each.identity_backend_version}" for each in (old, new))
    if kind.of_a_backend and backends[0] != backends[1]:
        return f"identity of segment 1 was measured by {backends[0]}, of this one by {backends[1]}"
    return None


def _limits(gate: Gate | None) -> tuple[float | None, float | None]:
    if gate is None:
        return None, None
    return (
        gate.fail_above if gate.fail_above is not None else gate.warn_above,
        gate.fail_below if gate.fail_below is not None else gate.warn_below,
    )


def _beyond(value: float, above: float | None, below: float | None) -> bool:
    return (above is not None and value > above) or (below is not None and value < below)


def _crossing(trend: Trend, above: float | None, below: float | None, *, last: int) -> Crossing | None:
    """None if the drift leads to no limit. A distance (two coordinates) is followed along the trend, which starts where
    segment 1 is."""
    limit = below if _signed(trend, 1.0) < 0 else above
    if limit is None:
        return None
    expected, earliest, latest = (math.floor(at) + 1 for at in trend.crossing(_signed(trend, limit)))
    return Crossing(
        limit=limit,
        position=max(expected, last + 1),
        earliest=max(earliest, last + 1),
        latest=max(latest, last + 1),
    )


def _signed(trend: Trend, value: float) -> float:
    return value * trend.direction[0] if len(trend.direction) == 1 else value


def _outlook(points: int, trend: Trend | None, crossed_at: int | None, crossing: Crossing | None) -> str:
    if crossed_at is not None:
        return f"beyond its limit since segment {crossed_at}"
    if trend is None:
        return f"no slope from {points} {'segment' if points == 1 else 'segments'}; {FEWEST_POINTS} are needed"
    if not trend.is_news:
        return f"no trend: the slope over {points} segments may be zero"
    if crossing is None:
        return "a trend, with no limit on that side"
    return (
        f"expected beyond its limit {crossing.limit:g} at segment {crossing.position} "
        f"(95 %: {crossing.earliest} to {crossing.latest})"
    )
