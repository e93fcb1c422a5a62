"""Faces recognised by a pair of ONNX files: a detector in the manner of YuNet, a recogniser in that of ArcFace.

The files are named by a setting and checked by their hash; nothing is downloaded.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.scoring.adapters.identity import Sighting
from services.scoring.adapters.onnx import BackendUnavailable, session
from services.scoring.domain import ONNX_PAIR, Device, SourceRegion
from services.scoring.kernels import faces
from services.scoring.kernels.luma import Region, Rgb

DETECTOR = ("yunet_n_dynamic.onnx", "104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12")
RECOGNISER = ("MobileFaceNet.onnx", "b7120c095d60094f28a4a54ba6a8bf51b297a6273fb40ef6350dfec1f63d9507")
"""File name and SHA-256 of the pair that the numbers of this back-end's version belong to."""

THRESHOLD = 0.6
"""Detection score from which something is a face: OpenCV's samples use 0.9 for still portraits; profiles and motion
blur in video go down to 0.65, and what is no face mostly stays below 0.4."""

MOST_FACES = 8
CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A face in a picture: its box in pixels, and its embedding, of length 1."""

    box: tuple[float, float, float, float]
    vector: NDArray[np.float64]


class OnnxPairBackend:
    """Cosine between embeddings; negative ones count as 0, for two faces cannot be less alike than not at all."""

    kind = ONNX_PAIR
    version = f"1-{DETECTOR[1][:8]}-{RECOGNISER[1][:8]}"

    def __init__(self, folder: Path, *, device: Device = Device.CPU) -> None:
        self._detector = session(verified(folder, *DETECTOR), device)
        self._recogniser = session(verified(folder, *RECOGNISER), device)

    @property
    def providers(self) -> Mapping[str, list[str]]:
        return {"detector": self._detector.get_providers(), "recogniser": self._recogniser.get_providers()}

    def tracker(self, source: Rgb, *, known: SourceRegion | None = None) -> "FaceTracker":
        """`known` is not needed: detection costs ten milliseconds, and the embedding needs the landmarks anyway."""
        return FaceTracker(source=source, look=self.seen)

    def seen(self, rgb: Rgb) -> list[Seen]:
        return [Seen(box=face.box, vector=self.vector(rgb, face)) for face in self.detected(rgb)]

    def detected(self, rgb: Rgb) -> list[faces.Face]:
        """Faces in pixels of the picture, best first."""
        batch, scale = faces.detector_input(rgb=rgb)
        names = [output.name for output in self._detector.get_outputs()]
        outputs = dict(zip(names, self._detector.run(names, {"input": batch}), strict=True))
        found = faces.decoded(outputs=outputs, width=batch.shape[3], height=batch.shape[2], threshold=THRESHOLD)
        return [
            faces.Face(
                box=tuple(value / scale for value in face.box),  # type: ignore[arg-type] # four stay four
                landmarks=face.landmarks / scale,
                score=face.score,
            )
            for face in found[:MOST_FACES]
        ]

    def vector(self, rgb: Rgb, face: faces.Face) -> NDArray[np.float64]:
        batch = faces.recogniser_input(face=faces.aligned(rgb=rgb, landmarks=face.landmarks))
        name = self._recogniser.get_inputs()[0].name
        rows = [self._recogniser.run(None, {name: batch[k : k + 1]})[0][0] for k in range(len(batch))]
        return faces.embedding(rows=np.stack(rows))


class FaceTracker:
    """The largest face of a source photograph, against the face of each frame that is most like it."""

    def __init__(self, *, source: Rgb, look: Callable[[Rgb], Sequence[Seen]]) -> None:
        """Raises ValueError if the photograph shows no face."""
        found = look(source)
        if not found:
            raise ValueError("the source image shows no face")
        face = max(found, key=lambda each: each.box[2] * each.box[3])
        height, width = source.shape[:2]
        x, y, box_width, box_height = face.box
        self._look = look
        self._vector = face.vector
        self.region = SourceRegion(kind="face", box=(x / width, y / height, box_width / width, box_height / height))

    def observe(self, rgb: Rgb) -> Sighting | None:
        likeness = [(float(self._vector @ face.vector), face.box) for face in self._look(rgb)]
        if not likeness:
            return None
        cosine, box = max(likeness)
        region = _inside(box, rgb.shape[1], rgb.shape[0])
        return Sighting(similarity=max(0.0, min(1.0, cosine)), region=region)


def _inside(box: tuple[float, float, float, float], width: int, height: int) -> Region:
    left, top = max(0, round(box[0])), max(0, round(box[1]))
    right, bottom = min(width, round(box[0] + box[2])), min(height, round(box[1] + box[3]))
    return left, top, max(1, right - left), max(1, bottom - top)


def verified(folder: Path, name: str, sha256: str) -> Path:
    """The file, once its bytes are what they should be. Raises BackendUnavailable."""
    path = folder / name
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise BackendUnavailable(f"the face model {name} cannot be read from the folder of face models") from error
    if digest.hexdigest() != sha256:
        raise BackendUnavailable(f"the face model {name} has the SHA-256 {digest.hexdigest()} instead of {sha256}")
    return path
