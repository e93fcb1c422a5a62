"""Where the colours of a clip lean: against scikit-image, and as a meter of whole clips."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2xyz, xyz2lab

from services.scoring.domain import Reading
from services.scoring.kernels.cast import chroma_cells
from services.scoring.kernels.luma import GRID
from services.scoring.workers.meters import ColourCastMeter, view
from shared.video.planes import iter_stored
from tests.support.clips import photograph

level = st.integers(0, 255)


def of_pictures(folder: Path, *pictures: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> Reading:
    meter = ColourCastMeter()
    for index, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{index}.png"), picture[..., ::-1])
    for frame in iter_stored(folder):
        meter.feed(view(frame))
    (reading,) = meter.readings()
    return reading


@given(colour=st.tuples(level, level, level), width=st.integers(GRID, 90), height=st.integers(GRID, 90))
def test_a_picture_of_one_colour_is_where_scikit_image_puts_it(
    colour: tuple[int, int, int], width: int, height: int
) -> None:
    cells = chroma_cells(rgb=np.full((height, width, 3), colour, np.uint8))
    xyz = rgb2xyz(np.array([[colour]], np.uint8))
    wanted = xyz2lab(xyz * 0.184187 / max(xyz[0, 0, 1], 0.01))[0, 0, 1:]
    assert cells.shape == (GRID, GRID, 2)
    assert np.abs(cells - wanted).max() < 1e-2


def test_grey_of_any_brightness_leans_nowhere() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2).repeat(64, axis=0)
    assert np.abs(chroma_cells(rgb=ramp)).max() < 1e-2


def test_each_cell_has_its_own_colour() -> None:
    picture = np.zeros((80, 80, 3), np.uint8)
    picture[:, :40, 0] = picture[:, 40:, 1] = 200
    cells = chroma_cells(rgb=picture)
    assert (cells[:, : GRID // 2, 0] > 50).all() and (cells[:, GRID // 2 :, 0] < -50).all()


def test_a_clips_place_is_the_mean_of_its_frames_and_the_worst_is_the_furthest_from_grey(tmp_path: Path) -> None:
    picture = photograph("coffee")[:256, :256]
    redder = np.clip(picture.astype(int) + np.array([24, 0, 0]), 0, 255).astype(np.uint8)
    alone = of_pictures(tmp_path, picture)
    (tmp_path / "two").mkdir()
    both = of_pictures(tmp_path / "two", picture, redder)
    assert alone.value is not None and both.value is not None
    assert alone.value == pytest.approx(np.hypot(alone.details["a"], alone.details["b"]))
    assert both.details["a"] > alone.details["a"] + 2
    assert (both.worst_frame, both.worst_value is not None and both.worst_value > alone.value) == (1, True)
    assert both.worst_region is not None


def test_noise_and_brightness_are_no_cast(tmp_path: Path) -> None:
    """Neither moves the mean colour by what can just be noticed, 2.3 units; a cast of 12 levels does."""
    picture = photograph("coffee")[:256, :256].astype(int)
    rng = np.random.default_rng(3)
    changed = {
        "noisy": picture + rng.normal(0, 8, picture.shape),
        "darker": picture * 0.8,
        "cast": picture + np.array([12, 0, -12]),
    }
    places: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
    for name, each in {"as it is": picture, **changed}.items():
        (tmp_path / name).mkdir()
        found = of_pictures(tmp_path / name, np.clip(each, 0, 255).astype(np.uint8))
        places[name] = np.array([found.details["a"], found.details["b"]])
    moved = {name: float(np.hypot(*(places[name] - places["as it is"]))) for name in changed}
    assert moved["noisy"] < 2.3 and moved["darker"] < 2.3 < moved["cast"], moved
