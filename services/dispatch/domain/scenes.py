"""Scenes, the versions of their segments, and what may be done with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.dispatch.domain.errors import Conflict

Json = Mapping[str, Any]


class Purpose(StrEnum):
    SCENE = "scene"
    BASELINE = "baseline"
    REGRESSION = "regression"
    ROLLBACK_PROOF = "rollback_proof"
    TEST_SHOT = "test_shot"


class Tier(StrEnum):
    DRAFT = "draft"
    FULL = "full"


class SceneState(StrEnum):
    RENDERING = "rendering"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SegmentState(StrEnum):
    """`planned`: waits for the segment before it. `queued`: has a job."""

    PLANNED = "planned"
    QUEUED = "queued"
    GENERATED = "generated"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self not in (SegmentState.PLANNED, SegmentState.QUEUED)


class Review(StrEnum):
    NONE = "none"
    APPROVED = "approved"
    REJECTED = "rejected"


class PassingVerdict(StrEnum):
    """The worst verdict that lets a segment pass."""

    PASS = "pass"
    WARN = "warn"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreGate:
    """A chain waits for the score of each segment; one that does not pass is rendered under up to `retries` seeds."""

    wait_for: PassingVerdict
    retries: int


class HoldState(StrEnum):
    """`waiting`: for a score. `retrying`: for another version of the position. `paused`: for a person."""

    WAITING = "waiting"
    RETRYING = "retrying"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Where a chain with a score gate stands, and why. `until`: how long it waits for a score."""

    state: HoldState
    segment_id: int
    position: int
    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneDraft:
    """A scene before it has an id. `request_id` is set exactly for the scenes that a service asked for."""

    name: str
    project_id: int
    character_id: int
    scene_type_id: int
    purpose: Purpose
    tier: Tier
    priority: int
    request_id: UUID | None
    source_scene_id: int | None
    workflow_version_id: int
    assets: Sequence[Json]
    seed_image_sha256: str
    source_image_sha256: str
    deadline_at: datetime | None
    created_by: str
    correlation_id: UUID
    is_paused: bool = False
    score_gate: ScoreGate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentPlan:
    """One position with full-tier parameters, every value explicit."""

    position: int
    parameters: Json
    baseline_clip_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """`revision` counts changes of which versions are current or stale."""

    id: int
    name: str
    project_id: int
    character_id: int
    scene_type_id: int
    purpose: Purpose
    tier: Tier
    state: SceneState
    state_reason: str
    priority: int
    segment_count: int
    request_id: UUID | None
    source_scene_id: int | None
    workflow_version_id: int
    assets: Sequence[Json]
    seed_image_sha256: str
    source_image_sha256: str
    deadline_at: datetime | None
    created_by: str
    correlation_id: UUID
    created_at: datetime
    finished_at: datetime | None
    revision: int
    is_paused: bool = False
    moved_turn: int | None = None
    """Its place in the queue, where a person moved it."""
    score_gate: ScoreGate | None = None
    hold: Hold | None = None

    @property
    def is_persons(self) -> bool:
        """Made by a person, not asked for by a service."""
        return self.purpose in (Purpose.SCENE, Purpose.TEST_SHOT)

    def refuse_queueing_unless_rendering(self) -> None:
        if self.state is not SceneState.RENDERING:
            raise Conflict(f"scene {self.id} is {self.state.value}; only a scene that is rendering is in the queue")

    @property
    def has_missing_segments(self) -> bool:
        """It ended before all of it was rendered."""
        return self.state in (SceneState.FAILED, SceneState.CANCELLED)

    def refuse_resuming_for_others(self) -> None:
        """Whoever asked for the render was told that it ended."""
        if self.has_missing_segments and self.purpose is not Purpose.SCENE:
            raise Conflict(f"scene {self.id} is a {self.purpose.value} and {self.state.value}; ask for another one")

    def refuse_cancel_unless_rendering(self) -> None:
        if self.state is not SceneState.RENDERING:
            raise Conflict(f"scene {self.id} is {self.state.value}; only a scene that is rendering can be cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A stored clip as it was decoded."""

    sha256: str
    size_bytes: int
    frame_digest: str
    last_frame_sha256: str
    width: int
    height: int
    frames: int
    fps: float
    duration_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Render:
    """One finished render, ready to be adopted. `parameters` are those of the tier that was rendered."""

    clip: Clip
    parameters: Json
    environment: Json
    seed_image_sha256: str
    attempt: int
    render_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What scoring said of a clip. `gates`: metric -> verdict, value, crossed limit, message.

    `not_measurable`: why no metric could be measured; its verdict is a fail then. `identity_backend`: name and version,
    for another version measures on another scale. `sequence`: among the scores of one segment, later ones are higher.
    """

    gate_verdict: str
    quality_score: float | None
    gates: Mapping[str, Json]
    not_measurable: str | None
    metric_suite_version: str
    identity_backend: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One version of one position. `clip` and what belongs to it are set when it is generated."""

    id: int
    scene_id: int
    position: int
    previous_segment_id: int | None
    regeneration_count: int
    is_current: bool
    is_stale: bool
    boundary_ssim_before: float | None
    boundary_ssim_after: float | None
    state: SegmentState
    review: Review
    review_note: str
    reviewed_by: str | None
    reviewed_at: datetime | None
    requested_parameters: Json
    parameters: Json | None
    baseline_clip_sha256: str | None
    seed_image_sha256: str | None
    previous_clip_sha256: str | None
    clip: Clip | None
    environment: Json | None
    job_id: int | None
    attempt: int | None
    prompt_id: UUID | None
    server: str | None
    queued_seconds: float | None
    render_seconds: float | None
    generated_at: datetime | None
    failure: Json | None
    gate_verdict: str | None
    quality_score: float | None
    metric_suite_version: str | None
    created_at: datetime
    is_locked: bool
    stale_causes: Sequence[Json]
    stale_revision: int
    accepted_handovers: Sequence[Json]
    may_overwrite: bool
    activation: Json | None
    cascade_id: int | None
    gates: Mapping[str, Json] | None
    identity_backend: str | None
    not_measurable: str | None
    score_sequence: int
    is_retry: bool
    repair_id: UUID | None
    repair: Json | None
    is_candidate: bool
    dropped_frames: int

    @property
    def version(self) -> int:
        return self.regeneration_count + 1

    def refuse_review_unless_generated(self) -> None:
        if self.state is not SegmentState.GENERATED:
            raise Conflict(
                f"segment {self.id} is {self.state.value}; there is no clip to review before it is generated"
            )
        if not self.is_current:
            raise Conflict(f"segment {self.id} is not the current version of its position; review the current one")

    def refuse_review_unless_seen(self, seen_revision: int | None) -> None:
        """A person who did not see that it became stale, or why, has not judged that."""
        if seen_revision is not None and self.stale_revision > seen_revision:
            raise Conflict(f"what is before segment {self.id} changed after revision {seen_revision}; look at it again")


def first_unfinished(segments: Sequence[Segment]) -> Segment | None:
    """Where a chain stands: the first current segment without a clip."""
    waiting = [s for s in segments if s.is_current and s.state is not SegmentState.GENERATED]
    return min(waiting, key=lambda s: s.position, default=None)


def remaining_chain(*, segment_count: int, position: int) -> int:
    """Segments still to render one after the other, this one included. The longest chain bounds when all is done."""
    return segment_count - position + 1
