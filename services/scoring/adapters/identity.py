"""Is it still the same character? Back-ends behind one protocol; the one here needs no weights and is no identity.

The face-region back-end finds the character's face in the source photograph once (scikit-image's LBP cascade, which
ships with the library), and then follows *that patch* through the clip by template matching. Detecting again in each
frame would put the detector's jitter (up to a fifth of the box) into the score; following the source patch neither
jitters nor drifts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Protocol

import cv2
import numpy as np
import skimage.data
from skimage.feature import Cascade

from services.scoring.domain import FACE_REGION, IdentityKind, SourceRegion
from services.scoring.kernels.look import PATCH, Look, centre_weights, look, similarity, similarity_cells
from services.scoring.kernels.luma import Luma, Region, Rgb, luma
from services.scoring.kernels.placement import (
    TEMPLATE,
    Box,
    Goal,
    Placement,
    agreement,
    bounds,
    find,
    goal,
    patch,
    placed,
    refined,
)

DETECTION_SIDE = 256
"""The cascade is asked at this length of the longer side only: its boxes differ by a fifth between sizes."""

SMALLEST_FACE = 24
FACE_MARGIN = 0.1
"""Share of the box added on each side, so that the outline of the face is inside."""

FOUND = 0.5
"""Correlation from which a match counts as the region. The same region under video compression and mild camera moves
measures above 0.9, a warped or recoloured one 0.6 and more. Unrelated pictures sometimes pass too: that costs nothing,
the similarity there is near 0, and "another face" is the better answer than "no face"."""

STILL_THERE = 0.35
SETTLED_WELL = 0.9
FLAT = 4.0
"""Levels of deviation below which a source region has nothing to follow."""

SEARCH_SCALES = tuple(float(s) for s in np.geomspace(0.5, 2.0, 15))
NEAR_SCALES = (0.8, 0.86, 0.92, 0.96, 1.0, 1.04, 1.08, 1.15, 1.25)
FOLLOW_SCALES = (0.96, 0.98, 1.0, 1.02, 1.04)
FOLLOW_REACH = 0.2
"""Box widths that a region may move between two frames; beyond that it is searched for in the whole frame."""

DETECT_EVERY = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionReference:
    """What is known of a character from its source photograph (of `size`, width and height): where, and the look."""

    where: SourceRegion
    size: tuple[int, int]
    look: Look
    goal: Goal
    template: Luma


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One frame's answer: similarity in [0, 1], and where the region is."""

    similarity: float
    region: Region


class IdentityTracker(Protocol):
    @property
    def region(self) -> SourceRegion:
        """Where the character is in the source photograph."""

    def observe(self, rgb: Rgb) -> Sighting | None:
        """Frames in order; None where the region is not in the frame."""


class IdentityBackend(Protocol):
    """`version` changes whenever a number for the same pixels may change: files and arithmetic are part of it."""

    @property
    def kind(self) -> IdentityKind: ...
    @property
    def version(self) -> str: ...
    @property
    def providers(self) -> Mapping[str, list[str]]:
        """By model: what its session really runs on, as it says after loading. Empty without models."""

    def tracker(self, source: Rgb, *, known: SourceRegion | None = None) -> IdentityTracker:
        """`known` is the region found before in the same photograph, so that it need not be detected again.

        Raises ValueError, with the reason, if the photograph shows nothing that can be followed.
        """


class FaceRegionBackend:
    """Compares the look of the face region (without a face: the middle of the picture) with the source photograph."""

    kind = FACE_REGION
    version = "1"
    providers: ClassVar[Mapping[str, list[str]]] = {}

    def tracker(self, source: Rgb, *, known: SourceRegion | None = None) -> "RegionTracker":
        return RegionTracker(_reference(source, known or _detected(source)))


def _reference(source: Rgb, where: SourceRegion) -> RegionReference:
    height, width = source.shape[:2]
    x, y, box_width, box_height = where.box
    there = placed(box=(x * width, y * height, box_width * width, box_height * height))
    grey = patch(picture=luma(rgb=source), placement=there)
    if float(grey.std()) < FLAT:
        raise ValueError("the source image shows neither a face nor a textured subject")
    return RegionReference(
        where=where,
        size=(width, height),
        look=look(rgb_patch=patch(picture=source, placement=there)),
        goal=goal(reference=grey),
        template=np.asarray(cv2.resize(grey, (TEMPLATE, TEMPLATE), interpolation=cv2.INTER_AREA), dtype=np.uint8),
    )


def _detected(source: Rgb) -> SourceRegion:
    face = _largest_face(source)
    kind, (x, y, box_width, box_height) = ("face", face) if face is not None else ("subject", _middle(source))
    height, width = source.shape[:2]
    return SourceRegion(kind=kind, box=(x / width, y / height, box_width / width, box_height / height))


class RegionTracker:
    """Follows the region of one source photograph through one clip."""

    def __init__(self, reference: RegionReference) -> None:
        self._reference = reference
        self._placement: Placement | None = None
        self._unseen = 0

    @property
    def region(self) -> SourceRegion:
        return self._reference.where

    def observe(self, rgb: Rgb) -> Sighting | None:
        picture = luma(rgb=rgb)
        placement = self._follow(picture)
        if placement is None:
            placement = self._search(rgb, picture)
        self._placement = placement
        return None if placement is None else _sighting(rgb, placement, self._reference)

    def _follow(self, picture: Luma) -> Placement | None:
        """From where it was: settle, and if that agrees poorly, look around first."""
        if self._placement is None:
            return None
        best, score = self._settle(picture, self._placement)
        if score < SETTLED_WELL:
            match = find(
                template=self._reference.template,
                picture=picture,
                near=bounds(placement=self._placement),
                reach=FOLLOW_REACH,
                scales=FOLLOW_SCALES,
            )
            if match is not None:
                other, other_score = self._settle(picture, placed(box=match.box))
                best, score = (other, other_score) if other_score > score else (best, score)
        return best if score >= STILL_THERE else None

    def _settle(self, picture: Luma, start: Placement) -> tuple[Placement, float]:
        wanted = self._reference.goal
        placement = refined(goal=wanted, picture=picture, placement=start)
        return placement, agreement(goal=wanted, picture=picture, placement=placement)

    def _search(self, rgb: Rgb, picture: Luma) -> Placement | None:
        """Where the template matches well; failing that, what looks most like the source among poorer matches and
        detected faces."""
        settled = [self._settle(picture, placed(box=box)) for box in _matches(self._reference, picture)]
        sure = [placement for placement, score in settled if score >= SETTLED_WELL]
        candidates = sure or [placement for placement, _ in settled] + self._faces(rgb, picture)
        return max(candidates, key=lambda placement: self._likeness(rgb, placement), default=None)

    def _likeness(self, rgb: Rgb, placement: Placement) -> float:
        return similarity(reference=self._reference.look, other=_look_at(rgb, placement))

    def _faces(self, rgb: Rgb, picture: Luma) -> list[Placement]:
        """A detected face, if a face is wanted; as it is, so that one changed beyond matching is still measured.

        Detection is the expensive part, so while the region stays away it is asked once in DETECT_EVERY frames.
        """
        due = self._unseen % DETECT_EVERY == 0
        self._unseen += 1
        face = _largest_face(rgb) if due and self._reference.where.kind == "face" else None
        return [] if face is None else [placed(box=face), self._settle(picture, placed(box=face))[0]]


def _sighting(rgb: Rgb, placement: Placement, reference: RegionReference) -> Sighting:
    cells = similarity_cells(reference=reference.look, other=_look_at(rgb, placement))
    x, y, width, height = (max(0, round(value)) for value in bounds(placement=placement))
    return Sighting(similarity=float(np.sum(cells * centre_weights())), region=(x, y, width, height))


def _look_at(rgb: Rgb, placement: Placement) -> Look:
    return look(rgb_patch=patch(picture=rgb, placement=placement, side=PATCH))


def _matches(reference: RegionReference, picture: Luma) -> list[Box]:
    """Where the template matches: near where the source image has the region, and anywhere in the frame."""
    boxes: list[Box] = []
    for near in _expected(reference, picture):
        for reach, scales in ((0.4, NEAR_SCALES), (8.0, SEARCH_SCALES)):
            match = find(template=reference.template, picture=picture, near=near, reach=reach, scales=scales)
            if match is not None and match.score >= FOUND:
                boxes.append(match.box)
    return boxes


def _expected(reference: RegionReference, picture: Luma) -> tuple[Box, ...]:
    """The source's box in the frame, if the source was scaled to cover it, and if it was stretched to fit."""
    height, width = picture.shape
    x, y, box_width, box_height = reference.where.box
    stretched = (x * width, y * height, box_width * width, box_height * height)
    scale = max(width / reference.size[0], height / reference.size[1])
    full_width, full_height = reference.size[0] * scale, reference.size[1] * scale
    left, top = (width - full_width) / 2, (height - full_height) / 2
    covered = (left + x * full_width, top + y * full_height, box_width * full_width, box_height * full_height)
    return (covered,) if np.allclose(covered, stretched, atol=0.5) else (covered, stretched)


@lru_cache(maxsize=1)
def _cascade() -> Any:
    return Cascade(skimage.data.lbp_frontal_face_cascade_filename())  # type: ignore[no-untyped-call]


def _largest_face(source: Rgb) -> Box | None:
    height, width = source.shape[:2]
    scale = DETECTION_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(source, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    largest = int(min(size) * 0.95)
    if largest <= SMALLEST_FACE:
        return None
    faces = _cascade().detect_multi_scale(
        img=small,
        scale_factor=1.2,
        step_ratio=1,
        min_size=(SMALLEST_FACE, SMALLEST_FACE),
        max_size=(largest, largest),
    )
    if not faces:
        return None
    face = max(faces, key=lambda found: (found["width"], -found["r"], -found["c"]))
    margin = FACE_MARGIN * face["width"]
    side = face["width"] + 2 * margin
    return (face["c"] - margin) / scale, (face["r"] - margin) / scale, side / scale, side / scale


def _middle(source: Rgb) -> Box:
    height, width = source.shape[:2]
    side = 0.5 * min(height, width)
    return (width - side) / 2, (height - side) / 2, side, side
