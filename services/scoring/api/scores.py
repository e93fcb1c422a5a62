"""Scores of a segment, quality gates, and asking for another measurement."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, status
from pydantic import Field

from services.scoring import domain
from services.scoring.api.fields import (
    MAX_ID,
    Creator,
    Id,
    Limit,
    PathId,
    RequestCause,
    ReviewResponse,
    Viewer,
    review_of,
)
from services.scoring.operations import RequestOperations
from services.scoring.operations.wire import outcome_of, reading_of
from services.scoring.store import GateStore, ScoreStore, SegmentStore
from shared.contracts.types import ClipExpectation, Direction, GateResult, GateVerdict, MetricReading, Sha256
from shared.http import PageQuery, RequestModel, ResponseModel


class ScoreResponse(ResponseModel):
    id: int
    clip_sha256: str
    baseline_clip_sha256: str | None
    metric_suite_version: str
    identity_backend: str
    identity_backend_version: str
    status: Literal["measured", "not_measurable"]
    not_measurable: str | None
    metrics: dict[str, MetricReading]
    gates: list[GateResult]
    gate_verdict: GateVerdict
    quality_score: float | None
    measure_seconds: float
    scored_at: datetime


class SegmentScores(ResponseModel):
    """A page of a segment's scores, newest question first, with what the segment is."""

    segment_id: int
    scene_id: int
    position: int
    clip_sha256: str
    expected: ClipExpectation
    is_current: bool
    review: ReviewResponse | None = Field(description="what a person said of the same clip; null: nothing yet")
    waiting: int = Field(description="scores that are still to come")
    items: list[ScoreResponse]
    next_cursor: str | None


class GateRequest(RequestModel):
    """Limits of one metric; left out: no limit on that side."""

    metric: str = Field(max_length=100)
    warn_below: Limit
    fail_below: Limit
    warn_above: Limit
    fail_above: Limit
    identity_backend: str | None = Field(
        default=None,
        max_length=100,
        description="on whose scale limits of identity are; left out: of the back-end in use. Clips that another one "
        "measures are not judged by them",
    )


class GatesRequest(RequestModel):
    """All gates of a project, or of one scene type of it; metrics left out fall back to the wider scope."""

    project_id: Id
    scene_type_id: Id | None = None
    gates: list[GateRequest] = Field(max_length=100)


class GateResponse(ResponseModel):
    metric: str
    direction: Direction
    unit: str
    warn_below: float | None
    fail_below: float | None
    warn_above: float | None
    fail_above: float | None
    identity_backend: str | None
    source: Literal["built_in", "project", "scene_type"]


class GatesResponse(ResponseModel):
    project_id: int
    scene_type_id: int | None
    metric_suite_version: str
    identity_backend: str = Field(description="the back-end in use; limits on other back-ends' scales are not shown")
    gates: list[GateResponse]


class ScoringRequest(RequestModel):
    clip_sha256: Sha256
    baseline_clip_sha256: Sha256 | None = Field(
        default=None, description="compare with this clip instead of the one it was generated with"
    )


class Accepted(ResponseModel):
    status: Literal["requested"] = "requested"


def scores_router(
    *,
    operations: RequestOperations,
    segments: SegmentStore,
    scores: ScoreStore,
    gates: GateStore,
    identity_backend: str,
) -> APIRouter:
    """`identity_backend` is the one in use."""
    router = APIRouter(prefix="/api", tags=["scoring"])

    @router.get("/segments/{segment_id}/scores", summary="Scores of a segment", response_model=SegmentScores)
    async def segment_scores(segment_id: PathId, page: Annotated[PageQuery, Depends()], _: Viewer) -> SegmentScores:
        state = await segments.state(domain.SegmentId(segment_id))
        if state is None:
            raise domain.NotFound(f"segment {segment_id} is not known to scoring; only generated segments have scores")
        found = await scores.of_segment(domain.SegmentId(segment_id), before=page.after_id, limit=page.limit)
        return _segment_scores(state, found, next_cursor=page.next_cursor([score.id for score in found]))

    async def resolved(project_id: int, scene_type_id: int | None) -> GatesResponse:
        sourced = domain.sourced_gates(
            project=await gates.of(project_id=project_id, scene_type_id=None),
            scene_type=[]
            if scene_type_id is None
            else await gates.of(project_id=project_id, scene_type_id=scene_type_id),
            identity_backend=identity_backend,
        )
        return _gates(project_id, scene_type_id, sourced, identity_backend=identity_backend)

    @router.get("/quality-gates", summary="The gates that hold in a scope", response_model=GatesResponse)
    async def quality_gates(
        project_id: Annotated[int, Query(ge=1, le=MAX_ID)],
        _: Viewer,
        scene_type_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    ) -> GatesResponse:
        return await resolved(project_id, scene_type_id)

    @router.put("/quality-gates", summary="Replace the gates of a scope", response_model=GatesResponse)
    async def replace_quality_gates(body: GatesRequest, cause: RequestCause, _: Creator) -> GatesResponse:
        await operations.replace_gates(
            cause,
            [domain.Gate(**gate.model_dump()) for gate in body.gates],
            project_id=body.project_id,
            scene_type_id=body.scene_type_id,
        )
        return await resolved(body.project_id, body.scene_type_id)

    @router.post(
        "/scoring/requests",
        summary="Measure a clip again",
        response_model=Accepted,
        status_code=status.HTTP_202_ACCEPTED,
    )
    async def request_scoring(body: ScoringRequest, cause: RequestCause, _: Creator) -> Accepted:
        await operations.request_scoring(cause, body.clip_sha256, baseline_clip_sha256=body.baseline_clip_sha256)
        return Accepted()

    return router


def _segment_scores(state: domain.SegmentState, found: list[domain.Score], *, next_cursor: str | None) -> SegmentScores:
    return SegmentScores(
        segment_id=state.segment.id,
        scene_id=state.segment.scene_id,
        position=state.segment.position,
        clip_sha256=state.segment.clip_sha256,
        expected=ClipExpectation.model_validate(state.segment.expected, from_attributes=True),
        is_current=state.is_current,
        review=review_of(state),
        waiting=state.waiting,
        items=[_score(score) for score in found],
        next_cursor=next_cursor,
    )


def _score(score: domain.Score) -> ScoreResponse:
    measurement, question = score.answer.measurement, score.answer.question
    return ScoreResponse(
        id=score.id,
        clip_sha256=question.clip_sha256,
        baseline_clip_sha256=question.baseline_clip_sha256,
        metric_suite_version=question.method.suite_version,
        identity_backend=question.method.identity_backend,
        identity_backend_version=question.method.identity_backend_version,
        status="measured" if measurement.not_measurable is None else "not_measurable",
        not_measurable=measurement.not_measurable,
        metrics={name: reading_of(reading) for name, reading in measurement.readings.items()},
        gates=[outcome_of(outcome) for outcome in score.outcomes],
        gate_verdict=GateVerdict(score.verdict.value),
        quality_score=score.quality_score,
        measure_seconds=score.answer.measure_seconds,
        scored_at=score.scored_at,
    )


def _gates(
    project_id: int,
    scene_type_id: int | None,
    sourced: Mapping[str, tuple[domain.Gate, domain.GateSource]],
    *,
    identity_backend: str,
) -> GatesResponse:
    return GatesResponse(
        project_id=project_id,
        scene_type_id=scene_type_id,
        metric_suite_version=domain.METRIC_SUITE_VERSION,
        identity_backend=identity_backend,
        gates=[
            GateResponse(
                metric=gate.metric,
                direction=Direction(domain.METRICS[gate.metric].direction.value),
                unit=domain.METRICS[gate.metric].unit,
                warn_below=gate.warn_below,
                fail_below=gate.fail_below,
                warn_above=gate.warn_above,
                fail_above=gate.fail_above,
                identity_backend=gate.identity_backend,
                source=source.value,
            )
            for gate, source in sourced.values()
        ],
    )
