"""How a clip looks, on clips that were really encoded: the known traps, and where each metric says it is worst.

The pictures are photographs that ship inside scikit-image: astronaut (NASA, public domain), chelsea (Stefan van der
Walt, CC0), coffee (Rachel Michetti, CC0), rocket (SpaceX, CC0).
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from services.scoring.adapters.identity import FaceRegionBackend
from services.scoring.domain import DEFAULT_GATES, METRICS, Expectation, Reading, Verdict, judge
from services.scoring.workers.measurement import MeasurementRequest, measure
from shared.video.encode import encode_h264
from shared.video.planes import iter_planes
from tests.support import plain_scores
from tests.support.clips import Rgb, camera, lossless, photograph

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
SIZE = (416, 240)
BACKEND = FaceRegionBackend()


def frames(name: str, size: tuple[int, int] = SIZE, count: int = 6) -> list[Rgb]:
    return list(camera(photograph(name), frames=count, size=size))


def encoded(path: Path, pictures: Iterable[Rgb], *, crf: int = 18) -> Path:
    encode_h264(path, pictures, fps=16, crf=crf)
    return path


def readings(path: Path) -> dict[str, Reading]:
    return dict(measure(MeasurementRequest(clip=path, expected=Expectation()), identity=BACKEND).readings)


def value(path: Path, metric: str) -> float:
    found = readings(path)[metric].value
    assert found is not None
    return found


def laplacian_variance(path: Path) -> float:
    """What is often called sharpness: the variance of the Laplacian, at the clip's own size."""
    return float(np.mean([cv2.Laplacian(planes.y, cv2.CV_64F).var() for planes in iter_planes(path)]))


def noisy(pictures: Iterable[Rgb], sigma: float) -> list[Rgb]:
    grain = np.random.default_rng(4)
    return [np.clip(p + grain.normal(0, sigma, p.shape), 0, 255).astype(np.uint8) for p in pictures]


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_small_poor_encode_is_not_sharper_than_a_larger_better_one(name: str, tmp_path: Path) -> None:
    """By more than another encoder moves it (0.003, of the response matrix)."""
    pictures = frames(name, (832, 480))
    small = [cv2.resize(picture, (208, 120), interpolation=cv2.INTER_AREA) for picture in pictures]
    good = encoded(tmp_path / "good.mp4", pictures, crf=20)
    poor = encoded(tmp_path / "poor.mp4", small, crf=26)
    assert laplacian_variance(poor) > laplacian_variance(good), "the trap is there"
    assert value(poor, "sharpness") < value(good, "sharpness") - 0.005


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_noisy_clip_is_noisier_and_not_sharper(name: str, tmp_path: Path) -> None:
    soft = [cv2.GaussianBlur(picture, (0, 0), 1.5) for picture in frames(name)]
    clean = encoded(tmp_path / "clean.mp4", soft)
    grainy = encoded(tmp_path / "grainy.mp4", noisy(soft, 8.0))
    sharp = encoded(tmp_path / "sharp.mp4", frames(name))
    assert laplacian_variance(grainy) > 1.5 * laplacian_variance(clean), "the trap is there"
    gained = value(sharp, "sharpness") - value(clean, "sharpness")
    assert value(grainy, "sharpness") - value(clean, "sharpness") < 0.25 * gained
    assert value(grainy, "noise") > 3 * value(clean, "noise")


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_good_clips_pass_every_gate_of_how_they_look(name: str, tmp_path: Path) -> None:
    found = measure(
        MeasurementRequest(clip=encoded(tmp_path / "good.mp4", frames(name)), expected=Expectation()), identity=BACKEND
    )
    looks = ("sharpness", "exposure", "clipping", "contrast", "colourfulness", "blockiness", "noise")
    outcomes = {each.metric: each for each in judge(found, DEFAULT_GATES).outcomes}
    assert {outcomes[metric].verdict for metric in looks} == {Verdict.PASS}, outcomes


@pytest.mark.parametrize("size", [(416, 240), (333, 187)])
def test_a_clips_numbers_are_those_of_the_plain_formulas(size: tuple[int, int], tmp_path: Path) -> None:
    """The whole way through a decoder; both shrink before sharpness and colour, and round on the way."""
    clip = lossless(tmp_path / "clip.mkv", frames("coffee", size, 3), "yuv420p")
    found, wanted = readings(clip), plain_scores.clip_look(clip)
    for metric, value in wanted.items():
        tolerance = {"sharpness": 3e-3, "colourfulness": 1.0}.get(metric, 1e-9)
        assert found[metric].value == pytest.approx(value, abs=tolerance), metric


def test_what_moves_measures_alike_with_another_flow_at_another_size(tmp_path: Path) -> None:
    clip = encoded(tmp_path / "clip.mp4", camera(photograph("coffee"), frames=8, size=SIZE, zoom=0.1, pan=0.1))
    found, wanted = readings(clip), plain_scores.clip_time(clip)
    assert found["motion"].value == pytest.approx(wanted["motion"] * 16, rel=0.25)
    assert found["warping_error"].value is not None
    assert max(found["warping_error"].value, wanted["warping_error"]) < 2e-3


def jpeg(picture: Rgb, quality: int) -> Rgb:
    packed = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR)[..., ::-1], dtype=np.uint8)


def washed_out(picture: Rgb) -> Rgb:
    return (picture * 0.1 + 115).astype(np.uint8)


def glaring(picture: Rgb) -> Rgb:
    grey = picture.mean(axis=2, keepdims=True)
    return np.clip(grey + 3.5 * (picture - grey), 0, 255).astype(np.uint8)


BROKEN: dict[str, tuple[str, Callable[[list[Rgb]], list[Rgb]]]] = {
    "washed out": ("contrast", lambda pictures: [washed_out(p) for p in pictures]),
    "glaring": ("colourfulness", lambda pictures: [glaring(p) for p in pictures]),
    "in blocks": ("blockiness", lambda pictures: [jpeg(p, 8) for p in pictures]),
    "grainy": ("noise", lambda pictures: noisy(pictures, 14.0)),
    "blurred": ("sharpness", lambda pictures: [cv2.GaussianBlur(p, (0, 0), 4.0) for p in pictures]),
}


@pytest.mark.parametrize("defect", BROKEN)
@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_what_anyone_would_send_back_does_not_pass_its_gate(defect: str, name: str, tmp_path: Path) -> None:
    metric, spoil = BROKEN[defect]
    clip = encoded(tmp_path / "broken.mp4", spoil(frames(name)))
    found = measure(MeasurementRequest(clip=clip, expected=Expectation()), identity=BACKEND)
    outcomes = {each.metric: each.verdict for each in judge(found, DEFAULT_GATES).outcomes}
    assert outcomes[metric] in (Verdict.WARN, Verdict.FAIL), found.readings[metric]


@pytest.mark.parametrize("defect", BROKEN)
def test_every_number_lies_in_the_range_that_is_told_of_it(defect: str, tmp_path: Path) -> None:
    clip = encoded(tmp_path / "broken.mp4", BROKEN[defect][1](frames("chelsea")))
    for name, reading in readings(clip).items():
        metric = METRICS[name]
        for number in (reading.value, reading.worst_value):
            if number is not None:
                assert metric.lowest <= number <= (np.inf if metric.highest is None else metric.highest), name


SPOT = (slice(150, 180), slice(312, 364))
"""Row 5, column 6 of the 8 x 8 regions of a clip of 416 x 240."""


def blown(spot: Rgb) -> Rgb:
    return np.full_like(spot, 255)


def red(spot: Rgb) -> Rgb:
    return np.broadcast_to(np.array([230, 10, 20], np.uint8), spot.shape)


def stripes(spot: Rgb) -> Rgb:
    pattern = np.zeros_like(spot)
    pattern[:, ::16] = pattern[:, 1::16] = pattern[:, 2::16] = 255
    pattern[:, 3::16] = pattern[:, 4::16] = pattern[:, 5::16] = 255
    return pattern


def blocks(spot: Rgb) -> Rgb:
    """Of 8 x 8, on the grid of the whole picture."""
    y, x = np.indices(spot.shape[:2])
    chessboard = ((y + SPOT[0].start) // 8 + (x + SPOT[1].start) // 8) % 2
    return np.repeat((100 + 60 * chessboard)[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize(
    ("metric", "spoil"),
    [
        ("exposure", blown),
        ("clipping", blown),
        ("contrast", stripes),
        ("colourfulness", red),
        ("blockiness", blocks),
    ],
)
def test_the_worst_frame_and_region_are_where_the_defect_is(
    metric: str, spoil: Callable[[Rgb], Rgb], tmp_path: Path
) -> None:
    """Lossless, so that an encoder does not spread it."""
    dim = [(cv2.GaussianBlur(picture, (0, 0), 2.0) * 0.6 + 30).astype(np.uint8) for picture in frames("coffee")]
    dim[4][SPOT] = spoil(dim[4][SPOT])
    reading = readings(lossless(tmp_path / "spot.mkv", dim, "yuv444p"))[metric]
    assert (reading.worst_frame, reading.worst_region) == (4, (312, 150, 52, 30))


def test_noise_is_worst_in_the_grainy_frame_where_it_is_strongest(tmp_path: Path) -> None:
    """Noise that is in one place only is texture to this metric; a frame counts by its quieter parts."""
    soft = [cv2.GaussianBlur(picture, (0, 0), 2.0) for picture in frames("coffee")]
    soft[4] = noisy([soft[4]], 5.0)[0]
    soft[4][SPOT] = noisy([soft[4][SPOT]], 25.0)[0]
    reading = readings(lossless(tmp_path / "grain.mkv", soft, "yuv444p"))["noise"]
    assert (reading.worst_frame, reading.worst_region) == (4, (312, 150, 52, 30))


def test_an_unsharp_region_is_named(tmp_path: Path) -> None:
    """Among the regions that have edges; one without any cannot be unsharp."""
    pictures = [
        cv2.GaussianBlur(picture, (0, 0), 1.0) if at == 2 else picture for at, picture in enumerate(frames("rocket"))
    ]
    spot = (slice(90, 120), slice(156, 208))
    pictures[2][spot] = cv2.GaussianBlur(pictures[2][spot], (0, 0), 6.0)
    reading = readings(lossless(tmp_path / "blurred.mkv", pictures, "yuv444p"))["sharpness"]
    assert (reading.worst_frame, reading.worst_region) == (2, (156, 90, 52, 30))
