"""Which way of a metric is better, how far it must move to count, and what no gain elsewhere can buy back."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from services.regression.domain.errors import BadThreshold

DEFAULT_CONFIDENCE = 0.99
"""Two-sided, for all comparisons of a reference together: an unchanged repetition on a noisy engine leaves a limit
once in a hundred runs of that reference, half of the times for the worse; on an engine that repeats itself, never."""

SSIM_TO_BASELINE = "ssim_to_baseline"


class Direction(StrEnum):
    """Which way is better. `two_sided`: any move away from the baseline is for the worse."""

    HIGHER = "higher"
    LOWER = "lower"
    TWO_SIDED = "two_sided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one metric is judged.

    `threshold` is the smallest move that counts, in the metric's own unit; `relative` the same as a share of the
    baseline value, for metrics whose size depends on what is shown. The larger of the two holds. `relational`
    metrics compare with the baseline clip itself: they measure change, not quality, and are never "improved".
    `conditional` metrics are asked of some clips only: one that is not measurable any more has not lost anything.
    """

    metric: str
    direction: Direction
    threshold: float
    relative: float = 0.0
    veto: bool = False
    relational: bool = False
    conditional: bool = False
    enabled: bool = True

    def smallest_move(self, baseline: float) -> float:
        return max(self.threshold, self.relative * abs(baseline))


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A project's or a reference's own opinion on one metric; None keeps what was there."""

    direction: Direction | None = None
    threshold: float | None = None
    veto: bool | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    metrics: Mapping[str, Override] = field(default_factory=dict)
    confidence: float | None = None


def _rules(*rules: Rule) -> dict[str, Rule]:
    return {rule.metric: rule for rule in rules}


BUILT_IN: Mapping[str, Rule] = _rules(
    Rule(metric="matches_request", direction=Direction.HIGHER, threshold=0.0),
    Rule(metric="sharpness", direction=Direction.HIGHER, threshold=0.03, relative=0.1),
    Rule(metric="exposure", direction=Direction.TWO_SIDED, threshold=0.05),
    Rule(metric="clipping", direction=Direction.LOWER, threshold=0.03),
    Rule(metric="contrast", direction=Direction.TWO_SIDED, threshold=0.02, relative=0.15),
    Rule(metric="colourfulness", direction=Direction.TWO_SIDED, threshold=5.0, relative=0.15),
    Rule(metric="blockiness", direction=Direction.LOWER, threshold=0.1),
    Rule(metric="noise", direction=Direction.LOWER, threshold=0.004, relative=0.3),
    Rule(metric="motion", direction=Direction.TWO_SIDED, threshold=0.003, relative=0.35),
    Rule(metric="motion_jump", direction=Direction.LOWER, threshold=0.005),
    Rule(metric="warping_error", direction=Direction.LOWER, threshold=0.0005, relative=0.5),
    Rule(metric="flicker", direction=Direction.LOWER, threshold=0.003, veto=True),
    Rule(metric="temporal_flicker", direction=Direction.HIGHER, threshold=0.01, conditional=True),
    Rule(metric="frozen_frames", direction=Direction.LOWER, threshold=0.05),
    Rule(metric="black_frames", direction=Direction.LOWER, threshold=0.02),
    Rule(metric="cuts", direction=Direction.LOWER, threshold=0.0),
    Rule(metric="identity_similarity", direction=Direction.HIGHER, threshold=0.05, veto=True),
    Rule(metric="handover_ssim", direction=Direction.HIGHER, threshold=0.05),
    Rule(metric="colour_cast", direction=Direction.TWO_SIDED, threshold=5.0, relative=0.15),
    Rule(metric=SSIM_TO_BASELINE, direction=Direction.HIGHER, threshold=0.15, relational=True),
)
"""matches_request: any clip that stops matching what was asked counts. sharpness: 0..1, 0.2 to 0.4 on photographs
under camera moves; a blur that one can see moves it by a tenth of itself. exposure: share of the range; 0.05 is a
quarter of a stop in the mid tones. contrast: share of the range, 0.10 to 0.29 on photographs. colourfulness: M3, 30
to 80 on photographs; its words ("moderately", "averagely", ...) are about 15 apart. blockiness: below 0.05 on a clean
clip, 0.25 at a visibly coarse crf. noise: share of the range, 0.001 to 0.006 on photographs; a grain of 0.008 is just
seen. motion: frame diagonals per second, 0.005 (a still scene) to 0.15; its size is the scene's, hence relative.
motion_jump: frame diagonals, up to 0.003 on an even move; a jump by one per cent of the frame is 0.009.
warping_error: 0.0002 and less on photographs under camera moves. temporal_flicker: VBench's models differ by
hundredths. cuts: each one counts. flicker: share of the range; a clean clip has less than 0.001, a 5 % alternation of
brightness 0.02. frozen and black: shares of the clip's frames. identity: 0.96 and more for the same person under
camera moves. SSIM to the baseline: a legitimate update changes pixels too, so only a change of structure counts. Colour
cast: CIELAB units, of which 2.3 can just be noticed side by side. drift_colour, drift_contrast and drift_identity have
no rule on purpose: they set a segment against the first of its own chain, and both are compared with the baseline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """The rules in force for one reference."""

    rules: Mapping[str, Rule]
    confidence: float

    def rule(self, metric: str) -> Rule | None:
        """None: nobody said how far this metric must move, so it is reported and not judged."""
        return self.rules.get(metric)


def rulebook(*layers: Overrides) -> Rulebook:
    """Built-in rules, changed by each layer in turn: the project first, the reference last.

    An overriding threshold is absolute: it replaces the relative part too. A metric without a built-in rule is judged
    once a layer gives it both a direction and a threshold.
    """
    rules = dict(BUILT_IN)
    confidence = DEFAULT_CONFIDENCE
    for layer in layers:
        confidence = layer.confidence if layer.confidence is not None else confidence
        for metric, override in layer.metrics.items():
            known = rules.get(metric) or _new_rule(metric, override)
            if known is not None:
                rules[metric] = _changed(known, override)
    return Rulebook(rules=rules, confidence=confidence)


def check_overrides(overrides: Overrides) -> None:
    """Raises BadThreshold for a metric that has no built-in rule and is not given a whole one: mostly a spelling
    mistake.
    """
    for metric, override in overrides.metrics.items():
        if metric not in BUILT_IN and _new_rule(metric, override) is None:
            known = ", ".join(sorted(BUILT_IN))
            raise BadThreshold(
                f"Nothing is known of a metric '{metric}'. Known metrics: {known}. "
                "For another one give both its direction and its threshold."
            )


def _new_rule(metric: str, override: Override) -> Rule | None:
    if override.direction is None or override.threshold is None:
        return None
    return Rule(metric=metric, direction=override.direction, threshold=override.threshold)


def _changed(rule: Rule, override: Override) -> Rule:
    if override.threshold is not None:
        rule = replace(rule, threshold=override.threshold, relative=0.0)
    return replace(
        rule,
        direction=override.direction if override.direction is not None else rule.direction,
        veto=override.veto if override.veto is not None else rule.veto,
        enabled=override.enabled if override.enabled is not None else rule.enabled,
    )
