"""The verdict on a reference: per segment, per metric, and never an average.

The worst segment and the worst metric decide. Metrics that move in opposite directions do not cancel out: one that is
degraded makes the reference degraded, whatever the others gained.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from services.regression.domain.baseline import Baseline, BaselineMetric, Reading, Render, ScoredSegment
from services.regression.domain.comparison import Change, Confidence, MetricComparison, compare_metric
from services.regression.domain.environment import UnderTest, differences
from services.regression.domain.rules import Rule, Rulebook


class Verdict(StrEnum):
    IMPROVED = "improved"
    SAME = "same"
    DEGRADED = "degraded"
    NOT_COMPARABLE = "not_comparable"


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
    confidence = Confidence(wanted=rules.confidence, comparisons=_noisy_comparisons(baseline, rules))
    segments = tuple(
        compare_segment(
            position=position,
            baseline=baseline.metrics.get(position, {}),
            new=render[position],
            rules=rules,
            confidence=confidence,
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
    *,
    position: int,
    baseline: Mapping[str, BaselineMetric],
    new: ScoredSegment,
    rules: Rulebook,
    confidence: Confidence,
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
            confidence=confidence,
        )
        for name in names
    )
    if broke_off:
        metrics = tuple(_broke_off(metric, new.not_measurable or "") for metric in metrics)
    return SegmentComparison(position=position, verdict=_verdict(metrics), metrics=metrics)


def _noisy_comparisons(baseline: Baseline, rules: Rulebook) -> int:
    """Comparisons that could go wrong by chance: judged ones, of metrics that move by themselves."""
    judged = {name for metrics in baseline.metrics.values() for name in metrics if _is_judged(rules.rule(name))}
    return sum(
        metrics[name].noise.deviation > 0 for metrics in baseline.metrics.values() for name in judged & metrics.keys()
    )


def _is_judged(rule: Rule | None) -> bool:
    return rule is not None and rule.enabled


def _broke_off(metric: MetricComparison, reason: str) -> MetricComparison:
    if metric.change is Change.NOT_JUDGED:
        return metric
    return replace(
        metric, change=Change.NOT_MEASURABLE, reason=f"the new clip could not be measured: {reason}", blocks=True
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
