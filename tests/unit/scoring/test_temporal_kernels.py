"""Kernels that look at several frames: known movements, published rules, and independent implementations."""

import itertools
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from services.scoring.kernels.flicker import STATIC_LENGTH, fastest_part, grey_change, is_static, rgb_change
from services.scoring.kernels.luma import Luma, at_side, luma, stored_luma
from services.scoring.kernels.motion import (
    SIDE,
    flow,
    motion_amount,
    quick_flow,
    unevenness_cells,
    visible,
    warping_error_map,
)
from services.scoring.kernels.stillness import cut_score, mean_change
from tests.support.clips import photograph
from tests.support.seams import MOVES, Move, frame_at

SIZE = (416, 240)


def shown(name: str, move: Move, time: float, shift: tuple[float, float] = (0.0, 0.0)) -> Luma:
    return at_side(picture=luma(rgb=frame_at(name, move, time, SIZE, shift)), side=SIDE)


class TestFlow:
    @pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "retina"])
    @pytest.mark.parametrize("across", [0.002, 0.01, 0.03, 0.08])
    def test_a_pan_of_known_speed_is_found_up_to_8_percent_of_the_width_per_step(
        self, name: str, across: float
    ) -> None:
        move = Move(pan=(across, 0.0))
        first, second = shown(name, move, 0), shown(name, move, 1)
        for search, allowed in ((flow, 0.25), (quick_flow, 0.6)):
            field = search(previous=first, current=second)
            assert np.median(field[..., 0]) == pytest.approx(across * first.shape[1], abs=allowed)
            assert np.median(np.abs(field[..., 1])) < allowed

    @pytest.mark.parametrize("gain", [0.7, 0.85, 1.15])
    def test_a_change_of_light_is_no_motion(self, gain: float) -> None:
        frame = shown("coffee", Move(), 0)
        lit = np.clip(frame * gain + 6, 0, 255).astype(np.uint8)
        assert motion_amount(field=flow(previous=frame, current=lit)) < 5e-4

    @pytest.mark.parametrize("size", [(384, 24), (24, 384), (1051, 9), (9, 1051), (600, 4), (16, 16)])
    def test_very_long_and_very_small_pictures_have_a_flow_too(self, size: tuple[int, int]) -> None:
        noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0]), np.uint8)
        field = flow(previous=noise, current=np.roll(noise, 1, axis=1))
        assert field.shape == (size[1], size[0], 2)
        assert np.isfinite(field).all()

    def test_other_sizes_are_refused(self) -> None:
        with pytest.raises(ValueError, match="cannot be compared"):
            flow(previous=np.zeros((20, 20), np.uint8), current=np.zeros((20, 21), np.uint8))


class TestUnevenness:
    def steps(self, name: str, move: Move, times: list[float]) -> list[np.ndarray]:
        frames = [shown(name, move, time) for time in times]
        return [flow(previous=a, current=b) for a, b in itertools.pairwise(frames)]

    def test_an_even_move_is_even_however_fast(self) -> None:
        for move in (MOVES["pan"], MOVES["fast pan"], MOVES["zoom"]):
            before, here, after = self.steps("chelsea", move, [0, 1, 2, 3])
            assert unevenness_cells(before=before, here=here, after=after).mean() < 0.0006

    def test_a_frame_left_out_is_one_step_and_a_stop_is_half_of_it(self) -> None:
        move = MOVES["fast pan"]
        steady = motion_amount(field=self.steps("chelsea", move, [0, 1])[0])
        before, here, after = self.steps("chelsea", move, [0, 1, 3, 4])
        assert unevenness_cells(before=before, here=here, after=after).mean() == pytest.approx(steady, rel=0.1)
        before, here, after = self.steps("chelsea", move, [0, 1, 1, 1])
        assert unevenness_cells(before=before, here=here, after=after).mean() == pytest.approx(steady / 2, rel=0.1)

    def test_backwards_is_as_uneven_as_forwards(self) -> None:
        one, two, three = self.steps("coffee", MOVES["pan"], [0, 1, 3, 4])
        there = unevenness_cells(before=one, here=two, after=three)
        assert np.array_equal(there, unevenness_cells(before=three, here=two, after=one))


class TestWarpingError:
    def error(self, previous: Luma, current: Luma) -> tuple[float, float]:
        field = flow(previous=previous, current=current)
        mask = visible(field=field, reverse=quick_flow(previous=current, current=previous))
        errors = warping_error_map(previous=previous, current=current, field=field, mask=mask)
        return float(errors.sum() / mask.sum()), float(mask.mean())

    @pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "retina"])
    @pytest.mark.parametrize("move", ["still", "pan", "fast pan", "zoom"])
    def test_a_camera_move_has_next_to_none(self, name: str, move: str) -> None:
        error, seen = self.error(shown(name, MOVES[move], 3), shown(name, MOVES[move], 4))
        assert error < 1e-4
        assert seen > 0.9

    def test_reference_value_without_motion_is_the_mean_squared_difference(self) -> None:
        """Where nothing moves it is `np.mean(((a - b) / 255) ** 2)` of the two smoothed pictures."""
        frame = shown("coffee", Move(), 0)
        other = np.clip(frame * 0.9 + 10, 0, 255).astype(np.uint8)
        still = np.zeros((*frame.shape, 2), np.float32)
        everywhere = np.ones(frame.shape, np.bool_)
        got = warping_error_map(previous=frame, current=other, field=still, mask=everywhere)
        a, b = (cv2.GaussianBlur(each.astype(np.float64), (0, 0), 1.0) for each in (frame, other))
        assert float(got.mean()) == pytest.approx(float(np.mean(((a - b) / 255) ** 2)), rel=1e-4)

    def test_what_a_mover_uncovers_is_not_counted(self) -> None:
        """A square moves over a photograph: the strip it leaves was hidden before, and nothing can be said about it."""
        back, cover = shown("chelsea", Move(), 0), shown("coffee", Move(), 0)
        first, second = back.copy(), back.copy()
        first[20:50, 30:60] = cover[20:50, 30:60]
        second[20:50, 36:66] = cover[20:50, 30:60]
        field = flow(previous=first, current=second)
        mask = visible(field=field, reverse=quick_flow(previous=second, current=first))
        assert mask[24:46, 31:35].mean() < 0.3, "the uncovered strip"
        assert mask[:, 80:].mean() > 0.95, "what stands still"
        unmasked = warping_error_map(previous=first, current=second, field=field, mask=np.ones_like(mask)).mean()
        masked = warping_error_map(previous=first, current=second, field=field, mask=mask).sum() / mask.sum()
        assert masked < 0.35 * unmasked

    def test_what_leaves_the_frame_is_not_visible(self) -> None:
        field = np.zeros((40, 60, 2), np.float32)
        field[..., 0] = 10
        mask = visible(field=field, reverse=-field)
        assert mask[:, :49].all() and not mask[:, 50:].any()

    def test_the_mask_is_that_of_the_published_rule(self) -> None:
        """Ruder et al. 2016, eqs. 5 and 6, by SciPy's `map_coordinates(order=1)`; where neither is a close call."""
        rng = np.random.default_rng(3)
        field, slip = (cv2.GaussianBlur(rng.normal(0, 6, (60, 80, 2)), (0, 0), 8).astype(np.float32) for _ in "ab")
        reverse = 2 * slip - field
        rows, columns = np.mgrid[0:60, 0:80].astype(np.float64)
        places = [rows + field[..., 1], columns + field[..., 0]]
        back = np.stack([map_coordinates(reverse[..., k], places, order=1, mode="nearest") for k in (0, 1)], axis=-1)
        apart = np.sum((field + back) ** 2, axis=-1)
        share = apart / (0.01 * (np.sum(field**2, axis=-1) + np.sum(back**2, axis=-1)) + 0.5)
        slope = sum(np.square(np.diff(field, axis=axis, append=np.nan)).sum(axis=-1) for axis in (0, 1))
        bend = slope / (0.01 * np.sum(field**2, axis=-1) + 0.002)
        inside = (places[0] > 0) & (places[0] < 59) & (places[1] > 0) & (places[1] < 79)
        wanted = (share < 1) & (bend < 1) & inside
        clear = (np.abs(share - 1) > 0.1) & (np.abs(bend - 1) > 0.1) & inside
        assert 0.05 < wanted[clear].mean() < 0.95
        assert np.array_equal(visible(field=field, reverse=reverse)[clear], wanted[clear])


class TestMeanChange:
    @given(st.integers(0, 2**32 - 1), st.sampled_from([8, 10, 12, 16]), st.integers(1, 33), st.integers(1, 33))
    @settings(max_examples=60)
    def test_equals_the_plain_sum_on_any_depth_and_odd_sizes(
        self, seed: int, bits: int, width: int, height: int
    ) -> None:
        rng = np.random.default_rng(seed)
        kind = np.uint8 if bits == 8 else np.uint16
        shapes = ((height, width), ((height + 1) // 2, (width + 1) // 2))
        before = [rng.integers(0, 1 << bits, shape).astype(kind) for shape in shapes]
        after = [rng.integers(0, 1 << bits, shape).astype(kind) for shape in shapes]
        total = sum(int(np.abs(a.astype(np.int64) - b).sum()) for a, b in zip(before, after, strict=True))
        count = sum(plane.size for plane in after)
        found = mean_change(before=before, after=after, bits=bits)
        assert found == pytest.approx(total / count / 2**bits, rel=1e-12)
        assert found == mean_change(before=after, after=before, bits=bits)

    def test_other_shapes_are_refused(self) -> None:
        with pytest.raises(ValueError, match="cannot be compared"):
            mean_change(before=[np.zeros((4, 4), np.uint8)], after=[np.zeros((4, 5), np.uint8)], bits=8)

    def test_a_cut_changes_the_picture_once_and_a_pan_at_every_step(self) -> None:
        assert cut_score(change=0.3, neighbour=0.02) == pytest.approx(28)
        assert cut_score(change=0.3, neighbour=0.29) == pytest.approx(1)
        assert cut_score(change=0.02, neighbour=0.3) == pytest.approx(2)


class TestStaticFlicker:
    def planes(self, rgb: np.ndarray) -> tuple[Luma, np.ndarray, np.ndarray]:
        """4:2:0, limited range, by OpenCV."""
        height, width = rgb.shape[:2]
        stored = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
        y, rest = stored[:height], stored[height:].reshape(-1, width // 2)
        u, v = rest[: height // 2], rest[height // 2 :]
        return stored_luma(plane=y, bits=8, limited=True), u, v

    @pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket"])
    def test_is_within_3_percent_of_vbenchs_own_formula_on_rgb(self, name: str) -> None:
        """vbench/temporal_flickering.py: `np.mean(cv2.absdiff(a, b))` of the RGB frames as float32."""
        rng = np.random.default_rng(1)
        still = cv2.resize(photograph(name), (320, 180), interpolation=cv2.INTER_AREA)
        lit = np.clip(still * np.array([1.02, 0.99, 0.97]) + rng.normal(0, 2, still.shape), 0, 255).astype(np.uint8)
        smooth = [cv2.GaussianBlur(each, (0, 0), 1.5) for each in (still, lit)]
        one, two = (self.planes(each) for each in smooth)
        decoded = [cv2.cvtColor(cv2.cvtColor(e, cv2.COLOR_RGB2YUV_I420), cv2.COLOR_YUV2RGB_I420) for e in smooth]
        wanted = float(np.mean(cv2.absdiff(*(each.astype(np.float32) for each in decoded))))
        assert rgb_change(before=one, after=two, bits=8, limited=True) == pytest.approx(wanted, rel=0.03)

    def test_ten_bits_are_the_same_picture(self) -> None:
        one, two = (self.planes(photograph(name)[:300, :400]) for name in ("astronaut", "chelsea"))
        wide = [(y, u.astype(np.uint16) * 4, v.astype(np.uint16) * 4) for y, u, v in (one, two)]
        got = rgb_change(before=wide[0], after=wide[1], bits=10, limited=True)
        assert got == pytest.approx(rgb_change(before=one, after=two, bits=8, limited=True), rel=1e-6)

    def test_without_colour_it_is_the_change_of_luma(self) -> None:
        one, two = (luma(rgb=photograph(name)[:300, :400]) for name in ("astronaut", "chelsea"))
        flat = np.full((150, 200), 128, np.uint8)
        got = rgb_change(before=(one, flat, flat), after=(two, flat, flat), bits=8, limited=True)
        assert got == pytest.approx(float(np.abs(one[::2, ::2].astype(float) - two[::2, ::2]).mean()), rel=1e-6)
        assert grey_change(before=one, after=two) == pytest.approx(float(np.abs(one.astype(float) - two).mean()))

    def test_the_fastest_part_is_the_mean_of_the_longest_fiftieth(self) -> None:
        """static_filter.py: `np.mean(abs(np.sort(-rad_flat))[:int(h * w * 0.02)])`, here per short side."""
        field = np.random.default_rng(2).normal(0, 3, (50, 80, 2)).astype(np.float32)
        lengths = np.sqrt(np.sum(field.astype(np.float64) ** 2, axis=-1)).flatten()
        wanted = np.mean(abs(np.sort(-lengths))[: int(50 * 80 * 0.02)]) / 50
        assert fastest_part(field=field) == pytest.approx(wanted, rel=1e-6)

    def test_an_eighth_of_the_frames_may_move(self) -> None:
        still, moving = 0.0, STATIC_LENGTH * 1.01
        assert is_static(steps=np.array([moving] * 2 + [still] * 13), ends=(0.0, 0.0))
        assert not is_static(steps=np.array([moving] * 3 + [still] * 12), ends=(0.0, 0.0))
        assert is_static(steps=np.zeros(15), ends=(STATIC_LENGTH * 4, 0.0))
        assert not is_static(steps=np.zeros(15), ends=(0.0, STATIC_LENGTH * 4.01))


@pytest.mark.parametrize("shape", [(22, 416), (31, 297), (16, 576), (9, 1024), (1, 9216), (5, 5)])
@pytest.mark.parametrize("search", [flow, quick_flow])
def test_a_ribbon_of_a_picture_has_a_flow_too(
    search: Callable[..., "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"], shape: tuple[int, int]
) -> None:
    """Clips much wider than high; where the search is given too little, this process ends here."""
    picture = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    for one in (picture, picture.T.copy()):
        field = search(previous=one, current=np.roll(one, 1, axis=1))
        assert field.shape == (*one.shape, 2)
        assert np.isfinite(field).all()
