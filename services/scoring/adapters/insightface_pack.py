"""A model pack of insightface, where that package and a pack are installed; neither comes with this project.

insightface downloads a pack that it does not find, so the pack is looked for, and its hash compared, before it is
asked.
"""

import hashlib
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from services.scoring.adapters.faces import FaceTracker, Seen
from services.scoring.adapters.onnx import BackendUnavailable, wanted_providers
from services.scoring.domain import INSIGHTFACE, Device, SourceRegion
from services.scoring.kernels.luma import Rgb

DETECTION_SIZE = (640, 640)


class InsightfaceBackend:
    """Cosine between the pack's embeddings; negative ones count as 0."""

    kind = INSIGHTFACE

    def __init__(self, models: Path, *, pack: str, sha256: str, device: Device = Device.CPU) -> None:
        """The pack's files lie in `models`/models/`pack`, where insightface looks for them."""
        if not pack or not all(part.isalnum() for part in pack.split("_")):
            raise BackendUnavailable("name the model pack: set SCORING_FACE_PACK, for example buffalo_l")
        found = pack_digest(models / "models" / pack)
        if found != sha256:
            raise BackendUnavailable(
                f"the pack {pack} has the SHA-256 {found}; set SCORING_FACE_PACK_SHA256 to it if you trust these files"
            )
        self.version = f"{pack}-{found[:8]}"
        self._analysis = _analysis(models, pack, device)

    @property
    def providers(self) -> Mapping[str, list[str]]:
        return {name: model.session.get_providers() for name, model in self._analysis.models.items()}

    def tracker(self, source: Rgb, *, known: SourceRegion | None = None) -> FaceTracker:
        return FaceTracker(source=source, look=self.seen)

    def seen(self, rgb: Rgb) -> list[Seen]:
        return [
            Seen(box=_box(face.bbox), vector=np.asarray(face.normed_embedding, np.float64))
            for face in self._analysis.get(np.ascontiguousarray(rgb[..., ::-1]))
        ]


def _box(corners: Any) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(each) for each in corners)
    return left, top, right - left, bottom - top


def pack_digest(folder: Path) -> str:
    """SHA-256 over the names and hashes of the pack's ONNX files. Raises BackendUnavailable if there are none."""
    files = sorted(folder.glob("*.onnx"))
    if not files:
        raise BackendUnavailable(f"there is no model pack {folder.name} in the folder of face models")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest.update(f"{file.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def _analysis(models: Path, pack: str, device: Device) -> Any:
    """`ctx_id` below 0 would move its sessions to the processor, whatever they were given."""
    try:
        from insightface.app import FaceAnalysis
    except ImportError as error:
        raise BackendUnavailable(
            "insightface is not installed; it is no part of this project: install it with its own licence in mind"
        ) from error
    with redirect_stdout(sys.stderr):  # it prints what it finds, where our output is JSON
        analysis = FaceAnalysis(
            name=pack,
            root=str(models),
            allowed_modules=["detection", "recognition"],
            providers=wanted_providers(device),
        )
        analysis.prepare(ctx_id=0 if device is Device.CUDA else -1, det_size=DETECTION_SIZE)
    return analysis
