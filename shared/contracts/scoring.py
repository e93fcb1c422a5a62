"""Measurements of clips."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.base import Contract, Event
from shared.contracts.types import (
    CharacterId,
    ClipExpectation,
    GateResult,
    GateVerdict,
    MetricReading,
    ProjectId,
    Purpose,
    SceneId,
    SceneTypeId,
    SegmentId,
    Sha256,
    Tier,
)


class ScoringRequested(Event):
    """Measure a stored clip again: a new metric suite, another baseline. Answered by `segment.scored`."""

    key_field: ClassVar[str] = "clip_sha256"

    clip_sha256: Sha256
    baseline_clip_sha256: Sha256 | None = None
    requested_by: str


class IdentityBackendInfo(Contract):
    name: str
    version: str
    is_identity: bool = Field(description="False: it compares the look of a region, it does not recognise a person")
    notice: str = ""


class SegmentScored(Event):
    """A clip was measured, or could not be: then `status` is not_measurable and every metric says why."""

    key_field: ClassVar[str] = "scene_id"

    scene_id: SceneId
    segment_id: SegmentId
    position: int
    segment_count: int
    project_id: ProjectId
    character_id: CharacterId
    scene_type_id: SceneTypeId
    purpose: Purpose
    tier: Tier
    request_id: UUID | None
    clip_sha256: Sha256
    baseline_clip_sha256: Sha256 | None
    expected: ClipExpectation
    metric_suite_version: str
    identity_backend: IdentityBackendInfo
    status: Literal["measured", "not_measurable"]
    not_measurable: str | None = None
    metrics: dict[str, MetricReading]
    gates: tuple[GateResult, ...] = ()
    gate_verdict: GateVerdict
    quality_score: float | None = Field(default=None, ge=0, le=1)
    measure_seconds: float = Field(ge=0)
