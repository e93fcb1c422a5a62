"""Full-reference kernels against independent implementations, on real and random planes of odd sizes."""

import math
from collections.abc import Callable
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import mean_squared_error, structural_similarity

from services.scoring.kernels.fidelity import expanded, mae, mse, psnr, squared_error_cells
from services.scoring.kernels.gaussian_ssim import gaussian_ssim_cells, gaussian_ssim_map
from services.scoring.kernels.luma import Map, Plane, luma, stored_luma
from services.scoring.kernels.ssim import ssim, ssim_cells, ssim_map
from tests.support.clips import photograph

PAIRS = ("astronaut", "chelsea", "coffee", "rocket")
SHAPES = st.tuples(st.integers(11, 40), st.integers(11, 40))
GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def pair(name: str, dtype: type) -> tuple[Plane, Plane, int]:
    """A photograph and a noisy, blurred copy of it, at 8 bits or at 10; an odd size."""
    bits = 8 if dtype is np.uint8 else 10
    top = (1 << bits) - 1
    grey = luma(rgb=photograph(name))[:301, :253].astype(np.float64) * (top / 255)
    noise = np.random.default_rng(3).normal(0, top / 50, grey.shape)
    other = np.clip(cv2.GaussianBlur(grey, (0, 0), 1.0) + noise, 0, top)
    return np.rint(grey).astype(dtype), np.rint(other).astype(dtype), top


class TestSsim:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    @pytest.mark.parametrize("name", PAIRS)
    def test_both_variants_are_those_of_scikit_image(self, name: str, dtype: type) -> None:
        one, two, top = pair(name, dtype)
        wanted, full = structural_similarity(one, two, data_range=top, full=True)
        assert ssim(first=one, second=two, data_range=top) == pytest.approx(wanted, abs=1e-12)
        assert np.abs(ssim_map(first=one, second=two, data_range=top) - full[3:-3, 3:-3]).max() < 1e-10
        wanted, full = structural_similarity(one, two, data_range=top, full=True, **GAUSSIAN)
        found = gaussian_ssim_map(first=one, second=two, data_range=top)
        assert float(found.mean()) == pytest.approx(wanted, abs=1e-11)
        assert np.abs(found - full[5:-5, 5:-5]).max() < 1e-8

    @settings(max_examples=60)
    @given(
        case=st.tuples(st.sampled_from([(np.uint8, 255), (np.uint16, 1023), (np.uint16, 4095)]), SHAPES).flatmap(
            lambda case: st.tuples(
                st.just(case[0][1]), *(arrays(case[0][0], case[1], elements=st.integers(0, case[0][1])),) * 2
            )
        )
    )
    def test_on_any_pixels_of_any_size_and_depth(self, case: tuple[int, Plane, Plane]) -> None:
        top, one, two = case
        wanted = structural_similarity(one, two, data_range=top)
        assert ssim(first=one, second=two, data_range=top) == pytest.approx(wanted, abs=1e-8)
        wanted = structural_similarity(one, two, data_range=top, **GAUSSIAN)
        assert gaussian_ssim_cells(first=one, second=two, data_range=top)[0] == pytest.approx(wanted, abs=1e-8)

    @pytest.mark.parametrize("level", [0, 1, 128, 254])
    def test_flat_frames_are_exact_at_every_brightness(self, level: int) -> None:
        flat = np.full((75, 101), level, np.uint8)
        speckled = flat.copy()
        speckled[::7, ::5] += 1
        assert ssim(first=flat, second=speckled) == pytest.approx(structural_similarity(flat, speckled), abs=1e-8)
        wanted = structural_similarity(flat, speckled, **GAUSSIAN)
        assert float(gaussian_ssim_map(first=flat, second=speckled).mean()) == pytest.approx(wanted, abs=1e-8)

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_equal_planes_are_exactly_one_and_order_does_not_matter(self, dtype: type) -> None:
        one, two, top = pair("coffee", dtype)
        assert ssim(first=one, second=one, data_range=top) == 1.0
        assert (gaussian_ssim_map(first=one, second=one, data_range=top) == 1.0).all()
        forth = ssim(first=one, second=two, data_range=top)
        assert forth == ssim(first=two, second=one, data_range=top)
        assert ssim_map(first=one, second=two, data_range=top).mean() == pytest.approx(forth, abs=1e-14)

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    @pytest.mark.parametrize(("cells_of", "map_of"), [(ssim_cells, ssim_map), (gaussian_ssim_cells, gaussian_ssim_map)])
    def test_cells_are_the_means_of_the_maps_parts(
        self, cells_of: Callable[..., tuple[float, Map]], map_of: Callable[..., Map], dtype: type
    ) -> None:
        one, two, top = pair("rocket", dtype)
        scores = map_of(first=one, second=two, data_range=top)
        mean, cells = cells_of(first=one, second=two, data_range=top)
        assert mean == pytest.approx(scores.mean(), abs=1e-12)
        height, width = scores.shape
        for row, column in np.ndindex(8, 8):
            part = scores[row * height // 8 : (row + 1) * height // 8, column * width // 8 : (column + 1) * width // 8]
            assert cells[row, column] == pytest.approx(part.mean(), abs=1e-12)

    @pytest.mark.parametrize("cells_of", [ssim_cells, gaussian_ssim_cells])
    def test_a_map_narrower_than_the_grid_has_empty_cells_and_they_are_not_the_worst(
        self, cells_of: Callable[..., tuple[float, Map]]
    ) -> None:
        one, two, _ = pair("rocket", np.uint8)
        mean, cells = cells_of(first=one[:13, :12], second=two[:13, :12])
        assert (cells == 1).any()
        assert cells.min() <= mean < 1

    def test_other_shapes_and_kinds_are_refused(self) -> None:
        small = np.zeros((10, 40), np.uint8)
        with pytest.raises(ValueError, match="at least 11x11"):
            gaussian_ssim_map(first=small, second=small)
        with pytest.raises(ValueError, match="8 or 16 bits"):
            ssim(first=small, second=small.astype(np.uint16))


class TestErrors:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_against_scikit_image_and_opencv(self, dtype: type) -> None:
        one, two, top = pair("chelsea", dtype)
        assert mse(first=one, second=two) == pytest.approx(mean_squared_error(one, two), rel=1e-12)
        assert mae(first=one, second=two) == pytest.approx(cv2.norm(one, two, cv2.NORM_L1) / one.size, rel=1e-12)
        found = psnr(squared_error=mse(first=one, second=two), data_range=top)
        assert found == pytest.approx(cv2.PSNR(one, two, R=top), abs=1e-9)

    @settings(max_examples=60)
    @given(
        planes=st.tuples(
            st.sampled_from([np.uint8, np.uint16]), st.tuples(st.integers(1, 40), st.integers(1, 40))
        ).flatmap(lambda case: st.tuples(*(arrays(*case),) * 2))
    )
    def test_sums_are_exact_on_any_samples_as_a_whole_and_by_cell(self, planes: tuple[Plane, Plane]) -> None:
        one, two = planes
        apart = np.abs(one.astype(np.int64) - two.astype(np.int64))
        assert mse(first=one, second=two) == int((apart**2).sum()) / one.size
        assert mae(first=one, second=two) == int(apart.sum()) / one.size
        cells = squared_error_cells(first=one, second=two)
        height, width = one.shape
        for row, column in np.ndindex(8, 8):
            part = apart[row * height // 8 : (row + 1) * height // 8, column * width // 8 : (column + 1) * width // 8]
            assert cells[row, column] == (int((part**2).sum()) / part.size if part.size else 0.0)

    def test_planes_of_other_shapes_are_refused(self) -> None:
        one = np.zeros((20, 20), np.uint8)
        for kernel in (mse, mae, squared_error_cells):
            with pytest.raises(ValueError, match="cannot be compared"):
                kernel(first=one, second=one[:, :19])

    def test_equal_planes_have_no_error_and_an_infinite_ratio(self) -> None:
        one, _, top = pair("rocket", np.uint8)
        assert mse(first=one, second=one) == mae(first=one, second=one) == 0.0
        assert psnr(squared_error=0.0, data_range=top) == math.inf

    def test_the_cell_that_differs_is_the_one_that_is_found(self) -> None:
        one, _, _ = pair("rocket", np.uint8)
        two = one.copy()
        two[-20:, :20] ^= 128
        cells = squared_error_cells(first=one, second=two)
        assert divmod(int(np.argmax(cells)), 8) == (7, 0)


class TestRange:
    def test_every_level_of_luma_becomes_what_ffmpegs_gray_says(self) -> None:
        """`ffmpeg -pix_fmt gray` on limited-range YUV, here through the same library."""
        levels = np.tile(np.arange(256, dtype=np.uint8), (16, 1))
        frame = av.VideoFrame.from_ndarray(np.concatenate([levels, np.full((8, 256), 128, np.uint8)]), "yuv420p")
        assert (expanded(plane=levels, bits=8, chroma=False) == frame.to_ndarray(format="gray")).all()

    @pytest.mark.parametrize("bits", [8, 9, 10, 12])
    def test_every_level_is_that_of_the_standards_equations(self, bits: int) -> None:
        """Rec. ITU-T H.273, 8.3, both ranges, in whole numbers; halves are rounded up."""
        step, top = 1 << (bits - 8), (1 << bits) - 1
        levels = np.arange(1 << bits, dtype=np.uint8 if bits == 8 else np.uint16).reshape(2, -1)
        for chroma, black, spread, zero in ((False, 16, 219, 0), (True, 128, 224, 128)):
            found = expanded(plane=levels, bits=bits, chroma=chroma)
            assert found.dtype == levels.dtype
            for level, became in zip(levels.flat, found.flat, strict=True):
                wanted = Fraction((int(level) - black * step) * top, spread * step) + zero * step
                assert int(became) == min(top, max(0, math.floor(wanted + Fraction(1, 2))))

    @pytest.mark.parametrize("bits", [8, 10])
    def test_the_ends_of_the_limited_range_become_the_ends_of_the_full_one(self, bits: int) -> None:
        step, top = 1 << (bits - 8), (1 << bits) - 1
        dtype = np.uint8 if bits == 8 else np.uint16
        ends = np.array([[0, 16, 235, 255]], dtype) * step
        assert expanded(plane=ends.astype(dtype), bits=bits, chroma=False).tolist() == [[0, 0, top, top]]
        middle = np.array([[128 * step]], dtype)
        assert expanded(plane=middle, bits=bits, chroma=True).tolist() == [[128 * step]]

    @pytest.mark.parametrize("limited", [True, False])
    @pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le", "yuv420p12le"])
    def test_the_luma_that_is_measured_is_what_ffmpeg_shows_in_grey(self, pix_fmt: str, limited: bool) -> None:
        """`-pix_fmt gray` of a frame with every level; more than 8 bits may differ by the last one, as swscale
        shortens them before it expands."""
        bits = 8 if pix_fmt == "yuv420p" else int(pix_fmt[7:9])
        dtype = np.uint8 if bits == 8 else np.uint16
        levels = np.arange(1 << bits, dtype=dtype).reshape(16, -1)
        frame = av.VideoFrame(levels.shape[1], levels.shape[0], pix_fmt)
        frame.color_range = ColorRange.MPEG if limited else ColorRange.JPEG
        for plane, values in zip(frame.planes, (levels, None, None), strict=True):
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
            filled = np.full((plane.height, plane.width), 1 << (bits - 1), dtype) if values is None else values
            rows[:, : plane.width * dtype().itemsize] = filled.view(np.uint8)
        shown = frame.reformat(format="gray", dst_color_range=ColorRange.JPEG).to_ndarray().astype(int)
        ours = stored_luma(plane=levels, bits=bits, limited=limited).astype(int)
        assert np.abs(ours - shown).max() <= (0 if bits == 8 else 1)
