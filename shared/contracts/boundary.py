"""Seams between two segments: what was measured there, what was made to hide it, and what was refused."""

from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.base import Contract, Event
from shared.contracts.types import Instant, ProjectId, SceneId, SegmentId, Sha256, StoredClip


class SeamVerdict(StrEnum):
    """Green: nobody sees it. Yellow: somebody who looks for it does. Red: everybody does."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


class SmoothingMethod(StrEnum):
    FRAME_BLENDING = "frame_blending"
    RE_EXTRACTION = "re_extraction"


class SeamRecommendation(StrEnum):
    NOTHING = "nothing"
    FRAME_BLENDING = "frame_blending"
    RE_EXTRACTION = "re_extraction"
    REGENERATE = "regenerate"


class SeamSide(Contract):
    """One of the two versions that meet at a seam."""

    segment_id: SegmentId
    position: int = Field(ge=1)
    clip_sha256: Sha256


class SeamReading(Contract):
    """What was measured around a cut. Steps of look: fractions of the range, positive if the later side has more."""

    ssim: float = Field(ge=-1, le=1, description="of the two frames that meet at the cut; higher is better")
    typical_ssim: float = Field(ge=-1, le=1, description="median from frame to frame, the cut left out")
    worst_offset: int = Field(description="frames from the cut to the most visible step; 0 is the cut itself")
    worst_visibility: float = Field(ge=0, description="of that step; 1 is the limit, lower is better")
    luminance_step: float
    contrast_step: float
    saturation_step: float


class BoundaryChecked(Event):
    """The seam between two current versions was measured, could not be, or was accepted as it is by a person.

    `sequence` counts what was said of this pair of versions.
    """

    key_field: ClassVar[str] = "scene_id"

    scene_id: SceneId
    project_id: ProjectId
    previous: SeamSide
    next: SeamSide
    status: Literal["measured", "not_measurable"]
    not_measurable: str | None = None
    reading: SeamReading | None = None
    verdict: SeamVerdict | None = None
    recommendation: SeamRecommendation | None = None
    reason: str = ""
    accepted_by: str | None = Field(default=None, description="who said that the seam is fine as it is")
    checked_at: Instant


class RepairedClip(Contract):
    """A clip that would take the place of the one it was made from."""

    segment_id: SegmentId = Field(description="the version it was made from")
    based_on_clip_sha256: Sha256
    clip: StoredClip
    last_frame_sha256: Sha256
    changed_frames: int = Field(ge=0)
    dropped_at_start: int = Field(ge=0, description="frames")
    dropped_at_end: int = Field(ge=0, description="frames")


class BoundarySmoothed(Event):
    """A repair was made that joins better: one or two candidate clips. Nothing is current yet.

    Answered by one `segment.activated` per clip with this `repair_id`, or by `boundary.repair_rejected`.
    """

    key_field: ClassVar[str] = "scene_id"

    repair_id: UUID
    scene_id: SceneId
    project_id: ProjectId
    previous: SeamSide
    next: SeamSide
    method: SmoothingMethod
    clips: tuple[RepairedClip, ...] = Field(min_length=1, max_length=2)
    before: SeamReading
    after: SeamReading
    overwrite: tuple[SegmentId, ...] = Field(default=(), description="approved or locked versions that may be replaced")
    requested_by: str
    smoothed_at: Instant


class BoundaryRepairRejected(Event):
    """A repair that will not become current, with its numbers. Everything stays as it was."""

    key_field: ClassVar[str] = "scene_id"

    repair_id: UUID
    scene_id: SceneId
    rejected_by: Literal["smoothing", "dispatch"]
    reasons: tuple[str, ...] = Field(min_length=1)
    before: SeamReading | None = None
    after: SeamReading | None = None
    rejected_at: Instant
