"""Each kernel: identity, symmetry, invariance, and one reference value that another implementation gave."""

import cv2
import numpy as np
import pytest

from services.smoothing.kernels.blend import CONTEXT, blended
from services.smoothing.kernels.disturbance import surprises, unexplained, worst_cells
from services.smoothing.kernels.motion import chained, flow, inside, moved
from services.smoothing.kernels.picture import analysis_size, at_size, field_at_size, luma, planes
from services.smoothing.kernels.reextract import best_join
from services.smoothing.kernels.steps import look, steps
from shared.vision.ssim import ssim
from tests.support.clips import photograph
from tests.support.seams import COLD, MOVES, Rgb, blurred, exposed, frame_at

SIZE = (208, 120)


def shots(move: str, *, start: float = -8, count: int = 16) -> list[Rgb]:
    return [frame_at("astronaut", MOVES[move], start + time, SIZE) for time in range(count)]


def grey(name: str) -> Rgb:
    return luma(rgb=at_size(rgb=photograph(name), size=(160, 128)))


class TestPicture:
    def test_the_analysis_size_fits_either_orientation_and_never_enlarges(self) -> None:
        assert analysis_size(width=1920, height=1080) == (416, 234)
        assert analysis_size(width=1080, height=1920) == (234, 416)
        assert analysis_size(width=200, height=100) == (200, 100)

    @pytest.mark.parametrize(
        ("ribbon", "analysed"), [((2000, 40), (1600, 32)), ((48, 1200), (32, 800)), ((640, 32),) * 2]
    )
    def test_motion_can_be_seen_in_a_ribbon(self, ribbon: tuple[int, int], analysed: tuple[int, int]) -> None:
        size = analysis_size(width=ribbon[0], height=ribbon[1])
        assert size == analysed
        picture = at_size(rgb=photograph("coffee"), size=(size[0] + 3, size[1]))
        field = flow(target=luma(rgb=picture[:, 3:]), source=luma(rgb=picture[:, :-3]), fine=True)
        assert np.median(field[..., 0]) == pytest.approx(3.0, abs=0.3)

    def test_planes_hold_the_luma_and_neutral_chroma_of_grey(self) -> None:
        picture = np.full((8, 8, 3), 77, np.uint8)
        assert np.all(planes(rgb=picture) == np.array([77, 128, 128], np.float32))

    def test_a_field_for_twice_the_size_is_twice_as_long(self) -> None:
        field = np.full((20, 30, 2), (1.5, -0.5), np.float32)
        assert np.allclose(field_at_size(field=field, size=(60, 40)), (3.0, -1.0))


class TestMotion:
    def test_the_flow_of_a_shift_is_the_shift(self) -> None:
        picture = grey("astronaut")
        field = flow(target=picture[8:120, 11:150], source=picture[8:120, 8:147], fine=True)
        assert np.median(field[20:-20, 20:-20, 0]) == pytest.approx(3.0, abs=0.15)
        assert np.median(field[20:-20, 20:-20, 1]) == pytest.approx(0.0, abs=0.15)

    def test_equal_frames_do_not_move(self) -> None:
        assert np.abs(flow(target=grey("coffee"), source=grey("coffee"))).max() < 0.01

    def test_a_change_of_light_is_no_motion(self) -> None:
        darker = (grey("chelsea") * 0.8).astype(np.uint8)
        assert np.percentile(np.abs(flow(target=darker, source=grey("chelsea"))), 95) < 0.3

    def test_moving_along_no_flow_changes_nothing_and_chaining_adds_up(self) -> None:
        source = grey("rocket").astype(np.float32)
        nothing = np.zeros((*source.shape, 2), np.float32)
        one = nothing + np.array([2.0, -1.0], np.float32)
        assert np.array_equal(moved(source=source, field=nothing), source)
        assert np.allclose(chained(first=one, second=one), 2 * one)
        assert np.array_equal(moved(source=source, field=one)[5:-5, 5:-5], source[4:-6, 7:-3])

    def test_what_leaves_the_picture_is_known(self) -> None:
        right = np.zeros((10, 10, 2), np.float32) + np.array([3.0, 0.0], np.float32)
        assert inside(field=right).sum() == 10 * 7

    def test_unequal_and_tiny_frames_are_refused(self) -> None:
        with pytest.raises(ValueError, match="cannot be compared"):
            flow(target=np.zeros((40, 40), np.uint8), source=np.zeros((40, 41), np.uint8))
        with pytest.raises(ValueError, match="at least 32x32"):
            flow(target=np.zeros((31, 40), np.uint8), source=np.zeros((31, 40), np.uint8))


class TestDisturbance:
    def test_a_still_scene_has_no_surprise(self) -> None:
        assert max(step.total for step in surprises(frames=shots("still", count=6))) < 0.01

    @pytest.mark.parametrize(("move", "share"), [("pan", 0.2), ("zoom", 0.35), ("parallax", 0.5)])
    def test_a_steady_camera_surprises_by_a_fraction_of_what_it_changes(self, move: str, share: float) -> None:
        for step in surprises(frames=shots(move, count=10))[1:-1]:
            assert step.total < share * step.change

    def test_a_step_is_surprising_where_it_is_and_nowhere_else(self) -> None:
        for at in (3, 6, 9):
            frames = [COLD(frame) if time >= at else frame for time, frame in enumerate(shots("pan", count=13))]
            totals = [step.total for step in surprises(frames=frames)]
            assert int(np.argmax(totals)) + 1 == at
            assert sorted(totals)[-2] < 0.3 * max(totals)

    def test_a_jump_is_motion_and_a_tint_is_appearance(self) -> None:
        still = shots("still", count=4)
        jump = [*still, *(frame_at("astronaut", MOVES["still"], 0, SIZE, (0.02, 0.0)) for _ in range(4))]
        tint = [*still, *(COLD(frame) for frame in still)]
        jumped, tinted_ = surprises(frames=jump)[3], surprises(frames=tint)[3]
        assert jumped.appearance < 0.5 * jumped.total
        assert tinted_.appearance > 0.9 * tinted_.total

    def test_a_repeated_frame_is_a_stutter_everywhere_but_at_a_cut(self) -> None:
        frames = shots("pan", count=10)
        repeated = [*frames[:5], frames[4], *frames[5:9]]
        stutter, handed = surprises(frames=repeated)[4], surprises(frames=repeated, cut=5)[4]
        assert stutter.total > 5 * handed.total
        assert handed.repeats
        assert not any(step.repeats for step in surprises(frames=frames, cut=5))

    def test_time_backwards_is_as_surprising(self) -> None:
        frames = [exposed(1.15)(frame) if time >= 5 else frame for time, frame in enumerate(shots("zoom", count=10))]
        forwards, backwards = surprises(frames=frames), surprises(frames=frames[::-1])
        assert backwards[4].total == pytest.approx(forwards[4].total, rel=0.1)

    def test_likeness_is_ssim_without_the_motion(self) -> None:
        frames = shots("fast pan", count=8)
        plain = ssim(first=luma(rgb=frames[3]), second=luma(rgb=frames[4]))
        assert surprises(frames=frames)[3].likeness > 0.9 > plain

    def test_the_worst_tenth_of_the_cells_counts(self) -> None:
        values = np.zeros((160, 160), np.float32)
        values[:16, :] = 5.0
        assert worst_cells(values=values) == pytest.approx(5.0)
        assert worst_cells(values=np.full((50, 70), 2.5, np.float32)) == pytest.approx(2.5)

    def test_reference_value_of_a_uniform_step(self) -> None:
        """10 levels of each of R, G and B are 10 of Y and none of chroma (ITU-R BT.601-7, 2.5.1): length 10."""
        dark = np.full((64, 64, 3), 100, np.uint8)
        values = unexplained(before=planes(rgb=dark), after=planes(rgb=dark + np.uint8(10)), field=None)
        assert np.allclose(values, 10.0)

    def test_two_frames_are_too_few(self) -> None:
        with pytest.raises(ValueError, match="at least 3 frames"):
            surprises(frames=shots("still", count=2))


class TestSteps:
    def test_reference_values_of_flat_colours(self) -> None:
        """Pure red has Y' 76.245, and C_B, C_R 84.97 and 255.5 (clipped to 255), BT.601-7, 2.5.1-2: hypot 134.1."""
        red = np.zeros((16, 16, 3), np.uint8)
        red[..., 0] = 255
        measured = look(rgb=red)
        assert measured.luminance == pytest.approx(76 / 255, abs=1e-6)
        assert measured.contrast == 0.0
        assert measured.saturation == pytest.approx(np.hypot(85 - 128, 255 - 128) / 255, abs=0.003)

    def test_a_step_has_its_sign_and_size_and_a_fade_is_none(self) -> None:
        flat = [np.full((16, 16, 3), level, np.uint8) for level in (100, 100, 100, 120, 120, 120)]
        assert steps(before=flat[:3], after=flat[3:]).luminance == pytest.approx(20 / 255)
        assert steps(before=flat[:2:-1], after=flat[2::-1]).luminance == pytest.approx(-20 / 255)
        fade = [np.full((16, 16, 3), level, np.uint8) for level in (100, 104, 108, 112, 116, 120)]
        assert steps(before=fade[:3], after=fade[3:]).luminance == pytest.approx(0.0)

    def test_contrast_and_saturation_are_told_apart(self) -> None:
        frames = shots("still", count=3)
        flatter = [np.clip(128 + 0.7 * (frame.astype(np.float32) - 128), 0, 255).astype(np.uint8) for frame in frames]
        greyer = [np.repeat(luma(rgb=frame)[..., None], 3, axis=2) for frame in frames]
        assert steps(before=frames, after=flatter).contrast < -0.05
        gone = steps(before=frames, after=greyer)
        assert gone.saturation < -0.03
        assert abs(gone.luminance) < 0.003
        assert abs(gone.contrast) < 0.003


class TestBlend:
    def test_a_seam_that_is_none_is_left_alone(self) -> None:
        """Resampling noise only: less than a level in the mean."""
        for move in ("still", "pan"):
            frames = shots(move)
            for made, given_ in zip(blended(before=frames[:8], after=frames[8:], count=4), frames[8:], strict=False):
                assert np.abs(made.astype(np.float32) - given_).mean() < 1.2

    def test_brightness_runs_straight_and_never_overshoots(self) -> None:
        frames = shots("pan")
        after = [exposed(1.2)(frame) for frame in frames[8:]]
        made = blended(before=frames[:8], after=after, count=5)
        means = [float(frame.mean()) for frame in (frames[7], *made, after[5])]
        climbs = np.diff(means)
        assert np.all(climbs > 0)
        assert climbs.max() < 1.6 * climbs.mean()

    def test_a_jump_leaves_no_double_edges(self) -> None:
        """A white bar that jumps by 6 pixels: a plain cross-fade shows two half-bright bars, this shows one."""

        def bar(left: int) -> Rgb:
            frame = np.full((96, 160, 3), 60, np.uint8)
            frame[20:76, left : left + 20] = 220
            return np.asarray(cv2.GaussianBlur(frame, (0, 0), 1.0), dtype=np.uint8)

        made = blended(before=[bar(60)] * 4, after=[bar(66)] * 8, count=5)
        for frame in made:
            line = frame[48, :, 0].astype(np.float32)
            between = np.count_nonzero((line > 90) & (line < 190))
            assert between <= 2 * np.count_nonzero((bar(60)[48, :, 0] > 90) & (bar(60)[48, :, 0] < 190))
        crossed = (bar(60)[48, :, 0].astype(np.float32) + bar(66)[48, :, 0]) / 2
        assert np.count_nonzero((crossed > 90) & (crossed < 190)) >= 10
        centres = [float(np.average(np.arange(160), weights=frame[48, :, 0].astype(float) - 59)) for frame in made]
        assert np.all(np.diff(centres) > 0)

    def test_detail_fades_out_on_a_blur_step(self) -> None:
        frames = shots("still")
        soft = [blurred(0.01)(frame) for frame in frames[8:]]
        made = [frames[7], *blended(before=frames[:8], after=soft, count=4), soft[5]]
        detail = [float(cv2.Laplacian(luma(rgb=frame), cv2.CV_32F).std()) for frame in made]
        assert np.all(np.diff(detail) < 0)
        assert detail[1] > 0.7 * detail[0] + 0.3 * detail[-1]

    def test_detail_is_not_carried_where_the_motion_cannot_be_followed(self) -> None:
        """Another picture comes up inside the fade: only broad colour may be left of the old one on it."""
        frames = shots("still")
        other = [frame_at("coffee", MOVES["still"], 0, SIZE)] * 5
        after = [*(blurred(0.01)(frame) for frame in frames[8:11]), *other]
        made = blended(before=frames[:8], after=after, count=5)
        added = made[3].astype(np.float32) - other[0]
        assert np.abs(cv2.Laplacian(added, cv2.CV_32F)).mean() < 3.0

    def test_detail_is_carried_to_where_the_edges_have_moved(self) -> None:
        """A blur step in a fast pan: every frame of the fade is the mix of sharp and soft that its place asks for."""
        frames = shots("fast pan")
        soft = [blurred(0.01)(frame) for frame in frames[8:]]
        for index, made in enumerate(blended(before=frames[:8], after=soft, count=5)):
            share = (index + 1) / 6
            mix = share * soft[index].astype(np.float32) + (1 - share) * frames[8 + index]
            assert np.abs(made - mix).mean() < 0.5 * np.abs(soft[index] - mix).mean()

    def test_too_few_frames_are_refused(self) -> None:
        frames = shots("still", count=8)
        with pytest.raises(ValueError, match="blending 5 frames needs 2 frames before and 7 after"):
            blended(before=frames[:CONTEXT], after=frames[CONTEXT:], count=5)


class TestReextraction:
    def test_frames_that_were_shown_twice_are_found(self) -> None:
        before, after = shots("pan", start=-12, count=12), shots("pan", start=-4, count=12)
        join = best_join(before=before, after=after, most_before=8, most_after=8)
        assert join.drop_before + join.drop_after == 4
        assert join.levels < 0.3 * join.levels_now

    def test_a_good_cut_stays(self) -> None:
        join = best_join(before=shots("zoom"), after=shots("zoom", start=8), most_before=6, most_after=6)
        assert (join.drop_before, join.drop_after) == (0, 0)
        assert join.levels == join.levels_now

    def test_never_more_than_allowed_nor_than_leaves_a_clip(self) -> None:
        before, after = shots("pan", start=-12, count=12), shots("pan", start=-6, count=12)
        join = best_join(before=before, after=after, most_before=1, most_after=2)
        assert join.drop_before <= 1
        assert join.drop_after <= 2
        short = best_join(before=before[:3], after=after[:3], most_before=8, most_after=8)
        assert (short.drop_before, short.drop_after) == (0, 0)
