"""The verdict on a reference: per segment, per metric, and never an average.

The worst segment and the worst metric decide. Metrics that move in opposite directions do not cancel out: one that is
degraded makes the reference degraded, whatever the others gained.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from services.regression.domain.baseline import Baseline, BaselineMetric, Reading, Render, ScoredSegment
from services.regression.domain.environment import UnderTest, differences
from services.regression.domain.noise import prediction_factor
from services.regression.domain.rules import Direction, Rule, Rulebook

EQUAL = 1e-9
"""Moves up to this beyond the limit are rounding, not a change."""


class Verdict(StrEnum):
    IMPROVED = "improved"
    SAME = "same"
    DEGRADED = "degraded"
    NOT_COMPARABLE = "not_comparable"


class Change(StrEnum):
    """Of one metric of one segment. `not_judged`: switched off, or nobody said how far it must move."""

    IMPROVED = "improved"
    SAME = "same"
    DEGRADED = "degraded"
    NOT_MEASURABLE = "not_measurable"
    NOT_JUDGED = "not_judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricComparison:
    """`delta` is new minus baseline. `limit` is the move that counts: the threshold, or the noise times `noise_factor`.

    `severity` is the move in limits: above 1 it counts. A metric that was lost has no delta; its severity is
    infinite and told as None. `blocks`: without it the reference cannot be compared at all.
    """

    metric: str
    change: Change
    unit: str = ""
    direction: Direction = Direction.TWO_SIDED
    veto: bool = False
    baseline: float | None = None
    new: float | None = None
    delta: float | None = None
    threshold: float | None = None
    noise: float | None = None
    noise_factor: float | None = None
    limit: float | None = None
    severity: float | None = None
    uncertainty: str = ""
    reason: str = ""
    worst_frame: int | None = None
    worst_value: float | None = None
    worst_region: tuple[int, int, int, int] | None = None
    blocks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentComparison:
    position: int
    verdict: Verdict
    metrics: tuple[MetricComparison, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisive:
    """What decided: the worst metric of the worst segment (or the largest gain, or the nearest to its limit)."""

    position: int
    comparison: MetricComparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    verdict: Verdict
    summary: str
    reasons: tuple[str, ...] = ()
    decisive: Decisive | None = None
    segments: tuple[SegmentComparison, ...] = ()
    vetoed: bool = False
    remeasure: bool = False


def judge(*, baseline: Baseline, render: Render, rules: Rulebook, under_test: UnderTest) -> Judgement:
    """Compare a whole new render with its baseline.

    `remeasure` says that the only obstacle is an older metric suite or identity backend behind the baseline's values:
    measuring the baseline clips again would make it comparable.
    """
    segments = tuple(
        compare_segment(
            position=position,
            baseline=baseline.metrics.get(position, {}),
            new=render[position],
            rules=rules,
        )
        for position in sorted(render)
    )
    scale, surroundings = _scale_differences(baseline, render), _environment_differences(baseline, render, under_test)
    if scale or surroundings:
        reasons = (*surroundings, *scale)
        return Judgement(
            verdict=Verdict.NOT_COMPARABLE,
            summary=f"not comparable: {reasons[0]}",
            reasons=reasons,
            segments=segments,
            remeasure=bool(scale) and not surroundings,
        )
    return conclude(segments)


def conclude(segments: Sequence[SegmentComparison]) -> Judgement:
    """The verdict on a reference from its segments; the worst one decides."""
    found = [(segment.position, metric) for segment in segments for metric in segment.metrics]
    verdict = _verdict(metric for _, metric in found)
    vetoed = any(metric.veto and metric.change is Change.DEGRADED for _, metric in found)
    told = sorted(
        ((position, metric) for position, metric in found if metric.reason), key=lambda one: not one[1].blocks
    )
    reasons = tuple(f"{metric.metric} of segment {position}: {metric.reason}" for position, metric in told)
    decisive = _decisive(found, verdict)
    return Judgement(
        verdict=verdict,
        summary=_summary(verdict, decisive, reasons),
        reasons=reasons,
        decisive=decisive,
        segments=tuple(segments),
        vetoed=vetoed,
    )


def functional_failure(*, message: str, position: int) -> Judgement:
    """A render that fails has lost everything that it showed before."""
    text = f"the render of segment {position} failed: {message}"
    return Judgement(verdict=Verdict.DEGRADED, summary=f"degraded: {text}", reasons=(text,))


def never_compared(reason: str) -> Judgement:
    """There is nothing to judge, through no fault of the asset."""
    return Judgement(verdict=Verdict.NOT_COMPARABLE, summary=f"not comparable: {reason}", reasons=(reason,))


def compare_segment(
    *, position: int, baseline: Mapping[str, BaselineMetric], new: ScoredSegment, rules: Rulebook
) -> SegmentComparison:
    """A clip that could not be decoded has lost what it showed; a measurement that broke off says nothing about the
    clip.
    """
    broke_off = new.not_measurable is not None and all(one.measured is None for one in new.readings.values())
    names = sorted(set(baseline) | set(new.readings))
    metrics = tuple(
        compare_metric(
            metric=name,
            rule=rules.rule(name),
            baseline=baseline.get(name),
            new=_reading(new, name),
            confidence=rules.confidence,
        )
        for name in names
    )
    if broke_off:
        metrics = tuple(_broke_off(metric, new.not_measurable or "") for metric in metrics)
    return SegmentComparison(position=position, verdict=_verdict(metrics), metrics=metrics)


def _broke_off(metric: MetricComparison, reason: str) -> MetricComparison:
    if metric.change is Change.NOT_JUDGED:
        return metric
    return replace(
        metric, change=Change.NOT_MEASURABLE, reason=f"the new clip could not be measured: {reason}", blocks=True
    )


def compare_metric(
    *, metric: str, rule: Rule | None, baseline: BaselineMetric | None, new: Reading, confidence: float
) -> MetricComparison:
    """One metric of one segment.

    Measured before and not any more is degraded (the face is lost). Not measurable before is not judged against; where
    only some of the baseline's own renders could be measured, losing it again is nothing new.
    """
    if rule is None or not rule.enabled:
        return _not_judged(metric, rule, baseline, new)
    if baseline is None or baseline.mean is None:
        return _without_baseline(metric, rule, baseline, new)
    if new.measured is None:
        return _lost(metric, rule, baseline, baseline.mean, new)
    return _moved(metric, rule, baseline, baseline.mean, new, new.measured, confidence)


def _moved(
    metric: str, rule: Rule, baseline: BaselineMetric, mean: float, new: Reading, value: float, confidence: float
) -> MetricComparison:
    noise = baseline.noise
    factor = prediction_factor(
        confidence=confidence, observations=noise.observations, degrees_of_freedom=noise.degrees_of_freedom
    )
    threshold = rule.smallest_move(mean)
    spread = noise.deviation * factor if math.isfinite(factor) else 0.0
    limit = max(threshold, spread)
    delta = value - mean
    return MetricComparison(
        metric=metric,
        change=change_of(delta=delta, limit=limit, rule=rule),
        unit=new.unit or baseline.unit,
        direction=rule.direction,
        veto=rule.veto,
        baseline=mean,
        new=value,
        delta=delta,
        threshold=threshold,
        noise=noise.deviation,
        noise_factor=factor if math.isfinite(factor) else None,
        limit=limit,
        severity=abs(delta) / max(limit, EQUAL),
        uncertainty=_uncertainty(baseline, threshold, spread, confidence) + _blindness(rule, mean, spread),
        worst_frame=new.worst_frame,
        worst_value=new.worst_value,
        worst_region=new.worst_region,
    )


def change_of(*, delta: float, limit: float, rule: Rule) -> Change:
    """Same up to the limit; beyond it, the way it moved. Relational metrics cannot improve, two-sided ones neither."""
    if abs(delta) <= limit + EQUAL:
        return Change.SAME
    if rule.direction is Direction.TWO_SIDED:
        return Change.DEGRADED
    better = (delta > 0) == (rule.direction is Direction.HIGHER)
    if not better:
        return Change.DEGRADED
    return Change.SAME if rule.relational else Change.IMPROVED


def _lost(metric: str, rule: Rule, baseline: BaselineMetric, mean: float, new: Reading) -> MetricComparison:
    excused = rule.relational or bool(baseline.lost)
    if rule.relational:
        reason = f"the new clip could not be compared with the baseline clip: {new.why_not}"
    elif baseline.lost:
        reason = f"not measurable ({new.why_not}), as in {len(baseline.lost)} of the baseline's own renders"
    else:
        reason = f"could be measured in the baseline, cannot any more: {new.why_not}"
    return MetricComparison(
        metric=metric,
        change=Change.NOT_MEASURABLE if excused else Change.DEGRADED,
        unit=baseline.unit,
        direction=rule.direction,
        veto=rule.veto,
        baseline=mean,
        noise=baseline.noise.deviation,
        reason=reason,
        worst_frame=new.worst_frame,
        worst_region=new.worst_region,
        blocks=rule.relational and not baseline.lost,
    )


def _without_baseline(metric: str, rule: Rule, baseline: BaselineMetric | None, new: Reading) -> MetricComparison:
    before = baseline.lost[0] if baseline is not None and baseline.lost else "not measured in the baseline"
    reason = f"skipped: not measurable in the baseline ({before})"
    if new.measured is None:
        reason = f"skipped: neither the baseline nor the new clip could be measured ({new.why_not})"
    return MetricComparison(
        metric=metric,
        change=Change.NOT_MEASURABLE,
        unit=new.unit,
        direction=rule.direction,
        veto=rule.veto,
        new=new.measured,
        reason=reason,
    )


def _not_judged(metric: str, rule: Rule | None, baseline: BaselineMetric | None, new: Reading) -> MetricComparison:
    mean = baseline.mean if baseline is not None else None
    value = new.measured
    return MetricComparison(
        metric=metric,
        change=Change.NOT_JUDGED,
        unit=new.unit or (baseline.unit if baseline is not None else ""),
        direction=rule.direction if rule is not None else new.direction,
        baseline=mean,
        new=value,
        delta=value - mean if value is not None and mean is not None else None,
        uncertainty="switched off" if rule is not None else "no threshold is set for this metric",
    )


def _reading(segment: ScoredSegment, name: str) -> Reading:
    if name in segment.readings:
        return segment.readings[name]
    return Reading(value=None, not_measurable=segment.not_measurable or "it was not reported")


def _verdict(metrics: Iterable[MetricComparison]) -> Verdict:
    found = list(metrics)
    changes = {metric.change for metric in found}
    if Change.DEGRADED in changes:
        return Verdict.DEGRADED
    if any(metric.blocks for metric in found) or not changes & {Change.IMPROVED, Change.SAME}:
        return Verdict.NOT_COMPARABLE
    return Verdict.IMPROVED if Change.IMPROVED in changes else Verdict.SAME


def _decisive(found: Sequence[tuple[int, MetricComparison]], verdict: Verdict) -> Decisive | None:
    kind = {Verdict.DEGRADED: Change.DEGRADED, Verdict.IMPROVED: Change.IMPROVED, Verdict.SAME: Change.SAME}.get(
        verdict
    )
    candidates = [(position, metric) for position, metric in found if metric.change is kind]
    if not candidates:
        return None
    position, metric = max(candidates, key=_weight)
    return Decisive(position=position, comparison=metric)


def _weight(candidate: tuple[int, MetricComparison]) -> tuple[bool, float, int]:
    """Vetoes first, then the move in limits (lost: infinite), then the earliest segment."""
    position, metric = candidate
    severity = metric.severity if metric.severity is not None else math.inf
    return metric.veto and metric.change is Change.DEGRADED, severity, -position


def _uncertainty(baseline: BaselineMetric, threshold: float, spread: float, confidence: float) -> str:
    noise, count = baseline.noise, len(baseline.values)
    if noise.degrees_of_freedom < 1:
        return f"only {count} baseline reading: its noise is unknown, the threshold alone decides"
    if noise.deviation == 0:
        return f"the {count} baseline readings are equal; the threshold decides"
    pooled = ", pooled over the segments" if noise.pooled else ""
    source = f"{count} baseline readings scatter by {noise.deviation:.2g}{pooled}"
    interval = f"a repetition lies within ±{spread:.2g} with {confidence:.0%} confidence"
    decides = "the noise decides" if spread > threshold else "the threshold decides"
    return f"{source}; {interval}; {decides}"


def _blindness(rule: Rule, mean: float, spread: float) -> str:
    """Said of a metric that cannot fall as far as its own noise: "same" then means "not seen"."""
    if rule.direction is Direction.HIGHER and 0 < mean <= spread:
        return "; so noisy that no fall could be seen"
    return ""


def _summary(verdict: Verdict, decisive: Decisive | None, reasons: Sequence[str]) -> str:
    if verdict is Verdict.NOT_COMPARABLE:
        return f"not comparable: {reasons[0] if reasons else 'nothing could be measured'}"
    if decisive is None or verdict is Verdict.SAME:
        return "same: every metric stayed within its limit"
    return f"{verdict.value}: {describe(decisive)}"


def describe(decisive: Decisive) -> str:
    """One change in plain words, for people who did not look at the numbers."""
    found = decisive.comparison
    subject = f"{found.metric} of segment {decisive.position}"
    if found.delta is None or found.baseline is None or found.new is None or found.limit is None:
        return f"{subject} {found.reason}"
    verb = "fell" if found.delta < 0 else "rose"
    moved = f"{subject} {verb} from {_number(found.baseline)} to {_number(found.new)} (limit {_number(found.limit)})"
    return moved if found.worst_frame is None else f"{moved}, worst at frame {found.worst_frame}"


def _number(value: float) -> str:
    """Two decimals, more where they would hide the value."""
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"


def _scale_differences(baseline: Baseline, render: Render) -> tuple[str, ...]:
    old_suite, old_backend = baseline.metric_suite_version, baseline.backend.label
    suites = {segment.metric_suite_version for segment in render.values()} - {old_suite}
    backends = {segment.backend.label for segment in render.values()} - {old_backend}
    found = [
        f"the baseline was measured by metric suite {old_suite}, the new clips by {suite}" for suite in sorted(suites)
    ]
    found += [f"identity was measured by {old_backend} in the baseline, by {new} now" for new in sorted(backends)]
    return tuple(found)


def _environment_differences(baseline: Baseline, render: Render, under_test: UnderTest) -> tuple[str, ...]:
    found = [
        difference
        for position in sorted(render)
        for difference in differences(baseline.environments, render[position].environment, under_test)
    ]
    return tuple(f"the environment changed: {difference}" for difference in dict.fromkeys(found))
