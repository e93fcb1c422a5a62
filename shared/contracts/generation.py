"""Renders asked for by a service, and how they get on."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.base import Contract, Event
from shared.contracts.types import (
    CharacterId,
    Instant,
    JobId,
    LockedAsset,
    ProjectId,
    Purpose,
    RenderParameters,
    SceneId,
    SceneTypeId,
    Sha256,
    Tier,
)


class SegmentOrder(Contract):
    position: int = Field(ge=1)
    parameters: RenderParameters
    baseline_clip_sha256: Sha256 | None = Field(default=None, description="compare the new clip with this one")


class GenerationRequested(Event):
    """Render a chain of segments. Segment 1 starts from `seed_image_sha256`, each next one from the last frame.

    Answered by one `segment.generated` per position, or by one `segment.failed` that ends the chain.
    """

    key_field: ClassVar[str] = "request_id"

    request_id: UUID
    purpose: Purpose
    tier: Tier
    priority: int = Field(default=0, ge=-100, le=100, description="higher runs first")
    project_id: ProjectId
    character_id: CharacterId
    scene_type_id: SceneTypeId
    source_scene_id: SceneId | None = None
    seed_image_sha256: Sha256
    source_image_sha256: Sha256 = Field(description="the character's photograph that identity is measured against")
    assets: tuple[LockedAsset, ...]
    segments: tuple[SegmentOrder, ...] = Field(min_length=1)
    deadline_at: Instant | None = None


class GenerationCancelRequested(Event):
    """Stop what is not finished of a request. Finished segments stay."""

    key_field: ClassVar[str] = "request_id"

    request_id: UUID
    reason: str


class GenerationProgressed(Event):
    """At most twice a second per job, apart from how it ended, which is always said; a hint that may be lost."""

    key_field: ClassVar[str] = "job_id"

    job_id: JobId
    scene_id: SceneId
    request_id: UUID | None
    position: int
    segment_count: int
    state: Literal["queued", "submitted", "running", "storing", "done", "failed", "cancelled"]
    fraction: float = Field(ge=0, le=1)
    purpose: Purpose
