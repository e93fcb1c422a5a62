"""The verdict on a reference: worst segment, worst metric, and no averages."""

import pytest

from services.regression.domain.baseline import BaselineImpossible, build_baseline
from services.regression.domain.comparison import Change
from services.regression.domain.judgement import Verdict, functional_failure
from services.regression.domain.rules import BUILT_IN, Direction, Override, Overrides, rulebook
from tests.support.judging import GOOD, baseline, better, moved, render, segment, steady, verdict

BOUNDED = ["sharpness", "clipping", "flicker", "frozen_frames", "black_frames", "identity_similarity", "handover_ssim"]


def test_an_unchanged_asset_rendered_again_is_the_same() -> None:
    judgement = verdict(steady(GOOD, GOOD, GOOD), GOOD, GOOD, GOOD)
    assert judgement.verdict is Verdict.SAME
    assert {metric.delta for one in judgement.segments for metric in one.metrics} == {0.0}


def test_identity_worse_is_degraded_however_much_sharper() -> None:
    judgement = verdict(steady(), moved(identity_similarity=-0.10, sharpness=0.12))
    assert judgement.verdict is Verdict.DEGRADED
    assert judgement.vetoed
    assert judgement.decisive is not None and judgement.decisive.comparison.metric == "identity_similarity"


def test_sharper_alone_is_improved() -> None:
    judgement = verdict(steady(), moved(sharpness=0.12))
    assert judgement.verdict is Verdict.IMPROVED
    assert "sharpness of segment 1 rose from 0.30 to 0.42" in judgement.summary


@pytest.mark.parametrize("metric", BOUNDED)
def test_each_metric_is_judged_in_its_own_direction(metric: str) -> None:
    far = 0.2
    start = dict(GOOD) | {metric: 0.5}
    for move, expected in ((far, Verdict.IMPROVED), (-far, Verdict.DEGRADED)):
        judgement = verdict(steady(start), moved(start, **{metric: better(metric, move)}))
        assert judgement.verdict is expected, metric


@pytest.mark.parametrize("metric", ["exposure", "motion"])
def test_a_two_sided_metric_is_degraded_either_way(metric: str) -> None:
    for move in (0.3, -0.09):
        assert verdict(steady(), moved(**{metric: move})).verdict is Verdict.DEGRADED


def test_similarity_to_the_baseline_alone_is_never_improved() -> None:
    low = dict(GOOD) | {"ssim_to_baseline": 0.5}
    before = baseline([GOOD], [low], [low])
    assert verdict(before, GOOD).verdict is Verdict.SAME


def test_another_picture_than_the_baseline_is_degraded() -> None:
    assert verdict(steady(), moved(ssim_to_baseline=-0.4)).verdict is Verdict.DEGRADED


def test_the_worst_segment_decides() -> None:
    judgement = verdict(steady(GOOD, GOOD, GOOD), moved(sharpness=0.2), GOOD, moved(identity_similarity=-0.22))
    assert judgement.verdict is Verdict.DEGRADED
    assert [one.verdict for one in judgement.segments] == [Verdict.IMPROVED, Verdict.SAME, Verdict.DEGRADED]
    expected = "degraded: identity_similarity of segment 3 fell from 0.93 to 0.71 (limit 0.05), worst at frame 17"
    assert judgement.summary == expected


def test_a_veto_leads_the_sentence_even_if_another_metric_moved_further() -> None:
    judgement = verdict(steady(), moved(identity_similarity=-0.06, sharpness=-0.29))
    assert judgement.decisive is not None and judgement.decisive.comparison.metric == "identity_similarity"


def test_a_move_up_to_the_limit_is_the_same() -> None:
    assert verdict(steady(), moved(identity_similarity=-0.05)).verdict is Verdict.SAME
    assert verdict(steady(), moved(identity_similarity=-0.0501)).verdict is Verdict.DEGRADED


def test_noise_of_the_baseline_widens_the_limit() -> None:
    noisy = [moved(identity_similarity=move) for move in (-0.02, 0.0, 0.02)]
    before = baseline(*[[values] for values in noisy])
    judgement = verdict(before, moved(identity_similarity=-0.10))
    [found] = [one for one in judgement.segments[0].metrics if one.metric == "identity_similarity"]
    assert judgement.verdict is Verdict.SAME
    assert found.limit == pytest.approx(11.460 * 0.02, abs=1e-4)
    assert "the noise decides" in found.uncertainty and "99%" in found.uncertainty


def test_a_metric_too_noisy_to_fall_says_that_it_sees_nothing() -> None:
    noisy = [moved(identity_similarity=move) for move in (-0.2, 0.0, 0.07)]
    judgement = verdict(baseline(*[[values] for values in noisy]), moved(identity_similarity=-0.9))
    [found] = [one for one in judgement.segments[0].metrics if one.metric == "identity_similarity"]
    assert found.change is Change.SAME and "no fall could be seen" in found.uncertainty
    assert "no fall" not in "".join(one.uncertainty for one in judgement.segments[0].metrics if one is not found)


def test_less_confidence_asked_for_makes_a_narrower_limit() -> None:
    noisy = [moved(identity_similarity=move) for move in (-0.02, 0.0, 0.02)]
    before = baseline(*[[values] for values in noisy])
    rules = rulebook(Overrides(confidence=0.8))
    assert verdict(before, moved(identity_similarity=-0.10), rules=rules).verdict is Verdict.DEGRADED


def test_a_face_that_is_lost_is_degraded() -> None:
    judgement = verdict(steady(), moved(identity_similarity=None))
    assert judgement.verdict is Verdict.DEGRADED and judgement.vetoed
    assert "cannot any more: no face was found" in judgement.summary


def test_what_was_never_measurable_is_skipped_and_said() -> None:
    before = steady(moved(identity_similarity=None))
    judgement = verdict(before, moved(identity_similarity=None))
    [found] = [one for one in judgement.segments[0].metrics if one.metric == "identity_similarity"]
    assert judgement.verdict is Verdict.SAME
    assert found.change is Change.NOT_MEASURABLE and "neither" in found.reason


def test_a_face_that_is_found_now_is_no_improvement_by_itself() -> None:
    assert verdict(steady(moved(identity_similarity=None)), GOOD).verdict is Verdict.SAME


def test_a_metric_that_the_baseline_lost_itself_may_be_lost_again() -> None:
    before = baseline([GOOD], [moved(identity_similarity=None)], [GOOD])
    assert verdict(before, moved(identity_similarity=None)).verdict is Verdict.SAME


def test_a_baseline_clip_that_cannot_be_read_makes_it_not_comparable() -> None:
    judgement = verdict(steady(), moved(ssim_to_baseline=None))
    assert judgement.verdict is Verdict.NOT_COMPARABLE
    assert "could not be compared with the baseline clip" in judgement.summary


def test_what_is_measured_worse_stays_degraded_without_the_baseline_clip() -> None:
    judgement = verdict(steady(), moved(ssim_to_baseline=None, identity_similarity=-0.3))
    assert judgement.verdict is Verdict.DEGRADED


def test_a_measurement_that_broke_off_says_nothing_about_the_clip() -> None:
    nothing: dict[str, float | None] = dict.fromkeys(GOOD)
    found = segment(nothing, not_measurable="the decoder crashed 3 times")
    judgement = verdict_of(found)
    assert judgement.verdict is Verdict.NOT_COMPARABLE
    assert "the decoder crashed" in judgement.summary


def test_a_clip_that_cannot_be_decoded_is_degraded() -> None:
    undecodable = dict.fromkeys(GOOD) | {"matches_request": 0.0}
    assert verdict_of(segment(undecodable, not_measurable="no video stream")).verdict is Verdict.DEGRADED


def verdict_of(found):  # type: ignore[no-untyped-def]
    from services.regression.domain.environment import UnderTest
    from services.regression.domain.judgement import judge

    return judge(baseline=steady(), render={1: found}, rules=rulebook(), under_test=UnderTest())


def test_a_metric_without_a_rule_is_reported_and_not_judged() -> None:
    before = steady(dict(GOOD) | {"grain": 0.1})
    judgement = verdict(before, dict(GOOD) | {"grain": 0.9})
    [found] = [one for one in judgement.segments[0].metrics if one.metric == "grain"]
    assert judgement.verdict is Verdict.SAME
    assert found.change is Change.NOT_JUDGED and found.delta == pytest.approx(0.8)


def test_a_metric_that_is_switched_off_decides_nothing() -> None:
    rules = rulebook(Overrides(metrics={"identity_similarity": Override(enabled=False)}))
    assert verdict(steady(), moved(identity_similarity=-0.5), rules=rules).verdict is Verdict.SAME


def test_a_direction_can_be_turned_round_by_a_project() -> None:
    rules = rulebook(Overrides(metrics={"sharpness": Override(direction=Direction.LOWER)}))
    assert verdict(steady(), moved(sharpness=0.2), rules=rules).verdict is Verdict.DEGRADED


def test_nothing_left_to_judge_is_not_comparable() -> None:
    rules = rulebook(Overrides(metrics={name: Override(enabled=False) for name in BUILT_IN}))
    assert verdict(steady(), GOOD, rules=rules).verdict is Verdict.NOT_COMPARABLE


def test_values_that_are_not_numbers_are_not_measurements() -> None:
    for broken in (float("nan"), float("inf")):
        assert verdict(steady(), dict(GOOD) | {"identity_similarity": broken}).verdict is Verdict.DEGRADED


def test_another_metric_suite_asks_for_new_measures_of_the_baseline() -> None:
    from services.regression.domain.environment import UnderTest
    from services.regression.domain.judgement import judge

    judgement = judge(baseline=steady(), render=render(GOOD, suite="2"), rules=rulebook(), under_test=UnderTest())
    assert judgement.verdict is Verdict.NOT_COMPARABLE and judgement.remeasure
    assert "metric suite 1" in judgement.summary


def test_a_render_that_fails_is_degraded() -> None:
    judgement = functional_failure(message="KSampler: shapes do not match", position=2)
    assert judgement.verdict is Verdict.DEGRADED
    assert "segment 2 failed: KSampler" in judgement.summary


def test_the_similarity_of_only_two_renders_takes_its_noise_from_all_segments() -> None:
    def similar(value: float) -> dict[str, float | None]:
        return dict(GOOD) | {"ssim_to_baseline": value}

    before = baseline([GOOD, GOOD], [similar(0.98), similar(0.97)], [similar(0.99), similar(0.99)])
    noise = before.metrics[1]["ssim_to_baseline"].noise
    assert noise.pooled and noise.degrees_of_freedom == 2 and noise.observations == 2


def test_a_baseline_needs_three_renders_of_one_scale() -> None:
    with pytest.raises(BaselineImpossible, match="needs 3 renders"):
        build_baseline([render(GOOD), render(GOOD)])
    with pytest.raises(BaselineImpossible, match="different metric suites: 1, 2"):
        build_baseline([render(GOOD), render(GOOD), render(GOOD, suite="2")])
    broken = {1: segment(GOOD, not_measurable="no video stream")}
    with pytest.raises(BaselineImpossible, match="segment 1 could not be measured: no video stream"):
        build_baseline([render(GOOD), broken, render(GOOD)])


def test_drift_within_a_chain_is_told_and_not_judged_against_the_baseline() -> None:
    drift = {"drift_colour": 1.0, "drift_contrast": 0.0, "drift_identity": 0.0}
    before = steady(dict(GOOD) | drift)
    judgement = verdict(before, dict(GOOD) | {"drift_colour": 50.0, "drift_contrast": -0.9, "drift_identity": -0.9})
    assert judgement.verdict is Verdict.SAME
    told = {metric.metric: metric for metric in judgement.segments[0].metrics}
    assert {told[name].change for name in drift} == {Change.NOT_JUDGED}
