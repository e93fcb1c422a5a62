"""A model pack of insightface, where that package and a pack are installed; neither comes with this project.

insightface downloads a pack that it does not find, and prefers a folder of the pack's name in the working directory to
the one it is told of. So the pack is looked for, and its hash compared, before it is asked, and it is given the path.
"""

import hashlib
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from services.scoring.adapters.faces import MOST_FACES, FaceTracker, Seen
from services.scoring.adapters.onnx import (
    BackendUnavailable,
    onnxruntime_module,
    session_options,
    wanted_providers,
)
from services.scoring.domain import INSIGHTFACE, Device, SourceRegion
from services.scoring.kernels.faces import Box, shared_area
from services.scoring.kernels.luma import Rgb

FINE, COARSE = (640, 640), (128, 128)
"""The squares that a picture is fitted into to look for faces. At 640 SCRFD finds no face that fills more than about
half of the picture; at 128 it does, with landmarks that are a few pixels off: embeddings of the same face are then only
0.92 alike where they were 0.98 (astronaut, SCRFD 500M). Both are asked; what the fine look found is preferred."""

SAME_FACE = 0.4
"""Overlap (intersection over union) from which insightface itself takes two boxes for one face."""

OLDEST = 2
"""Major version of insightface that this was tried with, and from which packs may have a manifest."""

MODELS = ("detection", "recognition")


class InsightfaceBackend:
    """Cosine between the pack's embeddings; negative ones count as 0."""

    kind = INSIGHTFACE

    def __init__(self, models: Path, *, pack: str, sha256: str, device: Device = Device.CPU) -> None:
        """The pack's files lie in `models`/models/`pack`, where insightface puts them. Raises BackendUnavailable."""
        if not pack or not all(part.isalnum() for part in pack.split("_")):
            raise BackendUnavailable("name the model pack: set SCORING_FACE_PACK, for example buffalo_l")
        folder = (models / "models" / pack).resolve()
        found = pack_digest(folder)
        if found != sha256:
            raise BackendUnavailable(
                f"the pack {pack} has the SHA-256 {found}; set SCORING_FACE_PACK_SHA256 to it if you trust these files"
            )
        library = _library()
        self.version = f"{pack}-{found[:8]}-{library.__version__}"
        self._analysis = _analysis(library, folder, device)
        self._face = library.app.common.Face

    @property
    def providers(self) -> Mapping[str, list[str]]:
        return {name: model.session.get_providers() for name, model in self._analysis.models.items()}

    def tracker(self, source: Rgb, *, known: SourceRegion | None = None) -> FaceTracker:
        return FaceTracker(source=source, look=self.seen)

    def seen(self, rgb: Rgb) -> list[Seen]:
        picture = np.ascontiguousarray(rgb[..., ::-1])
        found = self._detected(picture, FINE)
        if self._analysis.det_model.static_input_size is None:
            found += [
                face
                for face in self._detected(picture, COARSE)
                if all(shared_area(one=_box(face.bbox), two=_box(other.bbox)) < SAME_FACE for other in found)
            ]
        for face in found:
            self._analysis.models["recognition"].get(picture, face)
        return [Seen(box=_box(face.bbox), vector=np.asarray(face.normed_embedding, np.float64)) for face in found]

    def _detected(self, picture: Rgb, size: tuple[int, int]) -> list[Any]:
        boxes, landmarks = self._analysis.det_model.detect(picture, input_size=size, max_num=MOST_FACES)
        return [self._face(bbox=box[:4], kps=points) for box, points in zip(boxes, landmarks, strict=True)]


def _box(corners: Any) -> Box:
    left, top, right, bottom = (float(each) for each in corners)
    return left, top, right - left, bottom - top


def pack_digest(folder: Path) -> str:
    """SHA-256 over the paths and hashes of all the pack's files: a manifest says which model is used, and how.

    Raises BackendUnavailable if there is no model among them.
    """
    files = sorted(each for each in folder.rglob("*") if each.is_file())
    if not any(each.suffix == ".onnx" for each in files):
        raise BackendUnavailable(f"there is no model pack {folder.name} in the folder of face models")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def _library() -> Any:
    onnxruntime_module()
    try:
        import insightface
    except ImportError as error:
        raise BackendUnavailable(
            "insightface is not installed; it is no part of this project: install it with its own licence in mind"
        ) from error
    if int(insightface.__version__.split(".")[0]) < OLDEST:
        raise BackendUnavailable(f"insightface {insightface.__version__} is too old: install version {OLDEST} or newer")
    return insightface


def _analysis(library: Any, folder: Path, device: Device) -> Any:
    """`ctx_id` below 0 would move its sessions to the processor, whatever they were given.

    What insightface raises for files that it cannot use has no common type, and no text where it asserts.
    """
    try:
        with redirect_stdout(sys.stderr):  # it prints what it finds, where our output is JSON
            analysis = library.app.FaceAnalysis(
                name=str(folder),
                allowed_modules=list(MODELS),
                providers=wanted_providers(device),
                sess_options=session_options(),
            )
            analysis.prepare(ctx_id=0 if device is Device.CUDA else -1, det_size=FINE)
    except AssertionError as error:
        raise BackendUnavailable(_lacks(folder, "detector")) from error
    except Exception as error:
        raise BackendUnavailable(f"insightface cannot load the pack {folder.name}: {error}") from error
    if not analysis.det_model.use_kps:
        raise BackendUnavailable(_lacks(folder, "detector"))
    if set(analysis.models) != set(MODELS):
        raise BackendUnavailable(_lacks(folder, "recogniser"))
    return analysis


def _lacks(folder: Path, model: str) -> str:
    wanted = {"detector": "SCRFD, with landmarks", "recogniser": "in the manner of ArcFace"}[model]
    return (
        f"the pack {folder.name} has no {model} that insightface can use ({wanted}); a detector like YuNet and a "
        "recogniser go with SCORING_IDENTITY_BACKEND=onnx-pair"
    )
