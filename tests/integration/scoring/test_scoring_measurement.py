"""One pass over real, encoded clips: planted defects move their own metric, and bad files give reasons."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from services.scoring.adapters.identity import FaceRegionBackend
from services.scoring.domain import CLIP_METRICS, Expectation, Measurement, Verdict, default_gates, judge
from services.scoring.workers.comparison import compare
from services.scoring.workers.measurement import MeasurementRequest, load_image, measure
from shared.video.decode import iter_frames, last_frame
from shared.video.encode import encode_h264
from tests.support.clips import ASTRONAUT_FACE, Rgb, bulged, camera, clip, lossless, noted_as_turned, photograph, tinted

EXPECTED = Expectation(width=160, height=160, frames=16, fps=16)
BACKEND = FaceRegionBackend()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    Image.fromarray(photograph("astronaut")).save(folder / "source.png")
    Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(folder / "flat.png")
    clip(folder / "good.mp4", camera(photograph("astronaut")))
    return folder


def measured(folder: Path, frames: object = None, **options: object) -> Measurement:
    path = folder / "good.mp4" if frames is None else clip(folder / "this.mp4", iter(frames))  # type: ignore[call-overload]
    fields: dict[str, object] = {
        "clip": path,
        "expected": EXPECTED,
        "source_image": folder / "source.png",
        **options,
    }
    return measure(MeasurementRequest(**fields), identity=BACKEND)  # type: ignore[arg-type]


def value(measurement: Measurement, metric: str) -> float:
    found = measurement.readings[metric].value
    assert found is not None, measurement.readings[metric].not_measurable
    return found


@pytest.fixture(scope="module")
def good(folder: Path) -> Measurement:
    return measured(folder, previous_clip=folder / "good.mp4", baseline_clip=folder / "good.mp4")


def test_a_good_clip_gives_every_metric_and_passes(folder: Path, good: Measurement) -> None:
    assert tuple(good.readings) == CLIP_METRICS
    unmeasured = {name: reading.not_measurable for name, reading in good.readings.items() if reading.value is None}
    assert unmeasured == {"temporal_flicker": "asked of static clips only, and this one moves"}
    assert value(good, "matches_request") == 1.0
    assert value(good, "ssim_to_baseline") == 1.0
    assert value(good, "identity_similarity") > 0.95
    first = measured(folder)
    assert judge(first, default_gates()).verdict is Verdict.PASS


def test_the_same_clip_measures_the_same_to_the_last_digit(folder: Path, good: Measurement) -> None:
    again = measured(folder, previous_clip=folder / "good.mp4", baseline_clip=folder / "good.mp4")
    assert again == good


def flickering(frame: int) -> float:
    return 1.0 - 0.06 * (frame % 2)


def frozen(frames: list[Rgb]) -> list[Rgb]:
    return frames[:4] + [frames[4]] * 8 + frames[12:]


def blackened(frames: list[Rgb]) -> list[Rgb]:
    return [np.zeros_like(f) if 6 <= i < 10 else f for i, f in enumerate(frames)]


def face(change: Callable[..., Rgb], **options: object) -> list[Rgb]:
    return list(camera(change(photograph("astronaut"), centre=ASTRONAUT_FACE, radius=80, **options)))


def shots(**options: object) -> list[Rgb]:
    return list(camera(photograph("astronaut"), **options))  # type: ignore[arg-type]


DEFECTS: dict[str, tuple[str, Callable[[], list[Rgb]], float]] = {
    "blurred": ("sharpness", lambda: [cv2.GaussianBlur(f, (0, 0), 2.5) for f in shots()], -0.1),
    "darkened": ("exposure", lambda: shots(gain=lambda frame: 0.6), -0.1),
    "blown out": ("clipping", lambda: shots(gain=lambda frame: 2.0), 0.1),
    "too fast": ("motion", lambda: shots(zoom=0.5, pan=0.2), 0.05),
    "flickering": ("flicker", lambda: shots(gain=flickering), 0.01),
    "frozen": ("frozen_frames", lambda: frozen(shots()), 0.35),
    "black": ("black_frames", lambda: blackened(shots()), 0.15),
    "face warped": ("identity_similarity", lambda: face(bulged, strength=0.3), -0.1),
    "face recoloured": ("identity_similarity", lambda: face(tinted, factors=(1.15, 1.0, 0.85)), -0.15),
    "another face": ("identity_similarity", lambda: list(camera(photograph("chelsea"))), -0.6),
    "another frame count": ("matches_request", lambda: shots(frames=15), -1.0),
    "another size": ("matches_request", lambda: shots(size=(128, 160)), -1.0),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_moves_its_own_metric(defect: str, folder: Path, good: Measurement) -> None:
    metric, frames, at_least = DEFECTS[defect]
    moved = value(measured(folder, frames()), metric) - value(good, metric)
    assert moved / at_least >= 1, f"{metric} moved by {moved:.4f}"


@pytest.mark.parametrize(
    ("crf", "size"), [(18, (192, 192)), (28, (192, 192)), (18, (128, 128)), (18, (384, 384))], ids=str
)
def test_identity_is_steady_across_frames_compression_and_tier(crf: int, size: tuple[int, int], folder: Path) -> None:
    path = folder / "steady.mp4"
    encode_h264(path, camera(photograph("astronaut"), size=size, zoom=0.25, pan=0.05, turn=5), fps=16, crf=crf)
    tracker = BACKEND.tracker(photograph("astronaut"))
    seen = [tracker.observe(frame.rgb) for frame in iter_frames(path)]
    values = [sighting.similarity for sighting in seen if sighting is not None]
    assert len(values) == 16
    assert min(values) > 0.92
    assert np.std(values) < 0.006


def test_the_region_found_once_gives_the_same_numbers_when_it_is_told(folder: Path, good: Measurement) -> None:
    assert good.region is not None and good.region.kind == "face"
    told = measured(folder, known_region=good.region)
    assert told.readings["identity_similarity"] == good.readings["identity_similarity"]


def test_without_a_face_the_middle_of_the_source_is_compared_and_said(folder: Path) -> None:
    Image.fromarray(photograph("coffee")).save(folder / "coffee.png")
    same = measured(folder, camera(photograph("coffee")), source_image=folder / "coffee.png")
    assert same.region is not None and same.region.kind == "subject"
    assert value(same, "identity_similarity") > 0.95
    assert same.readings["identity_similarity"].note == "no face in the source image: its middle is compared"


def test_a_face_that_leaves_lowers_the_mean_and_the_presence(folder: Path, good: Measurement) -> None:
    frames = shots()
    frames[8:] = [np.full_like(f, 90) for f in frames[8:]]
    reading = measured(folder, frames).readings["identity_similarity"]
    assert reading.details["presence"] == 0.5
    assert reading.value is not None and reading.value < 0.55
    assert (reading.worst_value, reading.worst_frame) == (0.0, 8)


def test_the_worst_frame_and_region_point_at_the_defect(folder: Path) -> None:
    frames = shots()
    frames[11] = frames[11].copy()
    frames[11][84:100, 124:140] = (0, 255, 0)
    reading = measured(folder, frames, baseline_clip=folder / "good.mp4").readings["ssim_to_baseline"]
    assert reading.worst_frame == 11
    assert reading.worst_region is not None
    x, y, width, height = reading.worst_region
    assert x <= 132 <= x + width and y <= 92 <= y + height
    assert reading.value is not None and reading.worst_value is not None
    assert reading.worst_value <= reading.details["p5"] < 1.0, "15 of 16 frames are untouched"
    assert 0.998 < reading.value < 1.0


def test_a_baseline_is_told_apart_as_the_command_tells_it(folder: Path) -> None:
    frames = [np.minimum(frame.astype(np.uint16) + 9, 255).astype(np.uint8) for frame in shots()]
    details = measured(folder, frames, baseline_clip=folder / "good.mp4").readings["ssim_to_baseline"].details
    told = compare(folder / "good.mp4", folder / "this.mp4")
    for name in ("ssim_gaussian", "mse", "mae"):
        assert details[name] == told.tracks[name].mean
    for name in ("psnr_y", "psnr_u", "psnr_v"):
        assert details[name] == told.pooled_psnr(name) < 60
    assert 8 < details["mae"] < 11, "nine levels brighter, where there is room"


def test_equal_clips_have_no_infinite_detail(good: Measurement) -> None:
    details = good.readings["ssim_to_baseline"].details
    assert details == {"p5": 1.0, "ssim_gaussian": 1.0, "mse": 0.0, "mae": 0.0}


def test_a_baseline_of_another_depth_is_compared_in_luma(folder: Path) -> None:
    lossless(folder / "deep.mkv", shots(), "yuv420p10le")
    reading = measured(folder, baseline_clip=folder / "deep.mkv").readings["ssim_to_baseline"]
    assert reading.value is not None and reading.value > 0.95
    assert "psnr_y" in reading.details and "psnr_u" not in reading.details


def test_one_flash_does_not_drown_in_a_long_clip(folder: Path, good: Measurement) -> None:
    reading = measured(folder, shots(gain=lambda frame: 0.7 if frame == 9 else 1.0)).readings["flicker"]
    assert reading.value is not None and reading.value > 0.015
    assert reading.worst_frame == 9


def test_the_handover_asks_for_the_frame_that_was_handed_over(folder: Path) -> None:
    last = last_frame(folder / "good.mp4")
    smooth = measured(folder, camera(last), previous_clip=folder / "good.mp4")
    jumped = measured(folder, shots(), previous_clip=folder / "good.mp4")
    assert value(smooth, "handover_ssim") > 0.9
    assert value(jumped, "handover_ssim") < 0.6


def test_what_is_not_there_is_named_as_the_reason(folder: Path) -> None:
    readings = measured(
        folder, source_image=None, absent=(("handover_ssim", "the clip before it was deleted"),)
    ).readings
    assert readings["identity_similarity"].not_measurable == "the character has no source image"
    assert readings["handover_ssim"].not_measurable == "the clip before it was deleted"
    assert readings["ssim_to_baseline"].not_measurable == "no baseline clip was named"
    flat = measured(folder, source_image=folder / "flat.png").readings["identity_similarity"]
    assert flat.not_measurable == "the source image shows neither a face nor a textured subject"


@pytest.mark.parametrize("spoil", ["truncated", "missing", "longer", "shorter", "size"])
def test_a_baseline_that_cannot_be_compared_gives_a_reason_and_spoils_nothing_else(spoil: str, folder: Path) -> None:
    path = folder / "baseline.mp4"
    path.unlink(missing_ok=True)
    match spoil:
        case "truncated":
            path.write_bytes((folder / "good.mp4").read_bytes()[:-2000])
        case "longer":
            clip(path, camera(photograph("astronaut"), frames=17))
        case "shorter":
            clip(path, camera(photograph("astronaut"), frames=12))
        case "size":
            clip(path, camera(photograph("astronaut"), size=(128, 128)))
    measurement = measured(folder, baseline_clip=path)
    says = {
        "truncated": "cannot be decoded",
        "missing": "does not exist",
        "longer": "more frames",
        "shorter": "has 12 frames",
        "size": "is 128x128",
    }
    reason = measurement.readings["ssim_to_baseline"].not_measurable
    assert reason is not None and says[spoil] in reason
    assert value(measurement, "sharpness") > 0.1


@pytest.mark.parametrize("data", [b"", b"not a video", None], ids=["empty", "text", "truncated"])
def test_a_clip_that_cannot_be_decoded_is_not_measurable_with_the_reason(data: bytes | None, folder: Path) -> None:
    path = folder / "bad.mp4"
    path.write_bytes((folder / "good.mp4").read_bytes()[:-3000] if data is None else data)
    measurement = measured(folder, clip=path)
    assert measurement.not_measurable is not None
    assert measurement.not_measurable.startswith("the clip cannot be decoded: ")
    assert measurement.readings["matches_request"].value == 0.0
    assert judge(measurement, default_gates()).verdict is Verdict.FAIL


def test_a_clip_of_one_frame_says_which_metrics_need_more(folder: Path) -> None:
    readings = measured(folder, shots(frames=1)).readings
    assert readings["motion"].not_measurable == "motion needs at least 2 frames"
    assert readings["flicker"].not_measurable == "flicker needs at least 3 frames"
    assert readings["frozen_frames"].not_measurable == "a single frame cannot freeze"
    assert readings["matches_request"].note == "frames 1 instead of 16"


def test_a_tiny_clip_is_too_small_to_measure(folder: Path) -> None:
    measurement = measured(folder, shots(size=(12, 12)))
    assert measurement.not_measurable == "frames of 12x12 are too small to measure; 16 pixels are needed"


def test_the_backend_says_plainly_that_it_is_no_identity() -> None:
    assert BACKEND.kind.is_identity is False
    assert "does not recognise a person" in BACKEND.kind.notice


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_a_source_image_that_is_none_gives_a_reason(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="source image cannot be read"):
        load_image(path)


def test_of_several_source_images_the_one_that_cannot_be_used_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"GIF89a")
    found = measured(folder, further_source_images=(folder / "source.png", tmp_path / "broken.png"))
    reason = found.readings["identity_similarity"].not_measurable
    assert reason == "number 3 of 3 source images: the source image cannot be read as PNG, JPEG or WebP"


def test_a_clip_that_is_noted_to_be_turned_is_measured_as_it_is_seen(folder: Path) -> None:
    """A phone's clip is stored lying, with a display matrix. Sizes and regions are those of the upright picture."""
    frames = shots(size=(192, 128))
    frames[5] = frames[5].copy()
    frames[5][100:116, 170:186] = 255
    lying = clip(folder / "lying.mp4", (np.ascontiguousarray(np.rot90(frame, 3)) for frame in frames))
    noted_as_turned(lying, folder / "turned.mp4")
    upright = clip(folder / "upright.mp4", iter(frames))
    expected = Expectation(width=192, height=128, frames=16, fps=16)
    seen = [measured(folder, clip=path, expected=expected) for path in (upright, folder / "turned.mp4")]
    assert value(seen[1], "matches_request") == 1.0
    assert seen[0].readings["clipping"].worst_region == seen[1].readings["clipping"].worst_region
    for metric in ("sharpness", "exposure", "identity_similarity", "motion"):
        assert value(seen[1], metric) == pytest.approx(value(seen[0], metric), rel=0.05), metric


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv444p", "bgr0", "gray"])
def test_depth_and_planes_of_the_same_pictures_hardly_move_a_number(pix_fmt: str, folder: Path) -> None:
    frames = shots(size=(161, 121))
    expected = Expectation(width=161, height=121, frames=16, fps=16)
    usual = measured(folder, clip=lossless(folder / "usual.mkv", frames, "yuv420p"), expected=expected)
    other = measured(folder, clip=lossless(folder / "other.mkv", frames, pix_fmt), expected=expected)
    assert value(other, "matches_request") == 1.0
    for metric in ("sharpness", "exposure", "motion"):
        assert value(other, metric) == pytest.approx(value(usual, metric), rel=0.02), metric
