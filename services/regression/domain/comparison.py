"""One metric of one segment: did it move, which way, and by more than it moves by itself?"""

import math
from dataclasses import dataclass
from enum import StrEnum

from services.regression.domain.baseline import BaselineMetric, Reading
from services.regression.domain.noise import prediction_factor, shared_confidence
from services.regression.domain.rules import Direction, Rule

EQUAL = 1e-9
"""Moves up to this beyond the limit are rounding, not a change."""


class Change(StrEnum):
    """Of one metric of one segment. `not_judged`: switched off, or nobody said how far it must move."""

    IMPROVED = "improved"
    SAME = "same"
    DEGRADED = "degraded"
    NOT_MEASURABLE = "not_measurable"
    NOT_JUDGED = "not_judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    """`wanted`: that an unchanged repetition stays within its limits in all `comparisons` that noise takes part in."""

    wanted: float
    comparisons: int = 1

    @property
    def each(self) -> float:
        """What one comparison must hold for that."""
        return shared_confidence(confidence=self.wanted, comparisons=self.comparisons)

    def __str__(self) -> str:
        together = f" in all {self.comparisons} noisy comparisons together" if self.comparisons > 1 else ""
        return f"{self.wanted:.0%} confidence{together}"


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


def compare_metric(
    *, metric: str, rule: Rule | None, baseline: BaselineMetric | None, new: Reading, confidence: Confidence
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
    metric: str, rule: Rule, baseline: BaselineMetric, mean: float, new: Reading, value: float, confidence: Confidence
) -> MetricComparison:
    noise = baseline.noise
    factor = prediction_factor(
        confidence=confidence.each, observations=noise.observations, degrees_of_freedom=noise.degrees_of_freedom
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
    excused = rule.relational or rule.conditional or bool(baseline.lost)
    if rule.relational:
        reason = f"the new clip could not be compared with the baseline clip: {new.why_not}"
    elif rule.conditional:
        reason = f"no longer asked: {new.why_not}"
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


def _uncertainty(baseline: BaselineMetric, threshold: float, spread: float, confidence: Confidence) -> str:
    noise, count = baseline.noise, len(baseline.values)
    if noise.degrees_of_freedom < 1:
        return f"only {count} baseline reading: its noise is unknown, the threshold alone decides"
    if noise.deviation == 0:
        return f"the {count} baseline readings are equal; the threshold decides"
    pooled = ", pooled over the segments" if noise.pooled else ""
    source = f"{count} baseline readings scatter by {noise.deviation:.2g}{pooled}"
    interval = f"a repetition lies within ±{spread:.2g}, with {confidence}"
    decides = "the noise decides" if spread > threshold else "the threshold decides"
    return f"{source}; {interval}; {decides}"


def _blindness(rule: Rule, mean: float, spread: float) -> str:
    """Said of a metric that cannot fall as far as its own noise: "same" then means "not seen"."""
    if rule.direction is Direction.HIGHER and 0 < mean <= spread:
        return "; so noisy that no fall could be seen"
    return ""
