"""/api/segments"""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from services.dispatch.api.fields import MAX_ID, Creator, PathId, RequestCause, Viewer
from services.dispatch.domain.errors import NotFound
from services.dispatch.domain.repairs import summary
from services.dispatch.domain.scenes import Review, Segment, SegmentState
from services.dispatch.domain.timeline import Outcome
from services.dispatch.operations.reviews import ReviewOperations
from services.dispatch.store import Store
from shared.contracts.segment import ReviewDecision
from shared.contracts.types import EnvironmentFingerprint, GateVerdict, RenderFailure, RenderParameters
from shared.http import RequestModel, ResponseModel


class ReviewRequest(RequestModel):
    """`seen_revision`: the scene's revision that was looked at; a segment that became stale since is not reviewed."""

    note: Annotated[str, Field(max_length=2000)] = ""
    seen_revision: Annotated[int, Field(ge=0, le=MAX_ID)] | None = None


class ClipResponse(ResponseModel):
    sha256: str
    size_bytes: int
    frame_digest: str
    last_frame_sha256: str
    width: int
    height: int
    frames: int
    fps: float
    duration_seconds: float


class StaleCause(ResponseModel):
    """Broken is the hand-over after `position`: `segment_id`, current there, ends on `given`, and what follows
    was rendered from `taken`. `chain`: the positions from there to the stale segment. `ssim`: of the two frames.
    """

    position: int
    segment_id: int
    given: str
    taken: str
    ssim: float | None
    chain: list[int]


class ActivationResponse(ResponseModel):
    """What became of the segments after it, by position, when it became current; `held`: it did not, and why."""

    outcome: Outcome
    reason: str
    became_stale: list[int]
    became_fresh: list[int]


class GateResponse(ResponseModel):
    """`limit`: the one that was crossed; null where none was, or the metric could not be measured."""

    verdict: GateVerdict
    value: float | None
    limit: float | None
    message: str


class RepairOfBoundary(ResponseModel):
    """What a repaired version is: `side`: the boundary before or after it. `summary`: the same in words."""

    repair_id: UUID
    method: str
    side: Literal["before", "after"]
    changed_frames: int
    dropped_at_start: int
    dropped_at_end: int
    summary: str


class SegmentResponse(ResponseModel):
    """One version of one position. `requested_parameters` are full-tier, `parameters` what was really rendered.

    `is_stale`: something before it changed, and it was not approved or rendered again since. `gates`, by metric: how
    its clip did under the quality gates; null while it has no score. `not_measurable`: why it cannot have one.
    `repair`: of a version that was not rendered but made of another one; as long as `is_candidate` it is not accepted,
    and `activation` says so when it was refused.
    """

    id: int
    scene_id: int
    position: int
    version: int
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
    requested_parameters: RenderParameters
    parameters: RenderParameters | None
    seed_image_sha256: str | None
    baseline_clip_sha256: str | None
    clip: ClipResponse | None
    environment: EnvironmentFingerprint | None
    job_id: int | None
    attempt: int | None
    prompt_id: UUID | None
    server: str | None
    queued_seconds: float | None
    render_seconds: float | None
    generated_at: datetime | None
    failure: RenderFailure | None
    gate_verdict: str | None
    quality_score: float | None
    gates: dict[str, GateResponse] | None
    not_measurable: str | None
    metric_suite_version: str | None
    identity_backend: str | None
    is_locked: bool
    stale_causes: list[StaleCause]
    stale_revision: int
    activation: ActivationResponse | None
    cascade_id: int | None
    repair: RepairOfBoundary | None
    is_candidate: bool

    @classmethod
    def of(cls, segment: Segment) -> Self:
        shown = None
        if segment.repair_id is not None and segment.repair is not None:
            shown = {"repair_id": segment.repair_id, "summary": summary(segment.repair), **segment.repair}
        return cls.model_validate(replace(segment, repair=shown))


def build_router(*, operations: ReviewOperations, store: Store) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["segments"])

    @router.get("/segments/{segment_id}", summary="Show one version of a segment", response_model=SegmentResponse)
    async def show(segment_id: PathId, _: Viewer) -> SegmentResponse:
        segment = await store.segment(segment_id)
        if segment is None:
            raise NotFound(f"there is no segment {segment_id}")
        return SegmentResponse.of(segment)

    @router.post(
        "/segments/{segment_id}/approve",
        summary="Approve the current version of a segment",
        response_model=SegmentResponse,
    )
    async def approve(
        segment_id: PathId, cause: RequestCause, _: Creator, body: ReviewRequest | None = None
    ) -> SegmentResponse:
        """A stale segment that is approved is good as it is, and not stale any more."""
        review = body or ReviewRequest()
        return SegmentResponse.of(
            await operations.review(
                segment_id, ReviewDecision.APPROVED, review.note, cause, seen_revision=review.seen_revision
            )
        )

    @router.post(
        "/segments/{segment_id}/reject",
        summary="Reject the current version of a segment",
        response_model=SegmentResponse,
    )
    async def reject(
        segment_id: PathId, cause: RequestCause, _: Creator, body: ReviewRequest | None = None
    ) -> SegmentResponse:
        review = body or ReviewRequest()
        return SegmentResponse.of(
            await operations.review(
                segment_id, ReviewDecision.REJECTED, review.note, cause, seen_revision=review.seen_revision
            )
        )

    return router
