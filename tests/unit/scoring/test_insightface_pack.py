"""Packs of insightface: on a stand-in of the package, and on the package itself where it and a pack are here.

The second needs `insightface` installed, and RUSHES_FACE_MODELS and SCORING_FACE_PACK that name a pack.
"""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

from services.scoring.adapters.backends import BackendUnavailable, identity_backend, identity_status
from services.scoring.adapters.insightface_pack import InsightfaceBackend, pack_digest
from services.scoring.domain import BackendChoice, Device
from services.scoring.kernels.luma import Rgb
from tests.support import insightface
from tests.support.clips import ASTRONAUT_FACE, photograph

CPU = "CPUExecutionProvider"
NAMED = [os.environ.get(name, "") for name in ("RUSHES_FACE_MODELS", "SCORING_FACE_PACK")]


@dataclass(frozen=True, kw_only=True)
class Material:
    """A detector, a recogniser, a file that is neither, and a picture with a face: in a part of it, and filling it."""

    detector: bytes
    recogniser: bytes
    yunet: bytes | None
    damaged: bytes
    whole: Rgb
    close: Rgb


def painted() -> Material:
    whole = np.zeros((512, 512, 3), np.uint8)
    whole[100:220, 180:280] = insightface.MAGENTA
    return Material(
        detector=insightface.SCRFD.encode(),
        recogniser=insightface.ARCFACE.encode(),
        yunet=insightface.YUNET.encode(),
        damaged=b"nonsense",
        whole=whole,
        close=np.ascontiguousarray(whole[90:230, 170:290]),
    )


PACK = Path(NAMED[0]) / "models" / NAMED[1]
IS_HERE = importlib.util.find_spec("insightface") is not None and all(NAMED) and PACK.is_dir()


def real() -> Material:
    by_outputs = {
        len(onnxruntime.InferenceSession(str(file)).get_outputs()) >= 5: file.read_bytes()
        for file in sorted(PACK.glob("*.onnx"))
    }
    x, y = (round(each) for each in ASTRONAUT_FACE)
    whole = photograph("astronaut")
    close = whole[y - 65 : y + 75, x - 60 : x + 60]
    return Material(
        detector=by_outputs[True],
        recogniser=by_outputs[False],
        yunet=None,
        damaged=by_outputs[True][:1000],
        whole=whole,
        close=np.ascontiguousarray(cv2.resize(close, None, fx=3, fy=3)),
    )


@pytest.fixture(params=[painted, real] if IS_HERE else [painted])
def material(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Material:
    make: Callable[[], Material] = request.param
    made = make()
    if make is painted:
        monkeypatch.setitem(sys.modules, "insightface", insightface.module())
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "models" / "trial_s").mkdir(parents=True)
    yield tmp_path


def choice(folder: Path, *, sha256: str | None = None, device: Device = Device.CPU) -> BackendChoice:
    digest = pack_digest(folder / "models" / "trial_s") if sha256 is None else sha256
    return BackendChoice(name="insightface", models=str(folder), pack="trial_s", pack_sha256=digest, device=device)


def put(folder: Path, **files: bytes) -> BackendChoice:
    for name, content in files.items():
        (folder / "models" / "trial_s" / f"{name}.onnx").write_bytes(content)
    return choice(folder)


def backend(folder: Path, material: Material) -> InsightfaceBackend:
    made = identity_backend(put(folder, det=material.detector, rec=material.recogniser))
    assert isinstance(made, InsightfaceBackend)
    return made


class TestPack:
    def test_faces_are_found_small_and_filling_the_picture_and_are_the_same(
        self, folder: Path, material: Material
    ) -> None:
        tracker = backend(folder, material).tracker(material.whole)
        for picture in (material.whole, material.close):
            sighting = tracker.observe(picture)
            assert sighting is not None and sighting.similarity > 0.8
        assert tracker.observe(np.zeros((300, 200, 3), np.uint8)) is None

    def test_what_the_fine_look_finds_is_not_found_again_roughly(self, folder: Path, material: Material) -> None:
        found = backend(folder, material)
        (face,) = found.seen(material.whole)
        (fine,) = found._detected(np.ascontiguousarray(material.whole[..., ::-1]), (640, 640))
        left, top, right, bottom = fine.bbox
        assert face.box == pytest.approx((left, top, right - left, bottom - top))
        assert np.linalg.norm(face.vector) == pytest.approx(1.0)

    def test_it_says_what_it_is_and_prints_nothing_into_our_json(
        self, folder: Path, material: Material, capsys: pytest.CaptureFixture[str]
    ) -> None:
        found = backend(folder, material)
        assert capsys.readouterr().out == ""
        name, digest, version = found.version.split("-")
        assert name == "trial_s" and pack_digest(folder / "models" / "trial_s").startswith(digest)
        assert version == sys.modules["insightface"].__version__
        assert found.providers == {"detection": [CPU], "recognition": [CPU]}
        assert "non-commercial research" in found.kind.notice

    def test_a_session_has_one_thread_as_there_are_as_many_processes_as_cores(
        self, folder: Path, material: Material
    ) -> None:
        for model in backend(folder, material)._analysis.models.values():
            assert model.session.get_session_options().intra_op_num_threads == 1

    def test_a_folder_of_that_name_where_we_happen_to_be_is_not_the_pack(
        self, folder: Path, material: Material, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """insightface prefers it: other files than those whose hash was compared."""
        elsewhere = folder / "elsewhere"
        (elsewhere / "trial_s").mkdir(parents=True)
        (elsewhere / "trial_s" / "det.onnx").write_bytes(material.damaged)
        monkeypatch.chdir(elsewhere)
        assert backend(folder, material).seen(material.whole)

    def test_a_pack_without_one_of_the_two_models_is_refused_in_words(self, folder: Path, material: Material) -> None:
        status = identity_status(put(folder, det=material.detector))
        assert not status.usable and "the pack trial_s has no recogniser" in status.problem
        (folder / "models" / "trial_s" / "det.onnx").unlink()
        status = identity_status(put(folder, rec=material.recogniser))
        assert not status.usable and "the pack trial_s has no detector" in status.problem
        if material.yunet is not None:
            problem = identity_status(put(folder, det=material.yunet)).problem
            assert "no detector that insightface can use (SCRFD, with landmarks)" in problem
            assert "SCORING_IDENTITY_BACKEND=onnx-pair" in problem

    def test_a_damaged_file_is_refused_in_words(self, folder: Path, material: Material) -> None:
        problem = identity_status(put(folder, det=material.damaged, rec=material.recogniser)).problem
        assert problem.startswith("insightface cannot load the pack trial_s: ") and "det.onnx" in problem

    def test_a_device_that_no_session_got_is_a_problem(self, folder: Path, material: Material) -> None:
        """This machine's onnxruntime is the one for processors."""
        put(folder, det=material.detector, rec=material.recogniser)
        status = identity_status(choice(folder, device=Device.CUDA))
        assert status.usable and "the session of the detection and the recognition runs on CPU" in status.problem


class TestTrust:
    @pytest.fixture(autouse=True)
    def _standin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "insightface", insightface.module())

    def test_a_pack_that_is_not_there_or_not_trusted_is_never_fetched(self, tmp_path: Path, folder: Path) -> None:
        with pytest.raises(BackendUnavailable, match="no model pack trial_s"):
            identity_backend(choice(folder, sha256=""))
        digest = put(folder, det=b"scrfd").pack_sha256
        with pytest.raises(BackendUnavailable, match=digest):
            identity_backend(choice(folder, sha256="0" * 64))
        for name in ("../elsewhere", "", "a/b"):
            with pytest.raises(BackendUnavailable, match="SCORING_FACE_PACK"):
                identity_backend(BackendChoice(name="insightface", models=str(tmp_path), pack=name))

    def test_the_hash_is_of_every_file_also_in_folders_and_of_their_names(self, folder: Path) -> None:
        """Since 2.0 a pack may have a manifest that names its models and how pictures are prepared for them."""
        pack = folder / "models" / "trial_s"
        seen = {put(folder, det=b"scrfd").pack_sha256}
        (pack / "manifest.json").write_text('{"manifest_version": 2}')
        seen.add(pack_digest(pack))
        (pack / "recognition").mkdir()
        shutil.move(pack / "det.onnx", pack / "recognition" / "det.onnx")
        seen.add(pack_digest(pack))
        (pack / "manifest.json").write_text('{"manifest_version": 3}')
        seen.add(pack_digest(pack))
        assert len(seen) == 4

    def test_without_the_package_it_is_said(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "insightface", None)
        with pytest.raises(BackendUnavailable, match="insightface is not installed"):
            identity_backend(put(folder, det=b"scrfd"))

    def test_an_older_package_is_refused_by_its_version(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "insightface", insightface.module("0.7.3"))
        with pytest.raises(BackendUnavailable, match=r"insightface 0\.7\.3 is too old"):
            identity_backend(put(folder, det=b"scrfd"))

    def test_only_where_cuda_was_asked_for_are_sessions_left_where_they_are(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Played: this machine's onnxruntime is told that it has CUDA."""
        cuda = "CUDAExecutionProvider"
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [cuda, CPU])
        monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
        put(folder, det=b"scrfd", rec=b"arcface")
        for device, running in ((Device.CUDA, [cuda, CPU]), (Device.CPU, [CPU])):
            found = identity_status(choice(folder, device=device))
            assert found.providers == {"detection": running, "recognition": running}
            assert found.problem == ""
