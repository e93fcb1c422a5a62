"""One definition, two implementations: scikit-image's default SSIM of 8 bits, with OpenCV and compiled."""

from typing import Protocol

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import structural_similarity

import services.scoring.kernels.ssim as compiled
import shared.vision.ssim as plain
from services.scoring.kernels.luma import at_side, luma
from tests.support.clips import Rgb, photograph

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")


class Ssim(Protocol):
    def __call__(self, *, first: Rgb, second: Rgb) -> float: ...


@pytest.fixture(params=[plain.ssim, compiled.ssim], ids=["with OpenCV", "compiled"], scope="module")
def ssim(request: pytest.FixtureRequest) -> Ssim:
    found: Ssim = request.param
    return found


def grey(name: str, side: int = 256) -> Rgb:
    return at_side(picture=luma(rgb=photograph(name)), side=side)


def test_reference_value_of_the_camera_photograph(ssim: Ssim) -> None:
    """0.802528965829034: structural_similarity(camera(), cv2.GaussianBlur(camera(), (0, 0), 1.5))."""
    picture = photograph("camera")
    blurred = cv2.GaussianBlur(picture, (0, 0), 1.5)
    assert ssim(first=picture, second=blurred) == pytest.approx(0.802528965829034, abs=1e-12)


@given(
    arrays(np.uint8, (12, 15), elements=st.integers(0, 255)),
    arrays(np.uint8, (12, 15), elements=st.integers(0, 255)),
)
@settings(max_examples=60)
def test_equals_scikit_image_on_any_8_bit_pictures(ssim: Ssim, first: Rgb, second: Rgb) -> None:
    assert ssim(first=first, second=second) == pytest.approx(structural_similarity(first, second), abs=1e-8)


@pytest.mark.parametrize("level", [0, 1, 127, 254])
def test_equals_scikit_image_on_flat_frames(ssim: Ssim, level: int) -> None:
    first = np.full((64, 48), level, np.uint8)
    second = first.copy()
    second[::3, ::5] += 1
    assert ssim(first=first, second=second) == pytest.approx(structural_similarity(first, second), abs=1e-8)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_identity_and_symmetry(ssim: Ssim, name: str) -> None:
    picture = grey(name)
    other = cv2.GaussianBlur(picture, (0, 0), 1.0)
    assert ssim(first=picture, second=picture) == 1.0
    assert ssim(first=picture, second=other) == ssim(first=other, second=picture) < 1.0


def test_other_sizes_are_refused(ssim: Ssim) -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        ssim(first=np.zeros((20, 20), np.uint8), second=np.zeros((20, 21), np.uint8))
    with pytest.raises(ValueError, match="at least 7x7"):
        ssim(first=np.zeros((6, 20), np.uint8), second=np.zeros((6, 20), np.uint8))


@pytest.mark.parametrize("height", [7, 37, 38, 39, 70, 71])
def test_no_row_is_lost_where_strips_meet(ssim: Ssim, height: int) -> None:
    camera = photograph("camera")[:height, :97]
    shifted = photograph("camera")[:height, 1:98]
    assert ssim(first=camera, second=shifted) == pytest.approx(structural_similarity(camera, shifted), abs=1e-12)


@settings(max_examples=25)
@given(
    first=arrays(np.uint8, st.tuples(st.integers(7, 40), st.integers(7, 40))),
    seed=st.integers(0, 9), level=st.sampled_from([0, 3, 250]),
)  # fmt: skip
def test_agrees_on_any_odd_size_and_on_flat_bright_frames(ssim: Ssim, first: Rgb, seed: int, level: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 6, first.shape)
    flat = np.full(first.shape, level, np.uint8)
    noisy, uneven = np.clip(first + noise, 0, 255).astype(np.uint8), (flat + noise // 2).astype(np.uint8)
    for one, two in ((first, noisy), (flat, uneven)):
        assert ssim(first=one, second=two) == pytest.approx(structural_similarity(one, two), abs=1e-8)


def test_reference_value_of_a_photograph_and_its_neighbour(ssim: Ssim) -> None:
    """0.7675553638107298 with scikit-image 0.26: c = skimage.data.camera();
    skimage.metrics.structural_similarity(c[:, 1:], c[:, :-1])"""
    camera = photograph("camera")
    assert ssim(first=camera[:, 1:], second=camera[:, :-1]) == pytest.approx(0.7675553638107298, abs=1e-8)
