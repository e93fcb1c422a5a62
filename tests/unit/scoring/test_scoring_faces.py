"""The pair of ONNX files: geometry against independent code, faces of real photographs where the models are here."""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
from skimage.transform import SimilarityTransform

from services.scoring.adapters.backends import BackendUnavailable, identity_backend, identity_status
from services.scoring.adapters.faces import DETECTOR, OnnxPairBackend, verified
from services.scoring.adapters.identity import Sighting
from services.scoring.adapters.onnx import fallback, wanted_providers
from services.scoring.domain import (
    BackendChoice,
    Device,
    Measurement,
    Reading,
    SourceRegion,
    Verdict,
    default_gates,
    judge,
)
from services.scoring.kernels.faces import (
    ALIGNED,
    TEMPLATE,
    aligned,
    decoded,
    detector_input,
    embedding,
    similarity_transform,
)
from services.scoring.workers.meters import IdentityMeter, view
from shared.video.planes import iter_stored
from tests.support.clips import ASTRONAUT_FACE, photograph
from tests.support.models import face_models

REPOSITORY = Path(__file__).resolve().parents[3]
MODELS = face_models()
RECORDED = [0.1236, -0.1196, -0.1220, 0.0123, 0.0419, 0.1326, -0.0990, -0.1430]
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
needs_models = pytest.mark.skipif(
    MODELS is None, reason="no face models: set RUSHES_FACE_MODELS, or put them in ../shared/models"
)


@pytest.fixture(scope="module")
def pair() -> OnnxPairBackend:
    assert MODELS is not None
    return OnnxPairBackend(MODELS)


class TestGeometry:
    @pytest.mark.parametrize("seed", range(5))
    def test_the_transform_is_the_one_scikit_image_estimates(self, seed: int) -> None:
        points = TEMPLATE * 2.3 + np.random.default_rng(seed).normal(0, 8, TEMPLATE.shape)
        wanted = SimilarityTransform.from_estimate(points, TEMPLATE)
        assert np.allclose(similarity_transform(source=points, target=TEMPLATE), wanted.params[:2], atol=1e-9)

    def test_a_turned_scaled_and_shifted_template_is_brought_back_without_a_mirror(self) -> None:
        turn = np.deg2rad(37)
        matrix = 1.7 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        there = TEMPLATE @ matrix.T + (50, -20)
        back = similarity_transform(source=there, target=TEMPLATE)
        assert np.allclose(there @ back[:, :2].T + back[:, 2], TEMPLATE)
        mirrored = similarity_transform(source=TEMPLATE * (-1, 1), target=TEMPLATE)
        assert np.linalg.det(mirrored[:, :2]) > 0

    def test_one_point_five_times_is_no_face(self) -> None:
        with pytest.raises(ValueError, match="one point"):
            similarity_transform(source=np.ones((5, 2)), target=TEMPLATE)

    def test_landmarks_on_the_template_leave_the_picture_as_it_is(self) -> None:
        picture = photograph("astronaut")[:ALIGNED, :ALIGNED]
        assert np.abs(aligned(rgb=picture, landmarks=TEMPLATE).astype(int) - picture).max() <= 1

    def test_an_embedding_has_length_one_and_averages_the_mirror(self) -> None:
        assert np.allclose(embedding(rows=np.array([[3.0, 0.0], [0.0, 3.0]])), [0.5**0.5, 0.5**0.5])

    def test_the_detectors_input_is_a_multiple_of_its_stride_and_bgr(self) -> None:
        picture = np.zeros((50, 1000, 3), np.uint8)
        picture[..., 0] = 200
        batch, scale = detector_input(rgb=picture)
        assert batch.shape == (1, 3, 32, 640)
        assert scale == 0.64
        assert (batch[0, 2, :32, :640] == 200).all() and (batch[0, 0] == 0).all()


class TestDecoding:
    """One anchor is set by hand; where it must come out follows from the format."""

    def outputs(self, *cells: tuple[int, int, int, float]) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        for stride in (8, 16, 32):
            count = (128 // stride) * (64 // stride)
            for name, size in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
                found[f"{name}_{stride}"] = np.zeros((1, count, size), np.float32)
        for stride, column, row, score in cells:
            anchor = row * (128 // stride) + column
            found[f"cls_{stride}"][0, anchor] = found[f"obj_{stride}"][0, anchor] = score
            found[f"bbox_{stride}"][0, anchor] = (0.5, 0.25, np.log(2.0), np.log(4.0))
            found[f"kps_{stride}"][0, anchor] = np.arange(10) / 10
        return found

    @pytest.mark.parametrize("stride", [8, 16, 32])
    def test_box_and_landmarks_of_every_stride(self, stride: int) -> None:
        (face,) = decoded(outputs=self.outputs((stride, 2, 1, 0.9)), width=128, height=64, threshold=0.6)
        assert face.score == pytest.approx(0.9)
        assert face.box == pytest.approx((1.5 * stride, -0.75 * stride, 2 * stride, 4 * stride))
        assert face.landmarks[0] == pytest.approx((2 * stride, 1.1 * stride))
        assert face.landmarks[4] == pytest.approx((2.8 * stride, 1.9 * stride))

    def test_of_overlapping_boxes_the_best_stays(self) -> None:
        outputs = self.outputs((8, 2, 1, 0.7), (8, 3, 1, 0.9), (8, 12, 4, 0.8), (16, 0, 0, 0.5))
        found = decoded(outputs=outputs, width=128, height=64, threshold=0.6)
        assert [face.score for face in found] == pytest.approx([0.9, 0.8])


@needs_models
class TestFaces:
    def test_the_face_is_where_opencvs_own_decoder_finds_it(self, pair: OnnxPairBackend) -> None:
        """Reference: cv2.FaceDetectorYN on the same file and picture; it prepares its input itself."""
        assert MODELS is not None
        picture = photograph("astronaut")
        detector = cv2.FaceDetectorYN.create(str(MODELS / DETECTOR[0]), "", picture.shape[1::-1], 0.6, 0.3)
        _, wanted = detector.detect(np.ascontiguousarray(picture[..., ::-1]))
        found = pair.detected(picture)
        assert len(found) == len(wanted)
        assert found[0].box == pytest.approx(tuple(float(v) for v in wanted[0][:4]), abs=0.5)
        assert found[0].landmarks.ravel() == pytest.approx(wanted[0][4:14], abs=0.5)
        assert found[0].score == pytest.approx(float(wanted[0][14]), abs=1e-3)

    def test_the_same_face_darker_turned_and_smaller_is_the_same(self, pair: OnnxPairBackend) -> None:
        picture = photograph("astronaut")
        tracker = pair.tracker(picture)
        assert tracker.region.kind == "face"
        same = tracker.observe(picture)
        assert same is not None and same.similarity == pytest.approx(1.0, abs=1e-6)
        turn = cv2.getRotationMatrix2D(ASTRONAUT_FACE, 15, 0.6)
        changed = (cv2.warpAffine(picture, turn, (512, 512)) * 0.7).astype(np.uint8)
        seen = tracker.observe(changed)
        assert seen is not None and seen.similarity > 0.49

    def test_a_cat_and_a_cup_have_no_face(self, pair: OnnxPairBackend) -> None:
        tracker = pair.tracker(photograph("astronaut"))
        assert tracker.observe(photograph("coffee")) is None
        with pytest.raises(ValueError, match="no face"):
            pair.tracker(photograph("coffee"))

    def test_providers_are_those_of_the_sessions(self, pair: OnnxPairBackend) -> None:
        assert pair.providers == {"detector": ["CPUExecutionProvider"], "recogniser": ["CPUExecutionProvider"]}
        status = identity_status(BackendChoice(name="onnx-pair", models=str(MODELS)))
        assert status.usable and not status.problem
        assert status.providers == pair.providers

    def test_cuda_that_is_asked_for_and_not_there_is_told_and_faces_are_still_compared(self) -> None:
        """With this machine's onnxruntime for processors; the numbers must not depend on where they are computed."""
        choice = BackendChoice(name="onnx-pair", models=str(MODELS), device=Device.CUDA)
        status = identity_status(choice)
        assert status.usable
        assert status.providers == {"detector": [CPU], "recogniser": [CPU]}
        assert "the session of the detector and the recogniser runs on CPUExecutionProvider" in status.problem
        tracker = identity_backend(choice).tracker(photograph("astronaut"))
        assert tracker.observe(photograph("astronaut")) is not None


class TestAlignment:
    """An embedding is only as good as the place of the landmarks in the face that it was trained on."""

    def test_the_template_is_arcfaces_published_one(self) -> None:
        """insightface, python-package/insightface/utils/face_align.py: `arcface_src` (later `arcface_dst`)."""
        published = [
            [38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041],
        ]  # fmt: skip
        assert TEMPLATE.tolist() == published

    @needs_models
    def test_a_face_that_is_aligned_one_per_cent_off_has_another_embedding(
        self, pair: OnnxPairBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The embedding notices 1 % of scale or one pixel of shift, and loses more the further off it is: what was
        recorded for these files holds only for this alignment."""
        picture = photograph("astronaut")
        (face,) = pair.detected(picture)
        straight = pair.vector(picture, face)

        def likeness(template: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> float:
            monkeypatch.setattr("services.scoring.kernels.faces.TEMPLATE", template)
            return float(straight @ pair.vector(picture, face))

        def scaled(by: float) -> float:
            return likeness((TEMPLATE - TEMPLATE.mean(axis=0)) * by + TEMPLATE.mean(axis=0))

        assert likeness(TEMPLATE) == pytest.approx(1.0, abs=1e-6)
        assert scaled(1.01) < 0.9995 and scaled(0.99) < 0.9995
        assert likeness(TEMPLATE + np.array([1.0, 0.0])) < 0.9995
        assert scaled(1.3) < scaled(1.15) < scaled(1.05) < scaled(1.01)

    @needs_models
    def test_the_embedding_of_a_known_face_is_the_recorded_one(self, pair: OnnxPairBackend) -> None:
        """Eight of 128 numbers, recorded with onnxruntime 1.31.1 on a processor by
        `pair.vector(picture, pair.detected(picture)[0])[::16]`."""
        picture = photograph("astronaut")
        found = pair.vector(picture, pair.detected(picture)[0])[::16]
        assert found == pytest.approx(RECORDED, abs=2e-3)


class TestDevices:
    def test_cuda_is_asked_for_first_without_tf32_and_only_where_it_is_there(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Played: this machine's onnxruntime is told that it has CUDA."""
        monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("Failed to load libcudart"))
        assert wanted_providers(Device.CUDA) == wanted_providers(Device.CPU) == [CPU]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
        assert wanted_providers(Device.CPU) == [CPU]
        assert wanted_providers(Device.CUDA) == [(CUDA, {"use_tf32": "0"}), CPU]
        printed = capsys.readouterr()
        assert (printed.out, printed.err) == ("", "Failed to load libcudart\n")

    def test_each_session_must_run_where_it_was_asked_to(self) -> None:
        both = {"detector": [CUDA, CPU], "recogniser": [CUDA, CPU]}
        assert fallback(both, Device.CUDA) is None
        assert fallback({"detector": [CPU]}, Device.CPU) is None
        one = fallback({**both, "recogniser": [CPU]}, Device.CUDA)
        assert one is not None and "the session of the recogniser runs on CPUExecutionProvider" in one
        assert "onnxruntime-gpu without onnxruntime" in one

    def test_onnxruntime_does_not_report_to_its_maker(self, tmp_path: Path) -> None:
        """Its published wheels do: they give the machine a number and keep it, and what they will send, in the home.

        Not where a variable such as CI, GITHUB_ACTIONS or ORT_DISABLE_TELEMETRY is set: nothing is inherited here.
        """

        def left_behind(program: str) -> list[str]:
            home = Path(tempfile.mkdtemp(dir=tmp_path))
            command = [sys.executable, "-c", f"{program}.get_available_providers()"]
            subprocess.run(command, check=True, env={"HOME": str(home)}, timeout=120, cwd=REPOSITORY)
            return sorted(each.name for each in home.rglob("*") if each.is_file())

        assert "deviceid" in left_behind("import onnxruntime; onnxruntime"), "or it no longer reports: remove SILENT"
        assert left_behind("from services.scoring.adapters.onnx import onnxruntime_module as o; o()") == []

    def test_a_back_end_without_models_cannot_run_on_cuda(self) -> None:
        assert "no model" in identity_status(BackendChoice(device=Device.CUDA)).problem
        assert identity_status(BackendChoice()).problem == ""


class TestFiles:
    def test_a_file_with_other_bytes_is_refused_with_its_hash(self, tmp_path: Path) -> None:
        (tmp_path / "model.onnx").write_bytes(b"other")
        with pytest.raises(BackendUnavailable, match=hashlib.sha256(b"other").hexdigest()):
            verified(tmp_path, "model.onnx", "0" * 64)
        assert verified(tmp_path, "model.onnx", hashlib.sha256(b"other").hexdigest()).name == "model.onnx"

    def test_what_is_missing_is_said_and_nothing_else_is_used(self, tmp_path: Path) -> None:
        with pytest.raises(BackendUnavailable, match=r"yunet_n_dynamic\.onnx cannot be read"):
            identity_backend(BackendChoice(name="onnx-pair", models=str(tmp_path)))
        with pytest.raises(BackendUnavailable, match="RUSHES_FACE_MODELS"):
            identity_backend(BackendChoice(name="onnx-pair", models=None))
        with pytest.raises(BackendUnavailable, match="no identity back-end 'magic'"):
            identity_backend(BackendChoice(name="magic", models=str(tmp_path)))
        assert not identity_status(BackendChoice(name="onnx-pair", models=str(tmp_path))).usable


class TestPresenceAndDrift:
    class Played:
        """Sees what it is told, frame by frame."""

        region = SourceRegion(kind="face", box=(0.0, 0.0, 1.0, 1.0))

        def __init__(self, *similarities: float | None) -> None:
            self._similarities = iter(similarities)

        def observe(self, rgb: np.ndarray) -> Sighting | None:
            found = next(self._similarities)
            return None if found is None else Sighting(similarity=found, region=(0, 0, 8, 8))

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def reading(self, *trackers: "TestPresenceAndDrift.Played", frames: int) -> Reading:
        meter = IdentityMeter(tracker=trackers[0], further=trackers[1:])
        for index in range(frames):
            cv2.imwrite(str(self.folder / f"{index}.png"), np.zeros((32, 32, 3), np.uint8))
        for frame in iter_stored(self.folder):
            meter.feed(view(frame))
        (reading,) = meter.readings()
        return reading

    def test_a_face_that_is_away_counts_in_the_mean_and_not_in_the_drift(self) -> None:
        reading = self.reading(self.Played(0.9, 0.8, None, None, 0.7, 0.6, 0.5, 0.4), frames=8)
        assert reading.value == pytest.approx(3.9 / 8)
        assert reading.details["presence"] == 0.75
        assert reading.details["mean_present"] == pytest.approx(3.9 / 6)
        assert reading.details["drift"] == pytest.approx(0.45 - 0.85)
        assert (reading.worst_frame, reading.worst_value) == (2, 0.0)

    def test_each_frame_counts_with_the_likest_of_several_references(self) -> None:
        reading = self.reading(self.Played(0.9, None, 0.2), self.Played(0.1, 0.6, None), frames=3)
        assert reading.value == pytest.approx((0.9 + 0.6 + 0.2) / 3)
        assert reading.details["presence"] == 1.0
        assert reading.details["drift"] == pytest.approx(0.2 - 0.9)

    def test_a_face_that_never_comes_is_as_bad_as_can_be(self) -> None:
        """It must not pass where a face seen once would fail."""
        reading = self.reading(self.Played(None, None, None), frames=3)
        assert (reading.value, dict(reading.details)) == (0.0, {"presence": 0.0})
        assert reading.note == "the character's region is in none of the frames"
        assert judge(Measurement(readings={"identity_similarity": reading}), default_gates()).verdict is Verdict.FAIL

    def test_too_few_frames_have_no_drift(self) -> None:
        assert self.reading(self.Played(0.9, 0.1), frames=2).details["drift"] == 0.0
