"""Each kernel: identity, symmetry, invariance, and one reference value that another implementation gave."""

import importlib
import itertools
import pkgutil

import cv2
import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

from services.scoring import kernels
from services.scoring.kernels.exposure import clipped_cells, clipped_share, mean_luma
from services.scoring.kernels.flicker import brightness_change, flicker
from services.scoring.kernels.look import look, similarity, similarity_cells
from services.scoring.kernels.luma import at_side, cell_means, cell_region, extreme_cell, luma
from services.scoring.kernels.motion import SIDE, flow, motion_amount, warped
from services.scoring.kernels.placement import agreement, bounds, goal, patch, placed, refined
from services.scoring.kernels.sharpness import edges, sharpness, sharpness_cells
from services.scoring.kernels.ssim import handover_map
from services.scoring.kernels.stillness import is_black
from services.scoring.kernels.surface import surface
from tests.support.clips import ASTRONAUT_FACE, Rgb, bulged, camera, photograph, tinted

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")


def sharp(picture: Rgb) -> float:
    return sharpness(of=edges(luma=picture))


def grey(name: str, side: int = 256) -> Rgb:
    picture = photograph(name)
    return at_side(picture=picture if picture.ndim == 2 else luma(rgb=picture), side=side)


class TestCompiled:
    def test_what_is_compiled_together_is_in_one_file(self) -> None:
        """Numba's cache on disk does not see a change of another file: numbers of the old code would come."""
        modules = [importlib.import_module(f"{kernels.__name__}.{found.name}")
                   for found in pkgutil.iter_modules(kernels.__path__)]  # fmt: skip
        compiled = {
            f"{module.__name__}.{name}": value
            for module in modules
            for name, value in vars(module).items()
            if isinstance(value, Dispatcher) and value.py_func.__module__ == module.__name__
        }
        assert len(compiled) > 20
        for name, function in compiled.items():
            called = (function.py_func.__globals__.get(each) for each in function.py_func.__code__.co_names)
            others = {each.py_func.__module__ for each in called if isinstance(each, Dispatcher)}
            assert others <= {function.py_func.__module__}, name


class TestLuma:
    def test_primaries_have_the_weights_of_bt601(self) -> None:
        colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
        assert luma(rgb=colours).tolist() == [[76, 150, 29, 255]]

    def test_at_side_gives_every_shape_the_same_number_of_pixels(self) -> None:
        for shape in ((512, 512), (300, 451), (64, 64), (1080, 1920)):
            height, width = at_side(picture=np.zeros(shape, np.uint8), side=128).shape
            assert height * width == pytest.approx(128 * 128, rel=0.02)
            assert width / height == pytest.approx(shape[1] / shape[0], rel=0.02)

    def test_cells_cover_the_picture_and_the_extreme_one_is_found(self) -> None:
        picture = np.zeros((50, 70), np.float64)
        picture[44:, 62:] = 1.0
        value, region = extreme_cell(cells=cell_means(values=picture), highest=True, width=70, height=50)
        assert value > 0.8
        assert region == (61, 43, 9, 7)
        covered = sum(
            w * h
            for r in range(8)
            for c in range(8)
            for *_, w, h in [cell_region(row=r, column=c, width=70, height=50)]
        )
        assert covered == 70 * 50


class TestSharpness:
    def test_reference_value_of_the_camera_photograph(self) -> None:
        """0.28133 with SciPy, on the 2 x 2 block means b of skimage.data.camera(), halves rounded up:
        g(s) = stack(gradient(gaussian_filter(b, s, mode="mirror", truncate=4)))[:, 1:-1, 1:-1]; f, c = g(1), g(2.5)
        n = (c**2).sum(0); t = percentile(n, 85); a = 2 * (n / t - 1); w = clip(a, 0, 1)
        d = 2 * (w + where((a > 0) & (a < 1), 2 * n / t, 0)); k = (13.78 / 8.53) ** 2
        x = (w * (f[1] * c[0] - f[0] * c[1]) ** 2 / n).sum() / w.sum() / ((6.89 / 1.64) ** 2 - k**2 + (k - 1.4) ** 2)
        (((w * (f * c).sum(0)).sum() - k * x * d.sum()) / ((w * n).sum() - x * d.sum()) - 1) / 1.5
        """
        assert sharp(photograph("camera")) == pytest.approx(0.281331, abs=1e-5)

    @pytest.mark.parametrize("name", PHOTOGRAPHS)
    def test_more_blur_is_less_sharp(self, name: str) -> None:
        picture = grey(name)
        values = [sharp(picture)]
        values += [sharp(cv2.GaussianBlur(picture, (0, 0), s)) for s in (0.7, 1.0, 1.5, 2.0, 3.0, 5.0)]
        assert values == sorted(values, reverse=True)
        assert values[0] - values[-1] > 0.15

    @pytest.mark.parametrize("sigma", (4, 12, 18))
    @pytest.mark.parametrize("name", (*PHOTOGRAPHS, "retina", "grass", "gravel", "text", "moon"))
    def test_noise_is_not_sharpness(self, name: str, sigma: float) -> None:
        """Nor does it hide it: at 18 levels most of the edges of the fainter pictures drown."""
        picture = grey(name)
        grain = np.random.default_rng(1).normal(0.5, sigma, picture.shape)
        noisy = np.clip(picture + grain, 0, 255).astype(np.uint8)
        assert -0.04 < sharp(noisy) - sharp(picture) < 0.01

    @pytest.mark.parametrize("name", PHOTOGRAPHS)
    def test_contrast_tier_and_mirroring_do_not_move_it(self, name: str) -> None:
        picture = luma(rgb=photograph(name))
        value = sharp(picture)
        assert sharp((picture * 0.6 + 40).astype(np.uint8)) == pytest.approx(value, abs=0.01)
        assert sharp(np.ascontiguousarray(picture[:, ::-1])) == pytest.approx(value, abs=1e-3)
        draft = at_side(picture=picture, side=256)
        assert sharp(draft) == pytest.approx(value, abs=0.02)

    def test_a_flat_picture_has_no_sharpness(self) -> None:
        assert sharp(np.full((128, 128), 90, np.uint8)) == 0.0

    @pytest.mark.parametrize("name", PHOTOGRAPHS)
    def test_blur_in_one_place_is_found_in_that_cell_and_in_no_other(self, name: str) -> None:
        picture = grey(name, 512)
        height, width = picture.shape
        before = edges(luma=picture)
        row, column = divmod(int(np.argmax(before.weight)), 8)
        x, y, w, h = cell_region(row=row, column=column, width=width, height=height)
        picture[y : y + h, x : x + w] = cv2.GaussianBlur(picture, (0, 0), 4.0)[y : y + h, x : x + w]
        lost = sharpness_cells(of=before) - sharpness_cells(of=edges(luma=picture))
        assert lost[row, column] > 0.03
        assert np.median(np.abs(lost)) < 0.01


class TestExposure:
    def test_black_grey_and_white(self) -> None:
        for level in (0, 51, 255):
            assert mean_luma(of=surface(luma=np.full((32, 32), level, np.uint8))) == pytest.approx(level / 255)

    def test_reference_value_of_the_coffee_photograph(self) -> None:
        """0.40647: np.asarray(PIL.Image.fromarray(skimage.data.coffee()).convert("L")).mean() / 255"""
        assert mean_luma(of=surface(luma=luma(rgb=photograph("coffee")))) == pytest.approx(0.40647, abs=1e-4)

    def test_only_the_ends_of_the_range_are_clipped(self) -> None:
        picture = np.full((40, 40), 128, np.uint8)
        assert clipped_share(of=surface(luma=picture)) == 0.0
        picture[:10] = 255
        picture[10:14] = 0
        assert clipped_share(of=surface(luma=picture)) == pytest.approx(14 / 40)
        assert clipped_cells(of=surface(luma=picture)).mean() == pytest.approx(14 / 40)
        assert clipped_share(of=surface(luma=255 - picture)) == clipped_share(of=surface(luma=picture))


class TestMotion:
    def pair(self, shift: float) -> tuple[Rgb, Rgb]:
        picture = cv2.GaussianBlur(photograph("coffee"), (0, 0), 2.0)
        first, *_, last = camera(picture, frames=2, size=(SIDE, SIDE), zoom=0, pan=shift)
        return luma(rgb=first), luma(rgb=last)

    def test_nothing_moves_in_a_repeated_frame(self) -> None:
        frame = grey("coffee", SIDE)
        assert motion_amount(field=flow(previous=frame, current=frame)) < 1e-5

    def test_reference_value_of_a_known_pan(self) -> None:
        """A pan by 1 % of a 600 pixel wide photograph, shown at 96/400 scale: 600 * 0.01 * 96/400 = 1.44 pixels."""
        previous, current = self.pair(0.01)
        field = flow(previous=previous, current=current)[8:-8, 8:-8]
        assert np.median(field[..., 0]) == pytest.approx(1.44, abs=0.15)
        assert abs(np.median(field[..., 1])) < 0.1

    def test_backwards_is_as_much_motion_as_forwards(self) -> None:
        previous, current = self.pair(0.02)
        there = motion_amount(field=flow(previous=previous, current=current))
        back = motion_amount(field=flow(previous=current, current=previous))
        assert there == pytest.approx(back, rel=0.1)

    def test_a_change_of_light_is_not_a_motion(self) -> None:
        frame = grey("coffee", SIDE)
        darker = (frame * 0.8).astype(np.uint8)
        moved = self.pair(0.01)
        assert motion_amount(field=flow(previous=frame, current=darker)) < 0.1 * motion_amount(
            field=flow(previous=moved[0], current=moved[1])
        )

    def test_warping_along_the_flow_meets_the_next_frame(self) -> None:
        previous, current = self.pair(0.02)
        compensated = warped(previous=previous, field=flow(previous=previous, current=current))
        inner = np.s_[8:-8, 8:-8]
        before = np.abs(current.astype(float) - previous)[inner].mean()
        assert np.abs(current - compensated)[inner].mean() < 0.35 * before


class TestFlicker:
    def value(self, frames: list[Rgb]) -> float:
        changes = [
            brightness_change(previous=a, current=b, field=flow(previous=a, current=b))
            for a, b in itertools.pairwise(frames)
        ]
        return max(flicker(before=a, after=b) for a, b in itertools.pairwise(changes))

    def frames(self, gains: list[float], pan: float = 0.0) -> list[Rgb]:
        shots = camera(
            photograph("chelsea"), frames=len(gains), size=(SIDE, SIDE), zoom=0, pan=pan, gain=gains.__getitem__
        )
        return [luma(rgb=shot) for shot in shots]

    def test_an_alternation_measures_its_own_amplitude(self) -> None:
        frames = self.frames([1.0, 0.9, 1.0, 0.9])
        assert self.value(frames) == pytest.approx(0.1 * frames[0].mean() / 255, rel=0.05)

    @pytest.mark.parametrize(
        "gains", [[1.0] * 4, [1.0, 0.9, 0.8, 0.7], [1.0, 1.0, 0.6, 0.6]], ids=["still", "fade", "cut"]
    )
    def test_stillness_fades_and_cuts_of_light_are_no_flicker(self, gains: list[float]) -> None:
        assert self.value(self.frames(gains)) < 5e-4

    def test_a_moving_camera_is_no_flicker(self) -> None:
        assert self.value(self.frames([1.0] * 8, pan=0.06)) < 0.1 * self.value(self.frames([1.0, 0.95] * 4, pan=0.06))

    def test_up_and_down_is_the_same_as_down_and_up(self) -> None:
        before, after = np.full((6, 6), 0.02), np.full((6, 6), -0.03)
        assert flicker(before=before, after=after) == flicker(before=-before, after=-after) == pytest.approx(0.02)
        assert flicker(before=before, after=after) == flicker(before=after, after=before)


class TestBlackness:
    def test_black_is_black_also_with_a_timecode(self) -> None:
        frame = np.full((100, 100), 8, np.uint8)
        assert is_black(of=surface(luma=frame))
        frame[:1, :] = 255
        assert is_black(of=surface(luma=frame))
        frame[:3, :] = 255
        assert not is_black(of=surface(luma=frame))
        assert not is_black(of=surface(luma=grey("rocket")))


class TestHandover:
    def test_a_handover_compares_at_the_smaller_size(self) -> None:
        full, draft = grey("astronaut", 512), grey("astronaut", 256)
        assert handover_map(previous_last=full, first=draft).mean() > 0.99
        assert handover_map(previous_last=draft, first=full).mean() > 0.99
        assert handover_map(previous_last=grey("coffee", 256), first=grey("chelsea", 256)[:209, :314]).mean() < 0.5


class TestLook:
    def patch(self, picture: Rgb) -> Rgb:
        x, y = ASTRONAUT_FACE
        return patch(picture=picture, placement=placed(box=(x - 60, y - 60, 120, 120)))

    def alike(self, one: Rgb, two: Rgb) -> float:
        return similarity(reference=look(rgb_patch=self.patch(one)), other=look(rgb_patch=self.patch(two)))

    def test_identity_and_symmetry(self) -> None:
        one = photograph("astronaut")
        two = cv2.GaussianBlur(one, (0, 0), 2)
        assert self.alike(one, one) == pytest.approx(1.0, abs=1e-9)
        assert self.alike(one, two) == pytest.approx(self.alike(two, one))

    def test_light_does_not_matter_colour_and_shape_do(self) -> None:
        one = photograph("astronaut")
        darker = (one * 0.7).astype(np.uint8)
        redder = tinted(one, centre=ASTRONAUT_FACE, radius=90, factors=(1.2, 1.0, 0.8))
        wider = bulged(one, centre=ASTRONAUT_FACE, radius=90, strength=0.3)
        assert self.alike(one, darker) > 0.98
        assert self.alike(one, redder) < 0.75
        assert self.alike(one, wider) < 0.85

    def test_the_worst_cell_is_where_the_change_is(self) -> None:
        one = self.patch(photograph("astronaut"))
        two = one.copy()
        two[40:48, 16:24] = (0, 200, 0)
        cells = similarity_cells(reference=look(rgb_patch=one), other=look(rgb_patch=two))
        assert divmod(int(np.argmin(cells)), 8) == (5, 2)


class TestPlacement:
    def test_a_box_and_its_placement_are_the_same_thing(self) -> None:
        box = (10.0, 20.0, 30.0, 40.0)
        assert bounds(placement=placed(box=box)) == pytest.approx(box)

    def test_a_patch_of_its_own_size_is_the_picture_itself(self) -> None:
        picture = grey("coffee")
        got = patch(picture=picture, placement=placed(box=(50, 60, 64, 64)))
        assert np.array_equal(got, picture[60:124, 50:114])

    def test_refining_recovers_a_known_shift_zoom_and_turn(self) -> None:
        """Independent truth: OpenCV's warpAffine moved the picture by 2.5 and -1.5 pixels, 4 % and 3 degrees."""
        picture = grey("astronaut")
        centre = (113.0, 57.0)
        matrix = cv2.getRotationMatrix2D(centre, 3.0, 1.04)
        matrix[:, 2] += (2.5, -1.5)
        moved = cv2.warpAffine(picture, matrix, (256, 256), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        start = placed(box=(centre[0] - 30, centre[1] - 30, 60, 60))
        reference = patch(picture=picture, placement=start)
        found = refined(goal=goal(reference=reference), picture=moved, placement=start)
        assert found[:, 2] == pytest.approx([centre[0] + 2.5, centre[1] - 1.5], abs=0.3)
        assert np.hypot(found[0, 0], found[1, 0]) == pytest.approx(60 * 1.04, rel=0.01)
        assert np.degrees(np.arctan2(found[0, 1], found[0, 0])) == pytest.approx(3.0, abs=0.5)
        assert agreement(goal=goal(reference=reference), picture=moved, placement=found) > 0.99

    def test_refining_stays_where_it_was_rather_than_run_away(self) -> None:
        reference = patch(picture=grey("astronaut"), placement=placed(box=(80, 30, 60, 60)))
        start = placed(box=(100, 100, 60, 60))
        found = refined(goal=goal(reference=reference), picture=grey("rocket"), placement=start)
        x, y, width, height = bounds(placement=found)
        assert abs(x - 100) < 30 and abs(y - 100) < 30
        assert 35 < width < 95 and 35 < height < 95
