"""From a face detector's and a face recogniser's arrays to boxes, landmarks, aligned faces and their likeness.

Pictures are uint8 RGB. Landmarks are (5, 2) in pixels: right eye, left eye, nose, right and left corner of the mouth,
as the subject's right and left; that is also ArcFace's order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.luma import Rgb

Floats = NDArray[np.float32] | NDArray[np.float64]
Box = tuple[float, float, float, float]

STRIDES = (8, 16, 32)
SIDE = 32
"""The detector's input is a multiple of its coarsest stride."""

LONGEST = 640
"""Detection at this length of the longer side: a face of a twentieth of the frame is still 32 pixels."""

ALIGNED = 112
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Where ArcFace puts the five landmarks in a face of 112 x 112 (Deng et al. 2019; insightface's `arcface_dst`)."""

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A detected face; `box` is (x, y, width, height), `score` in [0, 1]."""

    box: Box
    landmarks: NDArray[np.float64]
    score: float


def detector_input(*, rgb: Rgb) -> tuple[NDArray[np.float32], float]:
    """BGR 0 to 255 as (1, 3, H, W), scaled to at most LONGEST and padded with black; and the scale that was used."""
    height, width = rgb.shape[:2]
    scale = min(1.0, LONGEST / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = rgb if scale == 1.0 else cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    padded = np.zeros((-(-size[1] // SIDE) * SIDE, -(-size[0] // SIDE) * SIDE, 3), dtype=np.float32)
    padded[: size[1], : size[0]] = small[..., ::-1]
    return np.ascontiguousarray(padded.transpose(2, 0, 1)[None]), scale


def decoded(
    *, outputs: Mapping[str, Floats], width: int, height: int, threshold: float, overlap: float = 0.3
) -> list[Face]:
    """Faces in an input of width x height, best first, from YuNet's outputs: `cls_8`, `obj_8`, `bbox_8`, `kps_8`, ...

    As OpenCV's FaceDetectorYN: an anchor per cell, score sqrt(cls x obj), offsets in cells, sizes as exponents; of
    boxes that overlap by more than `overlap` (intersection over union) the best one stays.
    """
    found: list[Face] = []
    for stride in STRIDES:
        columns = width // stride
        anchors = columns * (height // stride)
        raw = {name: np.asarray(outputs[f"{name}_{stride}"], np.float64).reshape(anchors, -1) for name in _PARTS}
        scores = np.sqrt(np.clip(raw["cls"][:, 0], 0, 1) * np.clip(raw["obj"][:, 0], 0, 1))
        for anchor in np.flatnonzero(scores >= threshold):
            cell = np.array([anchor % columns, anchor // columns], dtype=np.float64)
            middle = (cell + raw["bbox"][anchor, :2]) * stride
            size = np.exp(raw["bbox"][anchor, 2:]) * stride
            landmarks = (raw["kps"][anchor].reshape(5, 2) + cell) * stride
            x, y = middle - size / 2
            box = (float(x), float(y), float(size[0]), float(size[1]))
            found.append(Face(box=box, landmarks=landmarks, score=float(scores[anchor])))
    return _without_overlaps(found, overlap)


_PARTS = ("cls", "obj", "bbox", "kps")


def _without_overlaps(faces: list[Face], overlap: float) -> list[Face]:
    kept: list[Face] = []
    for face in sorted(faces, key=lambda each: -each.score):
        if all(shared_area(one=face.box, two=other.box) <= overlap for other in kept):
            kept.append(face)
    return kept


def shared_area(*, one: Box, two: Box) -> float:
    """Of two boxes (x, y, width, height), as a share of what they cover together: intersection over union, 0 to 1."""
    x = max(one[0], two[0])
    y = max(one[1], two[1])
    right = min(one[0] + one[2], two[0] + two[2])
    bottom = min(one[1] + one[3], two[1] + two[3])
    shared = max(0.0, right - x) * max(0.0, bottom - y)
    union = one[2] * one[3] + two[2] * two[3] - shared
    return shared / union if union > 0 else 0.0


def similarity_transform(*, source: Floats, target: Floats) -> NDArray[np.float64]:
    """The turn, scale and shift, as (2, 3), that bring points (n, 2) closest to others in the least squares sense.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", IEEE TPAMI 13(4), 1991,
    eqs. 38 to 42; no reflection. Raises ValueError for points that are all one.
    """
    from_, to = np.asarray(source, np.float64), np.asarray(target, np.float64)
    mean_from, mean_to = from_.mean(axis=0), to.mean(axis=0)
    centred, wanted = from_ - mean_from, to - mean_to
    spread = float((centred**2).sum()) / len(from_)
    if spread == 0:
        raise ValueError("the landmarks lie on one point")
    u, singular, vt = np.linalg.svd(wanted.T @ centred / len(from_))
    sign = np.array([1.0, 1.0 if np.linalg.det(u) * np.linalg.det(vt) > 0 else -1.0])
    rotation = u @ np.diag(sign) @ vt
    scale = float((singular * sign).sum()) / spread
    return np.hstack([scale * rotation, (mean_to - scale * rotation @ mean_from)[:, None]])


def aligned(*, rgb: Rgb, landmarks: Floats) -> Rgb:
    """The face turned and scaled onto ArcFace's template, 112 x 112."""
    matrix = similarity_transform(source=landmarks, target=TEMPLATE)
    return np.asarray(cv2.warpAffine(rgb, matrix, (ALIGNED, ALIGNED), flags=cv2.INTER_LINEAR), dtype=np.uint8)


def recogniser_input(*, face: Rgb) -> NDArray[np.float32]:
    """The face and its mirror image as (2, 3, 112, 112), RGB, normalised with ImageNet's mean and deviation."""
    values = (face.astype(np.float32) / 255 - IMAGENET_MEAN) / IMAGENET_DEVIATION
    both = np.stack([values, values[:, ::-1]])
    return np.ascontiguousarray(both.transpose(0, 3, 1, 2))


def embedding(*, rows: NDArray[Any]) -> NDArray[np.float64]:
    """One vector of length 1: the mean of the embeddings of the face and of its mirror image."""
    mean = np.asarray(rows, np.float64).reshape(len(rows), -1).mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float64)
