"""Gates, verdicts and the overall score: the weakest link decides and nothing buys it back."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scoring.domain import (
    CLIP_METRICS,
    METRICS,
    Direction,
    Gate,
    GateError,
    Measurement,
    Reading,
    Verdict,
    default_gates,
    goodness,
    judge,
    quality_score,
    resolve_gates,
    unmeasurable,
    weakest,
)

GOOD = {
    "matches_request": 1.0, "sharpness": 0.35, "exposure": 0.45, "clipping": 0.02, "contrast": 0.2,
    "colourfulness": 50.0, "blockiness": 0.0, "noise": 0.004, "motion": 0.05, "motion_jump": 0.001,
    "warping_error": 0.0001, "flicker": 0.0005, "temporal_flicker": 0.99, "frozen_frames": 0.0,
    "black_frames": 0.0, "cuts": 0.0, "identity_similarity": 0.97, "handover_ssim": 0.97,
    "ssim_to_baseline": 0.98, "colour_cast": 5.0, "drift_colour": 1.0, "drift_contrast": 0.0, "drift_identity": 0.0,
}  # fmt: skip


def measured(**values: float | None) -> Measurement:
    merged: dict[str, float | None] = {**GOOD, **values}
    return Measurement(
        readings={
            name: Reading(metric=name, value=value)
            if value is not None
            else Reading(metric=name, not_measurable="not there")
            for name, value in merged.items()
        }
    )


def test_a_good_clip_passes_every_default_gate_with_a_high_score() -> None:
    judgement = judge(measured(), default_gates())
    assert judgement.verdict is Verdict.PASS
    assert {outcome.metric for outcome in judgement.outcomes} == set(METRICS) - {"ssim_to_baseline", "colour_cast"}
    assert judgement.quality_score is not None and judgement.quality_score > 0.8


def test_a_failed_gate_fails_the_clip_however_good_the_rest_is() -> None:
    judgement = judge(measured(identity_similarity=0.2, sharpness=1.0, clipping=0.0), default_gates())
    assert judgement.verdict is Verdict.FAIL
    assert judgement.quality_score is not None and judgement.quality_score <= 0.25
    failed = [outcome for outcome in judgement.outcomes if outcome.verdict is Verdict.FAIL]
    assert [(outcome.metric, outcome.limit) for outcome in failed] == [("identity_similarity", 0.35)]
    assert "0.2 is below 0.35" in failed[0].message


def test_warnings_do_not_add_up_to_a_failure_and_never_pass() -> None:
    assert judge(measured(sharpness=0.1, clipping=0.3, flicker=0.01), default_gates()).verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("value", "verdict"), [(0.03, "fail"), (0.1, "warn"), (0.5, "pass"), (0.9, "warn"), (0.96, "fail")]
)
def test_a_two_sided_gate_has_limits_on_both_sides(value: float, verdict: str) -> None:
    assert judge(measured(exposure=value), default_gates()).verdict == verdict


def test_a_metric_that_could_not_be_measured_says_so_and_decides_nothing() -> None:
    judgement = judge(measured(handover_ssim=None), default_gates())
    assert judgement.verdict is Verdict.PASS
    outcome = next(outcome for outcome in judgement.outcomes if outcome.metric == "handover_ssim")
    assert (outcome.value, outcome.message) == (None, "handover_ssim could not be measured: not there")


@pytest.mark.parametrize("decodable", [True, False])
def test_a_clip_that_could_not_be_measured_fails_and_every_metric_says_why(decodable: bool) -> None:
    measurement = unmeasurable("the decoder died", decodable=decodable)
    assert set(measurement.readings) == set(CLIP_METRICS)
    judgement = judge(measurement, default_gates())
    assert (judgement.verdict, judgement.quality_score) == (Verdict.FAIL, None)
    reasons = {reading.not_measurable or reading.note for reading in measurement.readings.values()}
    assert reasons == {"the decoder died"}
    assert measurement.readings["matches_request"].value == (None if decodable else 0.0)


def test_a_reading_has_a_value_or_a_reason_never_both_never_neither() -> None:
    with pytest.raises(ValueError, match="either a value or a reason"):
        Reading(metric="sharpness")
    with pytest.raises(ValueError, match="either a value or a reason"):
        Reading(metric="sharpness", value=1.0, not_measurable="no")


def test_gates_are_resolved_scene_type_over_project_over_built_in() -> None:
    project = [Gate(metric="sharpness", warn_below=0.3), Gate(metric="motion", warn_above=0.2)]
    scene_type = [Gate(metric="motion", warn_above=2.0)]
    resolved = resolve_gates(project=project, scene_type=scene_type)
    assert resolved["sharpness"] == project[0]
    assert resolved["motion"] == scene_type[0]
    assert resolved["flicker"] == default_gates()["flicker"]


@pytest.mark.parametrize(
    "limits",
    [
        {"metric": "beauty"},
        {"metric": "sharpness", "warn_above": 0.5},
        {"metric": "flicker", "fail_below": 0.5},
        {"metric": "sharpness", "warn_below": 0.1, "fail_below": 0.2},
        {"metric": "flicker", "warn_above": 0.2, "fail_above": 0.1},
        {"metric": "exposure", "warn_below": 0.6, "warn_above": 0.5},
    ],
    ids=["unknown", "wrong-side", "wrong-side-low", "crossed", "crossed-high", "no-room"],
)
def test_a_gate_that_cannot_be_is_refused(limits: dict[str, object]) -> None:
    with pytest.raises(GateError):
        Gate(**limits)  # type: ignore[arg-type]


def test_weakest_of_every_combination() -> None:
    for verdicts in itertools.product(Verdict, repeat=3):
        expected = "fail" if "fail" in verdicts else "warn" if "warn" in verdicts else "pass"
        assert weakest(verdicts) == expected
    assert weakest(()) is Verdict.PASS


finite = st.floats(-2, 3, allow_nan=False)


@given(metric=st.sampled_from(sorted(default_gates())), one=finite, two=finite)
def test_goodness_never_rises_with_badness(metric: str, one: float, two: float) -> None:
    gate = default_gates()[metric]
    low, high = sorted((one, two))
    direction = METRICS[metric].direction
    assert 0 <= goodness(gate, one) <= 1
    if direction is Direction.HIGHER or (metric == "exposure" and high <= 0.4):
        assert goodness(gate, low) <= goodness(gate, high)
    if direction is Direction.LOWER or metric == "motion" or (metric == "exposure" and low >= 0.4):
        assert goodness(gate, low) >= goodness(gate, high)


def test_no_rounding_beside_a_limit_makes_the_worse_side_the_better_one() -> None:
    spans = [n / 97 for n in range(1, 97)]
    for warn, fail in [pair for span in spans for pair in ((0.0, -span), (span, 0.0), (1.0, 1.0 - span))]:
        gate = Gate(metric="drift_identity", warn_below=warn, fail_below=fail)
        for limit, most in ((warn, 0.6), (fail, 0.25)):
            assert goodness(gate, math.nextafter(limit, -math.inf)) <= most <= goodness(gate, limit)


@given(metric=st.sampled_from(sorted(default_gates())), value=finite)
def test_goodness_agrees_with_the_verdict(metric: str, value: float) -> None:
    verdict = judge(Measurement(readings={metric: Reading(metric=metric, value=value)}), default_gates()).verdict
    most = {Verdict.PASS: 1.0, Verdict.WARN: 0.6, Verdict.FAIL: 0.25}[verdict]
    assert goodness(default_gates()[metric], value) <= most


@given(
    worse=st.sampled_from(["sharpness", "identity_similarity", "handover_ssim"]),
    by=st.floats(0, 1),
    flicker=st.floats(0, 0.05),
)
def test_the_score_only_falls_when_one_metric_gets_worse(worse: str, by: float, flicker: float) -> None:
    before = quality_score(measured(flicker=flicker), default_gates())
    after = quality_score(measured(flicker=flicker, **{worse: GOOD[worse] - by}), default_gates())
    assert before is not None and after is not None
    assert 0 <= after <= before <= 1


@st.composite
def gates_of_every_kind(draw: st.DrawFn) -> Gate:
    """Any metric, any limits that it may have, in any combination."""
    metric = METRICS[draw(st.sampled_from(sorted(METRICS)))]
    fail_below, warn_below, warn_above, fail_above = sorted(draw(st.lists(finite, min_size=4, max_size=4)))
    below = {"fail_below": fail_below, "warn_below": warn_below}
    above = {"warn_above": warn_above, "fail_above": fail_above}
    sides = {Direction.HIGHER: below, Direction.LOWER: above, Direction.TWO_SIDED: below | above}[metric.direction]
    kept = {name: limit for name, limit in sides.items() if draw(st.booleans())}
    return Gate(metric=metric.name, **kept)


def worse_side(gate: Gate, one: float, two: float) -> tuple[float, float] | None:
    """The better and the worse of two values; None where they lie on two sides of what is best."""
    low, high = sorted((one, two))
    direction = METRICS[gate.metric].direction
    lows = [limit for limit in (gate.warn_below, gate.fail_below) if limit is not None]
    highs = [limit for limit in (gate.warn_above, gate.fail_above) if limit is not None]
    if direction is Direction.HIGHER or (lows and high <= max(lows)):
        return high, low
    if direction is Direction.LOWER or (highs and low >= min(highs)):
        return low, high
    return None


@settings(max_examples=400)
@given(
    gates=st.lists(gates_of_every_kind(), min_size=1, max_size=6, unique_by=lambda gate: gate.metric),
    values=st.lists(finite, min_size=6, max_size=6),
    other=finite,
    data=st.data(),
)
def test_whatever_the_gates_a_metric_that_gets_worse_never_improves_verdict_or_score(
    gates: list[Gate], values: list[float], other: float, data: st.DataObject
) -> None:
    changed = data.draw(st.integers(0, len(gates) - 1))
    pair = worse_side(gates[changed], values[changed], other)
    if pair is None:
        return

    def with_value(value: float) -> Measurement:
        taken = [value if index == changed else values[index] for index in range(len(gates))]
        return Measurement(
            readings={g.metric: Reading(metric=g.metric, value=v) for g, v in zip(gates, taken, strict=True)}
        )

    by_metric = {gate.metric: gate for gate in gates}
    better, worse = (judge(with_value(value), by_metric) for value in pair)
    order = [Verdict.PASS, Verdict.WARN, Verdict.FAIL]
    assert order.index(worse.verdict) >= order.index(better.verdict)
    assert worse.quality_score is not None and better.quality_score is not None
    assert 0 <= worse.quality_score <= better.quality_score <= 1
    if worse.verdict is Verdict.FAIL:
        assert worse.quality_score <= 0.25


@pytest.mark.parametrize(
    ("backend", "fails", "passes"), [("face-region", 0.3, 0.7), ("onnx-pair", 0.3, 0.5), ("insightface", 0.1, 0.3)]
)
def test_the_built_in_limits_of_identity_are_those_of_the_back_end_that_measured(
    backend: str, fails: float, passes: float
) -> None:
    gates = default_gates(backend)
    assert judge(measured(identity_similarity=fails), gates).verdict is Verdict.FAIL
    assert judge(measured(identity_similarity=passes), gates).verdict is Verdict.PASS


def test_an_unknown_back_end_has_no_limits_of_identity_and_all_others() -> None:
    assert set(default_gates("magic")) == set(default_gates()) - {"identity_similarity", "drift_identity"}


def test_limits_on_one_back_ends_scale_do_not_judge_what_another_measured() -> None:
    ours = Gate(metric="identity_similarity", fail_below=0.8, identity_backend="onnx-pair")
    everywhere = Gate(metric="sharpness", fail_below=0.1)
    for_it = resolve_gates(project=[ours, everywhere], identity_backend="onnx-pair")
    for_another = resolve_gates(project=[ours, everywhere], identity_backend="face-region")
    assert for_it["identity_similarity"] == ours
    assert for_another["identity_similarity"] == default_gates("face-region")["identity_similarity"]
    assert for_it["sharpness"] == for_another["sharpness"] == everywhere
    anyone = Gate(metric="identity_similarity", fail_below=0.1)
    assert resolve_gates(scene_type=[anyone], identity_backend="insightface")["identity_similarity"] == anyone


@pytest.mark.parametrize(
    ("metric", "backend", "message"),
    [
        ("sharpness", "onnx-pair", "only limits of drift_identity, identity_similarity"),
        ("identity_similarity", "magic", "'magic'"),
    ],
)
def test_a_gate_names_a_back_end_only_where_that_means_something(metric: str, backend: str, message: str) -> None:
    with pytest.raises(GateError, match=message):
        Gate(metric=metric, fail_below=0.1, identity_backend=backend)
