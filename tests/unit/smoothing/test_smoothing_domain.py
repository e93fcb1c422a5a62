"""Rules of seams, on made-up numbers: verdicts, recommendations, and when a repair is one."""

from dataclasses import replace

import pytest

from services.smoothing.domain import (
    DEFAULT_THRESHOLDS,
    GateStatus,
    Kind,
    Recommendation,
    Seam,
    SeamError,
    StepReading,
    Thresholds,
    Verdict,
    accept,
    judge,
    limit_levels,
    where,
)

QUIET = 1.0


def step(offset: int, *, levels: float = QUIET, ssim: float = 0.95, appearance: float | None = None) -> StepReading:
    own = levels if appearance is None else appearance
    return StepReading(
        offset=offset, levels=levels, appearance_levels=own, change_levels=4.0, ssim=ssim, expected_ssim=ssim
    )


def seam(*steps: StepReading, window: int = 6, limit: float = 4.0) -> Seam:
    given = {each.offset: each for each in steps}
    return Seam(
        steps=tuple(given.get(offset, step(offset)) for offset in range(-window + 1, window)),
        limit_levels=limit,
        luminance_step=0.0,
        contrast_step=0.0,
        saturation_step=0.0,
        repeats_handover=False,
    )


class TestLimit:
    def test_a_fast_scene_hides_more_than_a_still_one(self) -> None:
        still = [replace(step(offset, levels=0.0), change_levels=0.0) for offset in range(-3, 4)]
        fast = [replace(step(offset, levels=3.0), change_levels=40.0) for offset in range(-3, 4)]
        assert limit_levels(still, DEFAULT_THRESHOLDS) == 2.0
        assert limit_levels(fast, DEFAULT_THRESHOLDS) == pytest.approx(2.0 + 2.0 * 3.0 + 0.05 * 40.0)

    def test_the_cut_does_not_raise_its_own_limit(self) -> None:
        quiet = [step(0), step(1)]
        loud = [step(0, levels=50.0), step(1)]
        assert limit_levels(loud, DEFAULT_THRESHOLDS) == limit_levels(quiet, DEFAULT_THRESHOLDS)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"yellow_visibility": 3.0}, {"yellow_visibility": 0.0}, {"red_ssim": 0.95}, {"green_ssim": 1.5},
            {"floor_levels": 0.0}, {"per_change": -1.0}, {"red_slack": 0.01},
        ],
    )  # fmt: skip
    def test_limits_that_contradict_themselves_are_refused(self, wrong: dict[str, float]) -> None:
        with pytest.raises(SeamError):
            Thresholds(**wrong)


class TestVerdict:
    @pytest.mark.parametrize(("levels", "verdict"), [(3.9, "green"), (4.0, "yellow"), (7.9, "yellow"), (8.0, "red")])
    def test_visibility_decides_at_its_limits(self, levels: float, verdict: str) -> None:
        assert judge(seam(step(3, levels=levels))).verdict == verdict

    @pytest.mark.parametrize(("ssim", "verdict"), [(0.90, "green"), (0.89, "yellow"), (0.75, "yellow"), (0.74, "red")])
    def test_ssim_at_the_cut_decides_at_its_limits(self, ssim: float, verdict: str) -> None:
        assert judge(seam(step(0, ssim=ssim))).verdict == verdict

    def test_a_clip_whose_own_steps_have_a_low_ssim_is_not_red_for_it(self) -> None:
        fast = seam(*(step(offset, ssim=0.6) for offset in range(-5, 6)))
        assert judge(fast).verdict is Verdict.GREEN
        assert judge(replace_step(fast, step(0, ssim=0.54))).verdict is Verdict.YELLOW
        assert judge(replace_step(fast, step(0, ssim=0.44))).verdict is Verdict.RED

    def test_the_worse_of_both_counts(self) -> None:
        assert judge(seam(step(0, ssim=0.8), step(4, levels=9.0))).verdict is Verdict.RED
        assert judge(seam(step(0, ssim=0.7), step(4, levels=5.0))).verdict is Verdict.RED

    def test_thresholds_of_the_project_are_used(self) -> None:
        assert judge(seam(step(0, levels=5.0)), Thresholds(yellow_visibility=1.5)).verdict is Verdict.GREEN


def replace_step(whole: Seam, one: StepReading) -> Seam:
    return replace(whole, steps=tuple(one if each.offset == one.offset else each for each in whole.steps))


class TestSeam:
    def test_the_worst_step_is_found_and_of_equals_the_one_nearest_to_the_cut(self) -> None:
        assert seam(step(-4, levels=9.0), step(2, levels=8.0)).worst.offset == -4
        assert seam(step(-4, levels=9.0), step(2, levels=9.0)).worst.offset == 2

    def test_the_typical_ssim_leaves_the_cut_out(self) -> None:
        assert seam(step(0, ssim=0.1)).typical_ssim == 0.95

    def test_without_the_cut_there_is_no_seam(self) -> None:
        with pytest.raises(SeamError, match="the cut itself"):
            replace(seam(), steps=(step(1),))
        with pytest.raises(SeamError, match="no step at offset 30"):
            seam().at(30)

    def test_offsets_in_words(self) -> None:
        assert [where(offset) for offset in (0, 1, -3)] == [
            "at the cut", "1 frame after the cut", "3 frames before the cut",
        ]  # fmt: skip


class TestRecommendation:
    def test_nothing_is_recommended_for_green(self) -> None:
        assert judge(seam()).recommendation is Recommendation.NOTHING

    @pytest.mark.parametrize(("appearance", "kind"), [(None, Kind.APPEARANCE), (1.0, Kind.MOTION)])
    @pytest.mark.parametrize(
        ("share", "wanted"),
        [
            (None, Recommendation.FRAME_BLENDING), (1.0, Recommendation.FRAME_BLENDING),
            (0.51, Recommendation.FRAME_BLENDING), (0.49, Recommendation.RE_EXTRACTION),
        ],
    )  # fmt: skip
    def test_frames_are_dropped_where_others_join_better_and_blended_where_none_do(
        self, share: float | None, wanted: Recommendation, appearance: float | None, kind: Kind
    ) -> None:
        jump = replace(seam(step(0, levels=9.0, appearance=appearance)), rejoined_share=share)
        assert (jump.kind, judge(jump).recommendation) == (kind, wanted)

    def test_two_different_pictures_are_to_be_rendered_again(self) -> None:
        assert judge(seam(step(0, levels=60.0, ssim=0.2))).recommendation is Recommendation.REGENERATE

    def test_the_reason_names_the_frame_and_the_number(self) -> None:
        assert (
            judge(seam(step(5, levels=10.0))).reason
            == "a jump in appearance 5 frames after the cut, 2.5 times the limit"
        )
        assert "SSIM at the cut is 0.700" in judge(seam(step(0, ssim=0.7))).reason


class TestAcceptance:
    before = seam(step(0, levels=12.0, ssim=0.70))
    better = seam(step(0, levels=2.0, ssim=0.94))

    def test_a_better_seam_with_the_same_gates_is_accepted(self) -> None:
        gates = {"sharpness": GateStatus.WARN}
        decision = accept(before=self.before, after=self.better, gates_before=gates, gates_after=gates)
        assert decision.accepted
        assert decision.reasons == ()

    @pytest.mark.parametrize(
        ("after", "reason"),
        [
            (seam(step(0, levels=11.9, ssim=0.94)), "the window is not better: visibility 3.00 before, 2.98 after"),
            (seam(step(0, levels=2.0, ssim=0.70)), "motion-compensated SSIM at the cut is not higher: 0.7000 before"),
            (replace_step(better, replace(step(0, ssim=0.65), expected_ssim=0.99)), "SSIM at the cut fell from 0.7000"),
            (replace_step(better, step(4, levels=4.5)), "a new seam appears 4 frames after the cut: visibility 1.12"),
        ],
    )
    def test_a_repair_that_is_none_is_refused_with_its_numbers(self, after: Seam, reason: str) -> None:
        decision = accept(before=self.before, after=after)
        assert not decision.accepted
        assert any(each.startswith(reason) for each in decision.reasons), decision.reasons

    def test_what_was_visible_elsewhere_before_is_no_new_seam(self) -> None:
        old = replace_step(self.before, step(4, levels=5.0))
        assert accept(before=old, after=replace_step(self.better, step(4, levels=5.1))).accepted

    def test_a_late_repair_must_not_spoil_the_cut(self) -> None:
        before = seam(step(3, levels=12.0, ssim=0.7))
        after = seam(step(3, levels=2.0, ssim=0.9), step(0, ssim=0.93))
        assert accept(before=before, after=seam(step(3, levels=2.0, ssim=0.9)), repaired=3).accepted
        assert accept(before=before, after=after, repaired=3).reasons == (
            "SSIM at the cut fell from 0.9500 to 0.9300",
        )  # fmt: skip

    def test_in_motion_plain_ssim_need_only_be_what_the_clip_has(self) -> None:
        """A blurred start is more like anything; sharp again, it has the SSIM of every other step."""
        fast = {offset: step(offset, ssim=0.6) for offset in range(-5, 6)}
        before = seam(*{**fast, 0: replace(step(0, levels=12.0, ssim=0.66), expected_ssim=0.8)}.values())
        after = seam(*{**fast, 0: replace(step(0, ssim=0.60), expected_ssim=0.95)}.values())
        assert accept(before=before, after=after).accepted

    @pytest.mark.parametrize(("new", "accepted"), [(0.951, True), (0.948, True), (0.94, False)])
    def test_where_ssim_saw_no_defect_it_need_only_be_kept(self, new: float, accepted: bool) -> None:
        """A colour step leaves luma as it is; writing the clip again costs a thousandth or two."""
        before, after = seam(step(0, levels=12.0)), seam(replace(step(0, levels=2.0), expected_ssim=new))
        assert accept(before=before, after=after).accepted is accepted

    def test_no_gate_may_get_worse_or_unknown(self) -> None:
        was = {"sharpness": GateStatus.PASS, "flicker": GateStatus.WARN}
        worse = accept(
            before=self.before, after=self.better, gates_before=was, gates_after={"sharpness": GateStatus.WARN}
        )
        assert worse.reasons == (
            "gate flicker was warn and was not measured again", "gate sharpness got worse: pass before, warn after",
        )  # fmt: skip

    def test_both_sides_are_measured_against_one_limit(self) -> None:
        with pytest.raises(SeamError, match="limit of the unrepaired clip"):
            accept(before=self.before, after=seam(limit=5.0))
