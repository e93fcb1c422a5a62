"""Answers about runs. Ids of clips are sha256; frames count from 0; regions are x, y, width, height in pixels."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from services.regression.domain.comparison import Change
from services.regression.domain.judgement import Verdict
from services.regression.domain.lifecycle import Outcome, RenderState, RollbackState, RunStatus, Trigger
from services.regression.domain.rules import Direction
from shared.contracts.types import LockedAsset
from shared.http import ResponseModel

Region = tuple[int, int, int, int]


class AssetView(ResponseModel):
    id: int
    kind: str
    name: str
    version_id: int
    version: int
    previous_version_id: int | None
    previous_version: int | None


class RollbackView(ResponseModel):
    state: RollbackState = Field(description="done: the earlier version is active and its proof is rendered")
    reason: str | None
    requested_by: str | None
    proof_run_id: int | None


class GoneView(ResponseModel):
    reference_id: int
    name: str
    reason: str


class PossibleView(ResponseModel):
    """What may be asked of the run without insisting (`force`, `override`)."""

    rollback: bool
    accept: bool
    cancel: bool


class RunView(ResponseModel):
    id: int
    trigger_type: Trigger
    status: RunStatus
    outcome: Outcome | None
    reason: str = Field(description="the outcome in one sentence; empty while the run goes on")
    requested_by: str
    superseded: bool = Field(description="a newer version became active while the run was going on")
    superseded_by_run_id: int | None
    asset: AssetView | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    proves_run_id: int | None = Field(description="of a rollback proof: the run that was rolled back")
    accepted_at: datetime | None
    accepted_by: str | None
    rollback: RollbackView | None
    gone: list[GoneView] = Field(description="references that were deleted while the run was going on")
    can: PossibleView
    references_total: int
    segments_total: int


class AcceptedView(ResponseModel):
    run: RunView
    capturing_reference_ids: list[int]


class SummaryView(ResponseModel):
    improved: int
    same: int
    degraded: int
    not_comparable: int
    references_total: int
    references_done: int
    segments_total: int
    segments_done: int


class StageSecondsView(ResponseModel):
    """`queue`, `render` and `score` are sums over all segments; `judge` and `total` are wall time."""

    queue: float
    render: float
    score: float
    judge: float | None
    total: float | None


class SecondsView(ResponseModel):
    """`wall` from asking to the last score; the others are sums over the segments."""

    queue: float
    render: float
    score: float
    wall: float | None


class WorstView(ResponseModel):
    """What decided the verdict."""

    metric: str
    position: int
    frame: int | None
    region: Region | None
    veto: bool
    baseline: float | None
    new: float | None
    delta: float | None
    noise: float | None
    limit: float | None


class MetricView(ResponseModel):
    metric: str
    label: str
    unit: str
    direction: Direction
    veto: bool
    baseline: float | None = Field(description="mean of the identical baseline renders")
    new: float | None
    delta: float | None = Field(description="new minus baseline")
    threshold: float | None = Field(description="smallest move that counts")
    noise: float | None = Field(description="standard deviation of the identical baseline renders")
    noise_factor: float | None = Field(description="noise times this is the prediction interval of a repetition")
    limit: float | None = Field(description="the larger of threshold and noise times noise_factor")
    severity: float | None = Field(description="the move in limits; above 1 it counts")
    verdict: Change
    uncertainty: str
    reason: str
    not_measurable: str | None
    worst_frame: int | None
    worst_value: float | None
    worst_region: Region | None


class SegmentView(ResponseModel):
    position: int
    verdict: Verdict | None
    baseline_clip_sha256: str | None
    new_clip_sha256: str | None
    baseline_prompt_id: UUID | None
    prompt_id: UUID | None
    failure: dict[str, Any] | None
    fps: float | None
    frames: int | None
    width: int | None
    height: int | None
    server: str | None
    attempt: int | None
    queued_seconds: float | None
    render_seconds: float | None
    measure_seconds: float | None
    metrics: list[MetricView]


class ComparedBaselineView(ResponseModel):
    id: int
    version: int
    renders: int
    assets: list[LockedAsset]
    metric_suite_version: str | None
    identity_backend: dict[str, Any] | None
    environments: list[dict[str, Any]]
    accepted_from_run_id: int | None
    created_at: datetime
    prompt_ids: list[UUID] = Field(description="of every render behind the baseline")


class ReferenceResultView(ResponseModel):
    result_id: int | None = Field(description="None while the reference is still being rendered")
    reference_id: int
    name: str
    character_name: str | None
    scene_type_name: str | None
    scene_name: str | None
    source_scene_id: int
    new_scene_id: int | None
    request_id: UUID
    state: RenderState
    verdict: Verdict | None
    reason: str
    reasons: list[str]
    vetoed: bool = Field(description="degraded in a metric that no gain elsewhere can buy back")
    timed_out: bool
    failure: dict[str, Any] | None
    worst: WorstView | None
    baseline: ComparedBaselineView | None
    environments: list[dict[str, Any]]
    segments: list[SegmentView]
    seconds: SecondsView


class ReportView(ResponseModel):
    run: RunView
    summary: SummaryView
    identity_backend: dict[str, Any] | None
    stage_seconds: StageSecondsView
    references: list[ReferenceResultView]
