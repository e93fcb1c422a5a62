"""A stand-in for the package insightface, 2.1 in shape: what of it our back-end touches, and how it fails.

Its models are files with a word in them; its faces are magenta rectangles. tests/unit/scoring/test_insightface_pack.py
holds it against the real package where that is installed and a pack is named.
"""

import types
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCRFD, YUNET, ARCFACE = "scrfd", "yunet", "arcface"
MAGENTA = (255, 0, 255)


class Session:
    def __init__(self, **options: Any) -> None:
        self.options = options
        self.providers = [each if isinstance(each, str) else each[0] for each in options["providers"]]

    def get_providers(self) -> list[str]:
        return self.providers

    def set_providers(self, providers: list[str]) -> None:
        self.providers = providers

    def get_session_options(self) -> Any:
        return self.options["sess_options"]


class Detector:
    """As SCRFD: at a fine size it misses what fills the picture, at a coarse one its boxes are rough."""

    taskname = "detection"
    static_input_size = None

    def __init__(self, session: Session, *, use_kps: bool) -> None:
        self.session = session
        self.use_kps = use_kps

    def detect(
        self, img: NDArray[np.uint8], input_size: tuple[int, int], max_num: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rows, columns = np.nonzero((img == MAGENTA).all(axis=2))
        if not len(rows):
            return np.empty((0, 5), np.float32), np.empty((0, 5, 2), np.float32)
        box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float64)
        filled = max((box[2] - box[0]) / img.shape[1], (box[3] - box[1]) / img.shape[0])
        if input_size[0] >= 640 and filled > 0.5:
            return np.empty((0, 5), np.float32), np.empty((0, 5, 2), np.float32)
        rough = max(img.shape[:2]) / 64 if input_size[0] < 640 else 0.0
        found = np.array([[*(box + rough), 0.9]], np.float32)
        return found, np.zeros((1, 5, 2), np.float32) + found[0, :2]


class Recogniser:
    taskname = "recognition"

    def __init__(self, session: Session) -> None:
        self.session = session

    def get(self, img: NDArray[np.uint8], face: "Face") -> None:
        face.embedding = np.array([10.0, 1.0, *(np.asarray(face.kps)[0] % 1.0)])


class Face(dict[str, Any]):
    def __init__(self, **given: Any) -> None:
        super().__init__(given)
        self.embedding: NDArray[np.float64] | None = None

    def __getattr__(self, name: str) -> Any:
        return self.get(name)

    @property
    def normed_embedding(self) -> NDArray[np.float64] | None:
        return None if self.embedding is None else self.embedding / np.linalg.norm(self.embedding)


class Damaged(Exception):
    """onnxruntime's own are plain Exceptions too."""


class FaceAnalysis:
    def __init__(self, name: str, root: str = "~/.insightface", allowed_modules: Any = None, **options: Any) -> None:
        print("find model:", name)
        direct = Path(name)
        folder = direct if direct.is_dir() else Path(root).expanduser() / "models" / name
        assert folder.is_dir(), "the real one downloads here"
        self.models: dict[str, Any] = {}
        for file in sorted(folder.glob("*.onnx")):
            model = _model(file, Session(**options))
            if allowed_modules is None or model.taskname in allowed_modules:
                self.models.setdefault(model.taskname, model)
        assert "detection" in self.models
        self.det_model = self.models["detection"]

    def prepare(self, ctx_id: int, det_size: tuple[int, int]) -> None:
        for model in self.models.values():
            if ctx_id < 0:
                model.session.set_providers(["CPUExecutionProvider"])


def _model(file: Path, session: Session) -> Detector | Recogniser:
    match file.read_text().strip():
        case "scrfd":
            return Detector(session, use_kps=True)
        case "yunet":
            return Detector(session, use_kps=False)
        case "arcface":
            return Recogniser(session)
        case other:
            raise Damaged(f"Load model from {file} failed: {other}")


def module(version: str = "2.1") -> types.ModuleType:
    """What `import insightface` gives."""
    package: Any = types.ModuleType("insightface")
    package.__version__ = version
    package.app = types.SimpleNamespace(FaceAnalysis=FaceAnalysis, common=types.SimpleNamespace(Face=Face))
    return package  # type: ignore[no-any-return]
