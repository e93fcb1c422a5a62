"""Segments: what was rendered, what failed, which version is current, what a person said of it."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from shared.contracts.base import Contract, Event
from shared.contracts.types import (
    CharacterId,
    ClipExpectation,
    EnvironmentFingerprint,
    Instant,
    JobId,
    LockedAsset,
    ProjectId,
    Purpose,
    RenderFailure,
    RenderParameters,
    SceneId,
    SceneTypeId,
    SegmentId,
    Sha256,
    StoredClip,
    Tier,
)


class SegmentGenerated(Event):
    """A clip is decoded and stored. Said exactly once per adopted result."""

    key_field: ClassVar[str] = "scene_id"

    scene_id: SceneId
    segment_id: SegmentId
    position: int = Field(ge=1)
    segment_count: int = Field(ge=1)
    version: int = Field(ge=1, description="of this position; regeneration_count + 1")
    project_id: ProjectId
    character_id: CharacterId
    scene_type_id: SceneTypeId
    purpose: Purpose
    tier: Tier
    request_id: UUID | None = Field(description="the generation.requested it answers; None for a person's scene")
    clip: StoredClip
    last_frame_sha256: Sha256
    seed_image_sha256: Sha256
    source_image_sha256: Sha256
    previous_clip_sha256: Sha256 | None = Field(description="the clip before it in the chain, for the hand-over")
    baseline_clip_sha256: Sha256 | None
    expected: ClipExpectation
    parameters: RenderParameters
    assets: tuple[LockedAsset, ...]
    environment: EnvironmentFingerprint
    job_id: JobId
    attempt: int = Field(ge=1)
    prompt_id: UUID
    server: str
    queued_seconds: float = Field(ge=0)
    render_seconds: float = Field(ge=0)
    repair_id: UUID | None = Field(
        default=None, description="of a candidate made by repairing a seam; job and server are those of its original"
    )
    generated_at: Instant

    def establishes(self) -> tuple[str, ...]:
        return (f"segment:{self.segment_id}", f"clip:{self.clip.sha256}")


class SegmentFailed(Event):
    """A render that will not happen, after all its attempts. It ends its chain: later positions do not come either."""

    key_field: ClassVar[str] = "scene_id"

    scene_id: SceneId
    segment_id: SegmentId | None
    position: int
    segment_count: int
    project_id: ProjectId
    character_id: CharacterId
    scene_type_id: SceneTypeId
    purpose: Purpose
    tier: Tier
    request_id: UUID | None
    failure: RenderFailure
    attempts: int
    failed_at: Instant


class ActivationReason(StrEnum):
    GENERATED = "generated"
    REGENERATED = "regenerated"
    REVERTED = "reverted"
    REPAIRED = "repaired"


class SegmentActivated(Event):
    """Another version of a position is the current one."""

    key_field: ClassVar[str] = "scene_id"

    scene_id: SceneId
    segment_id: SegmentId
    position: int
    version: int
    previous_segment_id: SegmentId | None
    clip_sha256: Sha256
    reason: ActivationReason
    repair_id: UUID | None = Field(default=None, description="of the repair that was accepted, or undone")


class BrokenHandover(Contract):
    """A segment ends on another frame now than the next one was rendered from."""

    position: int = Field(ge=1, description="of the segment that hands over")
    segment_id: SegmentId = Field(description="the version that is current there")
    given_sha256: Sha256 = Field(description="its last frame")
    taken_sha256: Sha256 = Field(description="the frame that the next segment was rendered from")


class StaleSegment(Contract):
    """`causes`, first to last: the hand-overs before it that are broken and were not accepted for it."""

    segment_id: SegmentId
    position: int = Field(ge=1)
    causes: tuple[BrokenHandover, ...] = Field(min_length=1)


class SegmentStaled(Event):
    """What a change of one version made of the segments after it, all at once.

    `became_stale` has also those that were stale before, for other causes. `sequence` is the scene's revision.
    """

    key_field: ClassVar[str] = "scene_id"

    scene_id: SceneId
    became_stale: tuple[StaleSegment, ...]
    became_fresh: tuple[SegmentId, ...]
    stale_count: int = Field(ge=0, description="segments of the scene that are stale now")
    staled_at: Instant


class ReviewDecision(StrEnum):
    APPROVED = "approved"
    REJECTED = "rejected"


class SegmentReviewed(Event):
    key_field: ClassVar[str] = "scene_id"

    scene_id: SceneId
    segment_id: SegmentId
    clip_sha256: Sha256
    decision: ReviewDecision
    note: str = ""
    reviewed_by: str
    reviewed_at: Instant
