"""Contrast, colour, blocks, noise, edges: each against its formula written plainly, and against published values."""

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.scoring.kernels.blocks import blockiness, blockiness_cells
from services.scoring.kernels.colour import SIDE as COLOUR_SIDE
from services.scoring.kernels.colour import coarse_rgb, colour_sums, colourfulness, colourfulness_cells
from services.scoring.kernels.exposure import clipped_share, contrast, contrast_cells, luma_cells, mean_luma
from services.scoring.kernels.grain import noise, noise_cells
from services.scoring.kernels.luma import at_side, cell_region, coarse, extreme_cell, luma, stored_luma
from services.scoring.kernels.sharpness import edges, sharpness
from services.scoring.kernels.shrink import shrunk
from services.scoring.kernels.surface import surface
from shared.video.planes import Planes, _planes
from tests.support import plain_scores
from tests.support.clips import Rgb, photograph

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "retina", "hubble_deep_field")

sizes = st.tuples(st.integers(16, 67), st.integers(16, 67))


def grey(name: str) -> Rgb:
    return luma(rgb=photograph(name))


def noisy(picture: Rgb, sigma: float, seed: int = 5) -> Rgb:
    return np.clip(picture + np.random.default_rng(seed).normal(0, sigma, picture.shape), 0, 255).astype(np.uint8)


def jpeg(picture: Rgb, quality: int) -> Rgb:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 0), np.uint8)


def ours(rgb: Rgb, picture: Rgb) -> dict[str, float]:
    seen = surface(luma=picture)
    return {
        "sharpness": sharpness(of=edges(luma=picture)),
        "exposure": mean_luma(of=seen),
        "clipping": clipped_share(of=seen),
        "contrast": contrast(of=seen),
        "colourfulness": colourfulness(sums=colour_sums(rgb=coarse(picture=rgb, side=COLOUR_SIDE))),
        "blockiness": blockiness(of=seen),
        "noise": noise(of=seen),
    }


TOLERANCE = {"sharpness": 2e-3, "colourfulness": 0.05}
"""Both resize first, and round to 8 bits where the plain way may round the other way."""


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_every_number_is_that_of_the_formula_written_plainly(name: str) -> None:
    rgb = np.ascontiguousarray(photograph(name)[:353, :459])
    wanted = plain_scores.look(rgb, luma(rgb=rgb))
    for metric, value in ours(rgb, luma(rgb=rgb)).items():
        assert value == pytest.approx(wanted[metric], abs=TOLERANCE.get(metric, 1e-9)), metric


@given(sizes.flatmap(lambda size: arrays(np.uint8, (*size, 3), elements=st.integers(0, 255))))
@settings(max_examples=60)
def test_so_it_is_on_pictures_of_any_odd_size(rgb: Rgb) -> None:
    picture = luma(rgb=rgb)
    wanted = plain_scores.look(rgb, picture)
    found = ours(rgb, picture)
    for metric in ("exposure", "clipping", "contrast", "colourfulness", "blockiness", "noise"):
        assert found[metric] == pytest.approx(wanted[metric], abs=1e-9), metric


@given(sizes, st.integers(0, 255))
@settings(max_examples=30)
def test_a_flat_picture_has_no_contrast_no_blocks_no_noise_and_no_colour(size: tuple[int, int], level: int) -> None:
    found = ours(np.full((*size, 3), level, np.uint8), np.full(size, level, np.uint8))
    assert [found[metric] for metric in ("contrast", "blockiness", "noise", "colourfulness", "sharpness")] == [0] * 5


class TestSurface:
    @given(sizes.flatmap(lambda size: arrays(np.uint8, size, elements=st.integers(0, 255))))
    @settings(max_examples=40)
    def test_cells_are_the_regions_that_are_reported_and_cover_the_picture(self, picture: Rgb) -> None:
        seen = surface(luma=picture)
        height, width = picture.shape
        for row in range(8):
            for column in range(8):
                x, y, w, h = cell_region(row=row, column=column, width=width, height=height)
                assert seen.pixels[row, column] == w * h
                assert seen.level[row, column] == picture[y : y + h, x : x + w].sum(dtype=np.int64)
        assert seen.pixels.sum() == picture.size
        assert seen.grains.sum() == (height - 2) * (width - 2)
        assert seen.steps.sum() == height * (width - 1) + width * (height - 1)
        assert seen.grid_steps.sum() == height * ((width - 1) // 8) + width * ((height - 1) // 8)

    def test_an_8k_row_of_white_does_not_overflow(self) -> None:
        picture = np.full((16, 8192), 255, np.uint8)
        picture[:, ::2] = 0
        seen = surface(luma=picture)
        assert seen.square.sum() == 255 * 255 * 16 * 4096
        assert seen.step.sum() == 255 * 16 * 8191


class TestContrast:
    def test_half_black_and_half_white_is_one_half(self) -> None:
        picture = np.zeros((32, 32), np.uint8)
        picture[:, 16:] = 255
        assert contrast(of=surface(luma=picture)) == 0.5
        assert contrast_cells(of=surface(luma=picture)).max() == 0.0

    def test_reference_value_of_the_camera_photograph(self) -> None:
        """0.2888033: import skimage; skimage.data.camera().std() / 255"""
        assert contrast(of=surface(luma=photograph("camera"))) == pytest.approx(0.2888033, abs=1e-7)

    @pytest.mark.parametrize("name", PHOTOGRAPHS)
    def test_washing_out_lowers_it_in_proportion_and_brightness_does_not_move_it(self, name: str) -> None:
        picture = grey(name)
        half = (picture // 2).astype(np.uint8)
        whole = contrast(of=surface(luma=(half * 2).astype(np.uint8)))
        assert contrast(of=surface(luma=half)) == pytest.approx(whole / 2, abs=1e-9)
        assert contrast(of=surface(luma=(half + 100).astype(np.uint8))) == pytest.approx(whole / 2, abs=1e-9)


class TestColourfulness:
    def value(self, rgb: Rgb) -> float:
        return colourfulness(sums=colour_sums(rgb=rgb))

    def test_one_colour_counts_by_its_distance_from_grey_alone(self) -> None:
        """Pure red: rg = 255, yb = 127.5, no variance: 0.3 * sqrt(255^2 + 127.5^2) = 85.53."""
        red = np.zeros((32, 32, 3), np.uint8)
        red[..., 0] = 255
        assert self.value(red) == pytest.approx(0.3 * np.hypot(255, 127.5))
        assert self.value(np.full((32, 32, 3), 77, np.uint8)) == 0.0

    @pytest.mark.parametrize("name", PHOTOGRAPHS)
    def test_more_saturation_is_more_colourful_and_brightness_is_not(self, name: str) -> None:
        rgb = photograph(name)
        mean = rgb.mean(axis=2, keepdims=True)
        values = [
            self.value(np.clip(mean + k * (rgb - mean), 0, 255).astype(np.uint8)) for k in (0, 0.25, 0.5, 0.75, 1)
        ]
        assert values == sorted(values) and values[0] < 1.0
        dark = (rgb // 2).astype(np.uint8)
        assert self.value((dark + 60).astype(np.uint8)) == pytest.approx(self.value(dark), abs=1e-9)

    @pytest.mark.parametrize("name", PHOTOGRAPHS)
    def test_noise_is_hardly_colourful_at_the_size_it_is_looked_at(self, name: str) -> None:
        rgb = photograph(name)
        there = noisy(rgb, 15.0)
        at_full = plain_scores.colourfulness(there) - plain_scores.colourfulness(rgb)
        small = [coarse(picture=each, side=COLOUR_SIDE) for each in (rgb, there)]
        assert abs(self.value(small[1]) - self.value(small[0])) < 0.4 * at_full

    def test_the_most_colourful_cell_is_where_the_colour_is(self) -> None:
        rgb = np.full((64, 96, 3), 120, np.uint8)
        rgb[16:24, 48:60] = (200, 30, 60)
        cells = colourfulness_cells(sums=colour_sums(rgb=rgb))
        assert extreme_cell(cells=cells, highest=True, width=96, height=64)[1] == (48, 16, 12, 8)


class TestNoise:
    @pytest.mark.parametrize("sigma", [1.0, 3.0, 6.0, 12.0])
    def test_noise_on_a_smooth_picture_measures_its_own_deviation(self, sigma: float) -> None:
        ramp = np.add.outer(np.linspace(60, 160, 240), np.linspace(0, 40, 320)).astype(np.uint8)
        picture = np.rint(ramp + np.random.default_rng(2).normal(0, sigma, ramp.shape)).clip(0, 255).astype(np.uint8)
        rounding = 1 / 12
        assert 255 * noise(of=surface(luma=picture)) == pytest.approx(np.sqrt(sigma**2 + rounding), rel=0.06)

    @pytest.mark.parametrize("name", PHOTOGRAPHS)
    def test_more_noise_is_more_and_blur_is_less(self, name: str) -> None:
        picture = grey(name)
        values = [noise(of=surface(luma=noisy(picture, sigma))) for sigma in (0.0, 2.0, 4.0, 8.0, 16.0)]
        assert values == sorted(values)
        assert values[-1] - values[0] > 8 / 255
        assert noise(of=surface(luma=cv2.GaussianBlur(picture, (0, 0), 2.0))) < values[0]

    @pytest.mark.parametrize("name", ("astronaut", "chelsea", "coffee", "rocket"))
    def test_texture_in_parts_of_the_picture_is_not_noise(self, name: str) -> None:
        """Immerkaer's mean over the whole picture is 2.5 times as high on these, and rises with every edge."""
        picture = at_side(picture=grey(name), side=400)
        whole = float(plain_scores.noise_map(picture).mean())
        assert noise(of=surface(luma=picture)) < 0.6 * whole

    def test_what_is_clipped_does_not_hide_the_noise_of_the_rest(self) -> None:
        picture = noisy(np.full((160, 160), 128, np.uint8), 6.0)
        picture[:80] = 0
        assert 255 * noise(of=surface(luma=picture)) == pytest.approx(6.0, rel=0.1)
        assert noise(of=surface(luma=np.zeros((64, 64), np.uint8))) == 0.0

    def test_the_noisiest_cell_is_where_the_noise_is(self) -> None:
        picture = cv2.GaussianBlur(grey("coffee"), (0, 0), 3.0)
        x, y, w, h = cell_region(row=5, column=2, width=600, height=400)
        picture[y : y + h, x : x + w] = noisy(picture[y : y + h, x : x + w], 9.0)
        cells = noise_cells(of=surface(luma=picture))
        assert extreme_cell(cells=cells, highest=True, width=600, height=400)[1] == (x, y, w, h)


class TestBlockiness:
    @pytest.mark.parametrize("name", PHOTOGRAPHS)
    def test_a_coarser_jpeg_is_blockier(self, name: str) -> None:
        values = [blockiness(of=surface(luma=jpeg(grey(name), quality))) for quality in (95, 60, 30, 15, 7)]
        assert values == sorted(values)
        assert values[0] < 0.2 < 0.9 < values[-1]

    @pytest.mark.parametrize("name", PHOTOGRAPHS)
    def test_a_picture_without_blocks_has_none_also_when_it_is_noisy_blurred_or_its_blocks_are_off_the_grid(
        self, name: str
    ) -> None:
        picture = grey(name)
        for clean in (picture, noisy(picture, 8.0), cv2.GaussianBlur(picture, (0, 0), 1.5), jpeg(picture, 10)[4:, 4:]):
            assert blockiness(of=surface(luma=np.ascontiguousarray(clean))) < 0.15

    def test_known_steps(self) -> None:
        """Blocks of 8 x 8 in two levels 10 apart, as a chessboard: every step on the grid is 10, every other one 0, so
        (10 - 0) / (0 + 1)."""
        board = np.kron(np.indices((6, 9)).sum(axis=0) % 2, np.ones((8, 8))) * 10 + 100
        assert blockiness(of=surface(luma=board.astype(np.uint8))) == pytest.approx(10.0)

    def test_the_blockiest_cell_is_where_the_blocks_are(self) -> None:
        picture = at_side(picture=grey("coffee"), side=480)[:384, :512]
        spoiled = picture.copy()
        x, y, w, h = cell_region(row=6, column=3, width=512, height=384)
        spoiled[y : y + h, x : x + w] = jpeg(picture, 5)[y : y + h, x : x + w]
        cells = blockiness_cells(of=surface(luma=spoiled))
        assert extreme_cell(cells=cells, highest=True, width=512, height=384)[1] == (x, y, w, h)


class TestShrinking:
    @given(
        sizes.flatmap(lambda size: arrays(np.uint8, size, elements=st.integers(0, 255))),
        st.floats(0.3, 0.99),
        st.floats(0.3, 0.99),
    )
    @settings(max_examples=120)
    def test_it_is_opencvs_area_average_rounded(self, picture: Rgb, across: float, down: float) -> None:
        size = max(1, round(picture.shape[1] * across)), max(1, round(picture.shape[0] * down))
        wanted = cv2.resize(picture.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        assert np.abs(shrunk(picture=picture, size=size) - wanted).max() < 0.501

    @pytest.mark.parametrize("size", [(337, 194), (126, 73), (208, 120), (831, 479), (416, 240), (97, 300)])
    def test_so_it_is_on_photographs(self, size: tuple[int, int]) -> None:
        picture = cv2.resize(grey("astronaut"), (832, 480))
        wanted = cv2.resize(picture.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        found = shrunk(picture=picture, size=size)
        assert found.shape == (size[1], size[0])
        assert np.abs(found - wanted).max() < 0.501


class TestCoarseColours:
    def seen(self, frame: av.VideoFrame) -> tuple[Planes, Rgb]:
        stored = _planes(0, frame)
        grey = stored_luma(plane=stored.y, bits=stored.bits, limited=stored.limited)
        return stored, coarse_rgb(
            luma=grey, u=stored.u, v=stored.v, bits=stored.bits, limited=stored.limited, weights=stored.weights
        )

    @pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuvj420p", "yuv420p10le", "yuv422p", "gray"])
    @pytest.mark.parametrize("name", PHOTOGRAPHS)
    def test_they_are_those_of_the_whole_picture_turned_into_rgb(self, name: str, pix_fmt: str) -> None:
        rgb = np.ascontiguousarray(photograph(name)[:352, :448])
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pix_fmt)
        stored, found = self.seen(frame)
        shown = frame.to_ndarray(format="rgb24")
        assert np.abs(found - coarse(picture=shown, side=COLOUR_SIDE).astype(float)).mean() < 3.0, "swscale truncates"
        wanted = coarse(picture=plain_scores.rgb(stored), side=COLOUR_SIDE).astype(float)
        assert np.abs(found - wanted).mean() < 1.0
        assert np.abs(found.mean(axis=(0, 1)) - wanted.mean(axis=(0, 1))).max() < 0.8

    @pytest.mark.parametrize(
        ("space", "kr", "kb"), [(Colorspace.ITU709, 0.2126, 0.0722), (Colorspace.ITU601, 0.299, 0.114)]
    )
    def test_primaries_come_back_with_the_matrix_that_the_stream_names(
        self, space: Colorspace, kr: float, kb: float
    ) -> None:
        rgb = np.zeros((64, 64, 3), np.uint8)
        rgb[:32, :32], rgb[:32, 32:], rgb[32:, :32], rgb[32:, 32:] = (200, 30, 30), (30, 200, 30), (30, 30, 200), 128
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
            format="yuv444p", dst_colorspace=space, dst_color_range=ColorRange.MPEG
        )
        frame.colorspace = space
        stored, found = self.seen(frame)
        assert stored.weights == (kr, kb)
        assert np.abs(found[4::24, 4::24].astype(int) - rgb[4::24, 4::24]).max() <= 3


class TestCoarse:
    def test_it_keeps_the_mean_and_stays_between_its_sizes(self) -> None:
        for shape in ((480, 832, 3), (481, 833, 3), (97, 95, 3), (1080, 1920, 3), (20, 2000, 3)):
            picture = np.random.default_rng(1).integers(0, 255, shape, dtype=np.uint8)
            small = coarse(picture=picture, side=96)
            assert small.size // 3 < 4 * 96 * 96
            assert small.size // 3 >= min(96 * 96 * 0.9, picture.size // 3)
            assert small.mean() == pytest.approx(picture.mean(), abs=0.5)

    def test_light_falls_where_it_was(self) -> None:
        picture = np.zeros((128, 128), np.uint8)
        picture[:16, 112:] = 255
        assert luma_cells(of=surface(luma=coarse(picture=picture, side=30)))[0, 7] == 1.0
