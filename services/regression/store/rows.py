"""Rows as dataclasses. JSON columns are plain dictionaries; operations give them their meaning."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.regression.domain.judgement import Verdict
from services.regression.domain.lifecycle import (
    Outcome,
    ReferenceStatus,
    RenderState,
    RollbackState,
    RunStatus,
    Trigger,
)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetVersionRow:
    id: int
    asset_id: int
    kind: str
    name: str
    version: int
    checksum: str
    file_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetRow:
    id: int
    kind: str
    name: str
    active_version_id: int
    previous_version_id: int | None
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneRow:
    id: int
    project_id: int
    character_id: int
    scene_type_id: int
    name: str
    seed_image_sha256: str
    source_image_sha256: str
    assets: list[Json]
    segments: list[Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRow:
    """`assets` is the lock of the present baseline; `segments` are full-tier orders, as the scene was planned."""

    id: int
    project_id: int
    character_id: int
    scene_type_id: int
    reference_scene_id: int
    name: str
    enabled: bool
    status: ReferenceStatus
    failure: str | None
    thresholds: Json
    assets: list[Json]
    segments: list[Json]
    seed_image_sha256: str
    source_image_sha256: str
    baseline_id: int | None
    created_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineRow:
    id: int
    reference_id: int
    version: int
    status: ReferenceStatus
    failure: str | None
    assets: list[Json]
    accepted_from_run_id: int | None
    clips: Json
    scores: Json
    noise: Json
    environments: list[Json]
    metric_suite_version: str | None
    identity_backend: Json | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRow:
    request_id: UUID
    reference_id: int
    purpose: str
    run_id: int | None
    baseline_id: int | None
    state: RenderState
    segment_count: int
    scene_id: int | None
    failure: Json | None
    remeasure_asked_at: datetime | None
    requested_at: datetime | None
    deadline_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderSegmentRow:
    """`generated` and `scored` are the events, as they were said."""

    request_id: UUID
    position: int
    generated: Json | None
    scored: Json | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    id: int
    trigger_type: Trigger
    trigger_asset_id: int | None
    trigger_version_id: int | None
    previous_version_id: int | None
    asset_sequence: int
    status: RunStatus
    outcome: Outcome | None
    reason: str
    requested_by: str
    references_total: int
    segments_total: int
    gone: list[Json]
    superseded_at: datetime | None
    superseded_by: int | None
    proof_of_run_id: int | None
    rollback_state: RollbackState | None
    rollback_reason: str | None
    rollback_requested_by: str | None
    accepted_at: datetime | None
    accepted_by: str | None
    started_at: datetime | None
    completed_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewResult:
    run_id: int
    reference_id: int
    new_scene_id: int | None
    baseline_scores: Json
    new_scores: Json
    verdict: Verdict
    baseline_id: int | None
    request_id: UUID
    summary: str
    failure: Json | None
    timed_out: bool
    judgement: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow(NewResult):
    id: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What people call the things of a reference; None where the fact never came or is deleted."""

    character: str | None
    scene_type: str | None
    scene: str | None
