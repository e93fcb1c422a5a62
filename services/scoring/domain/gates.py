"""What a measurement is worth: quality gates, verdicts, one overall score.

The weakest link decides. A gate that failed is never bought back by others that passed, and a metric that could not be
measured is said to be so rather than passed.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.scoring.domain.identity import FACE_REGION, IDENTITY_KINDS, IDENTITY_METRICS
from services.scoring.domain.readings import METRICS, Direction, Measurement, Reading


class Verdict(StrEnum):
    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


class GateError(ValueError):
    """A gate that cannot be: the message says which limit to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Limits of one metric. Values below `warn_below` or above `warn_above` warn, beyond the `fail_` limits they fail.

    None: no limit on that side. A failed gate is a veto on the whole clip. `identity_backend` names the back-end on
    whose scale the limits are; clips that another one measured are not judged by them. None: whichever measured.
    """

    metric: str
    warn_below: float | None = None
    fail_below: float | None = None
    warn_above: float | None = None
    fail_above: float | None = None
    identity_backend: str | None = None

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise GateError(f"there is no metric '{self.metric}'; known are {', '.join(sorted(METRICS))}")
        self._check_finite()
        self._check_sides(METRICS[self.metric].direction)
        self._check_order()
        self._check_backend()

    def _check_finite(self) -> None:
        """Nothing is ever below or above "not a number": such a limit would pass everything."""
        for name in ("warn_below", "fail_below", "warn_above", "fail_above"):
            limit = getattr(self, name)
            if limit is not None and not math.isfinite(limit):
                raise GateError(f"{self.metric}: {name} must be a finite number")

    def _check_sides(self, direction: Direction) -> None:
        if direction is Direction.HIGHER and (self.warn_above is not None or self.fail_above is not None):
            raise GateError(f"{self.metric}: higher is better, so only warn_below and fail_below make sense")
        if direction is Direction.LOWER and (self.warn_below is not None or self.fail_below is not None):
            raise GateError(f"{self.metric}: lower is better, so only warn_above and fail_above make sense")

    def _check_order(self) -> None:
        if self.warn_below is not None and self.fail_below is not None and self.fail_below > self.warn_below:
            raise GateError(f"{self.metric}: fail_below must not be above warn_below")
        if self.warn_above is not None and self.fail_above is not None and self.fail_above < self.warn_above:
            raise GateError(f"{self.metric}: fail_above must not be below warn_above")
        low = max((limit for limit in (self.warn_below, self.fail_below) if limit is not None), default=None)
        high = min((limit for limit in (self.warn_above, self.fail_above) if limit is not None), default=None)
        if low is not None and high is not None and low > high:
            raise GateError(f"{self.metric}: the lower limits must not be above the upper ones")

    def _check_backend(self) -> None:
        if self.identity_backend is None:
            return
        if self.metric not in IDENTITY_METRICS:
            raise GateError(f"{self.metric}: only limits of {', '.join(sorted(IDENTITY_METRICS))} name a back-end")
        if self.identity_backend not in IDENTITY_KINDS:
            known = ", ".join(sorted(IDENTITY_KINDS))
            raise GateError(f"there is no identity back-end '{self.identity_backend}'; known are {known}")

    def suits(self, identity_backend: str) -> bool:
        return self.identity_backend in (None, identity_backend)


DEFAULT_GATES: Mapping[str, Gate] = {
    gate.metric: gate
    for gate in (
        Gate(metric="matches_request", warn_below=1.0, fail_below=1.0),
        Gate(metric="sharpness", warn_below=0.15, fail_below=0.08),
        Gate(metric="exposure", warn_below=0.12, fail_below=0.04, warn_above=0.85, fail_above=0.95),
        Gate(metric="clipping", warn_above=0.25, fail_above=0.60),
        Gate(metric="contrast", warn_below=0.05, fail_below=0.02),
        Gate(metric="colourfulness", warn_above=120.0, fail_above=180.0),
        Gate(metric="blockiness", warn_above=0.4, fail_above=1.0),
        Gate(metric="noise", warn_above=0.025, fail_above=0.05),
        Gate(metric="motion", warn_above=0.6, fail_above=1.5),
        Gate(metric="motion_jump", warn_above=0.01, fail_above=0.05),
        Gate(metric="warping_error", warn_above=0.002, fail_above=0.01),
        Gate(metric="flicker", warn_above=0.006, fail_above=0.02),
        Gate(metric="temporal_flicker", warn_below=0.95, fail_below=0.9),
        Gate(metric="frozen_frames", warn_above=0.25, fail_above=0.9),
        Gate(metric="black_frames", warn_above=0.0, fail_above=0.25),
        Gate(metric="cuts", warn_above=0.0, fail_above=0.0),
        Gate(metric="handover_ssim", warn_below=0.75, fail_below=0.4),
        Gate(metric="drift_colour", warn_above=8.0, fail_above=20.0),
        Gate(metric="drift_contrast", warn_below=-0.3, fail_below=-0.6, warn_above=0.4, fail_above=1.0),
    )
}
"""Wide on purpose: they catch what is broken on any scene; projects narrow them. Measured on photographs under camera
moves: sharpness 0.2 to 0.4, contrast 0.10 to 0.29, colourfulness 30 to 80, blockiness below 0.05 (H.264 at crf 44
about 0.25, JPEG at quality 10 1.0 to 2.0), noise 0.001 to 0.006 (a star field 0.016), flicker below 0.001 (a 5 %
alternation of brightness 0.02), motion 0.02 to 0.15, a jump of motion up to 0.003, a warping error up to 0.0002. SSIM
to a baseline has no gate: it measures change, and judging change is not this service's part. The limits of identity
are those of the back-end that measured it: see `default_gates`."""


def default_gates(identity_backend: str = FACE_REGION.name) -> Mapping[str, Gate]:
    """The built-in gates for clips whose identity that back-end measured; of an unknown one, none for identity."""
    kind = IDENTITY_KINDS.get(identity_backend)
    if kind is None:
        return DEFAULT_GATES
    limits = {
        "identity_similarity": (kind.warn_below, kind.fail_below),
        "drift_identity": (kind.drift_warn_below, kind.drift_fail_below),
    }
    gates = {
        metric: Gate(metric=metric, warn_below=warn, fail_below=fail, identity_backend=kind.name)
        for metric, (warn, fail) in limits.items()
    }
    return {**DEFAULT_GATES, **gates}


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOutcome:
    """One gate applied to one reading; `limit` is the limit that was crossed."""

    metric: str
    verdict: Verdict
    value: float | None
    limit: float | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    verdict: Verdict
    outcomes: tuple[GateOutcome, ...]
    quality_score: float | None


class GateSource(StrEnum):
    BUILT_IN = "built_in"
    PROJECT = "project"
    SCENE_TYPE = "scene_type"


def sourced_gates(
    *, project: Iterable[Gate] = (), scene_type: Iterable[Gate] = (), identity_backend: str = FACE_REGION.name
) -> Mapping[str, tuple[Gate, GateSource]]:
    """Per metric the most particular gate wins as a whole: scene type over project over built-in.

    Gates whose limits are on another back-end's scale than `identity_backend` are passed over.
    """
    resolved = {metric: (gate, GateSource.BUILT_IN) for metric, gate in default_gates(identity_backend).items()}
    for gates, source in ((project, GateSource.PROJECT), (scene_type, GateSource.SCENE_TYPE)):
        resolved.update({gate.metric: (gate, source) for gate in gates if gate.suits(identity_backend)})
    return resolved


def resolve_gates(
    *, project: Iterable[Gate] = (), scene_type: Iterable[Gate] = (), identity_backend: str = FACE_REGION.name
) -> Mapping[str, Gate]:
    found = sourced_gates(project=project, scene_type=scene_type, identity_backend=identity_backend)
    return {metric: gate for metric, (gate, _) in found.items()}


def judge(measurement: Measurement, gates: Mapping[str, Gate]) -> Judgement:
    """The verdict of the weakest gate, each gate's own outcome, and the overall score."""
    outcomes = tuple(
        _outcome(gates[name], measurement.readings[name])
        for name in METRICS
        if name in gates and name in measurement.readings
    )
    verdict = weakest(outcome.verdict for outcome in outcomes)
    if measurement.not_measurable is not None:
        verdict = Verdict.FAIL
    return Judgement(verdict=verdict, outcomes=outcomes, quality_score=quality_score(measurement, gates))


def weakest(verdicts: Iterable[Verdict]) -> Verdict:
    order = (Verdict.PASS, Verdict.WARN, Verdict.FAIL)
    return max(verdicts, key=order.index, default=Verdict.PASS)


def quality_score(measurement: Measurement, gates: Mapping[str, Gate]) -> float | None:
    """Overall quality in [0, 1]; None if nothing could be measured.

    The goodness of the weakest metric times a factor of one half to one that follows the average: it can only fall when
    any metric gets worse, and no average lifts it above its weakest part. A failed gate leaves it at a quarter or less.
    """
    if measurement.not_measurable is not None:
        return None
    parts = [
        goodness(gate, reading.value)
        for name, gate in gates.items()
        if (reading := measurement.readings.get(name)) is not None and reading.value is not None
    ]
    if not parts:
        return None
    return min(parts) * (0.5 + 0.5 * sum(parts) / len(parts))


FAIL_GOODNESS = 0.25
WARN_GOODNESS = 0.6


def goodness(gate: Gate, value: float) -> float:
    """How good a value is in [0, 1]: at most 0.25 where it fails, 0.6 where it warns; never rises with badness."""
    direction = METRICS[gate.metric].direction
    best = {Direction.HIGHER: 1.0, Direction.LOWER: 0.0, Direction.TWO_SIDED: None}[direction]
    below = _side(value, gate.warn_below, gate.fail_below, best)
    above = _side(-value, _mirrored(gate.warn_above), _mirrored(gate.fail_above), _mirrored(best))
    return min(below, above)


def _mirrored(limit: float | None) -> float | None:
    return None if limit is None else -limit


def _side(value: float, warn: float | None, fail: float | None, best: float | None) -> float:
    """Goodness of a value that should be high: linear between the limits, falling off hyperbolically beyond `fail`, and
    rising from the warning limit to 1 at `best`, or within the distance between the limits if that is nearer.

    Every share is taken before it is weighed: however it is rounded it is at most 1, so no last bit lifts a warning
    over a pass.
    """
    if warn is None or fail is None:
        return _one_limit(value, warn, fail)
    span = warn - fail
    if value < fail:
        scale = span or max(abs(fail), 1.0)
        return FAIL_GOODNESS * (scale / (scale + (fail - value)))
    if value < warn:
        return FAIL_GOODNESS + (WARN_GOODNESS - FAIL_GOODNESS) * ((value - fail) / span)
    room = span / 2 if best is None else min(span, max(0.0, best - warn))
    return min(1.0, WARN_GOODNESS + (1 - WARN_GOODNESS) * ((value - warn) / room)) if room > 0 else 1.0


def _one_limit(value: float, warn: float | None, fail: float | None) -> float:
    if fail is not None:
        return 1.0 if value >= fail else FAIL_GOODNESS
    return 1.0 if warn is None or value >= warn else WARN_GOODNESS


def _outcome(gate: Gate, reading: Reading) -> GateOutcome:
    if reading.value is None:
        message = f"{gate.metric} could not be measured: {reading.not_measurable}"
        return GateOutcome(metric=gate.metric, verdict=Verdict.PASS, value=None, limit=None, message=message)
    value = reading.value
    for verdict, below, above in (
        (Verdict.FAIL, gate.fail_below, gate.fail_above),
        (Verdict.WARN, gate.warn_below, gate.warn_above),
    ):
        if below is not None and value < below:
            return _crossed(gate, reading, verdict, below, "below")
        if above is not None and value > above:
            return _crossed(gate, reading, verdict, above, "above")
    message = f"{gate.metric} {value:.4g} is within its limits"
    return GateOutcome(metric=gate.metric, verdict=Verdict.PASS, value=value, limit=None, message=message)


def _crossed(gate: Gate, reading: Reading, verdict: Verdict, limit: float, side: str) -> GateOutcome:
    message = f"{gate.metric} {reading.value:.4g} is {side} {limit:.4g}"
    if reading.worst_frame is not None:
        message += f", worst at frame {reading.worst_frame}"
        if reading.worst_region is not None:
            message += " in x {}, y {}, {} x {} pixels".format(*reading.worst_region)
    if reading.note:
        message += f" ({reading.note})"
    return GateOutcome(metric=gate.metric, verdict=verdict, value=reading.value, limit=limit, message=message)
