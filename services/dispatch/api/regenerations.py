"""/api/segments/{id}: regenerate, versions, revert, lock, cascade"""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, status
from pydantic import Field

from services.dispatch.api.fields import MAX_ID, Creator, PathId, RequestCause, Viewer
from services.dispatch.api.scenes import Overrides
from services.dispatch.api.segments import SegmentResponse
from services.dispatch.domain.errors import NotFound
from services.dispatch.domain.regeneration import CascadeState, RegenerationFacts
from services.dispatch.domain.scenes import Review
from services.dispatch.domain.timeline import Version
from services.dispatch.operations.regenerations import RegenerationOperations
from services.dispatch.store import Store
from shared.contracts.types import Seed
from shared.http import Page, RequestModel, ResponseModel

Overwrite = Annotated[
    tuple[Annotated[int, Field(ge=1, le=MAX_ID)], ...],
    Field(max_length=100, description="ids of approved or locked segments that may be replaced"),
]
OverwriteQuery = Annotated[list[Annotated[int, Field(ge=1, le=MAX_ID)]] | None, Query(max_length=100)]
WaitSeconds = Annotated[float, Query(ge=0, le=60, description="wait so long for the render to end")]


class RegenerateRequest(RequestModel):
    """Only what is to differ from the version there is; nothing: the same again."""

    seed: Seed | None = None
    parameters: Overrides = Overrides()
    overwrite: Overwrite = ()

    def changes(self) -> dict[str, Any]:
        return self.parameters.given() | ({} if self.seed is None else {"seed": self.seed})


class OverwriteRequest(RequestModel):
    overwrite: Overwrite = ()


class TouchedSegment(ResponseModel):
    segment_id: int
    position: int
    review: Review
    is_locked: bool
    is_stale: bool

    @classmethod
    def of(cls, version: Version) -> "TouchedSegment":
        return cls(
            segment_id=version.id,
            position=version.position,
            review=version.review,
            is_locked=version.is_locked,
            is_stale=version.is_stale,
        )


class RegenerationFactsResponse(ResponseModel):
    """What to show before a regeneration. `render_seconds`: what the present version took; waiting comes on top.

    `approvals_affected`: approved segments that would be replaced, or may no longer fit what is before them.
    """

    message: str
    segment: TouchedSegment
    may_need_rechecking: list[TouchedSegment]
    approvals_affected: list[TouchedSegment]
    render_seconds: float

    @classmethod
    def of(cls, facts: RegenerationFacts) -> "RegenerationFactsResponse":
        return cls(
            message=facts.message,
            segment=TouchedSegment.of(facts.segment),
            may_need_rechecking=[TouchedSegment.of(v) for v in facts.may_need_rechecking],
            approvals_affected=[TouchedSegment.of(v) for v in facts.approvals_affected],
            render_seconds=facts.render_seconds,
        )


class RegenerationResponse(ResponseModel):
    """`segment`: the new version; `replaces`: the one that stays current until it is rendered.

    `became_stale`: how many segments did. None as long as it is not rendered: ask for the segment, whose `activation`
    says it then, or send the request with `wait_seconds`.
    """

    segment: SegmentResponse
    replaces: int
    message: str
    may_need_rechecking: list[TouchedSegment]
    became_stale: int | None


class RevertResponse(ResponseModel):
    """`segment`: the version that is current now."""

    segment: SegmentResponse
    became_stale: int
    became_fresh: int
    reason: str


class CascadePlanResponse(ResponseModel):
    """The most that it renders: it stops as soon as a segment hands over the frame that the next one expects.

    `stops`: what it would stop at before the end of the scene, empty when nothing is in the way.
    """

    segments: list[TouchedSegment]
    voided_approvals: list[TouchedSegment]
    render_seconds: float
    render_minutes: float
    stops: str


class CascadeResponse(ResponseModel):
    id: int
    scene_id: int
    from_segment_id: int
    overwrite: list[int]
    state: CascadeState
    reason: str
    requested_by: str
    created_at: datetime
    finished_at: datetime | None


def build_router(*, operations: RegenerationOperations, store: Store) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["regeneration"])
    _add_regeneration(router, operations)
    _add_cancel(router, operations)
    _add_versions(router, operations, store)
    _add_cascades(router, operations, store)
    return router


def _add_regeneration(router: APIRouter, operations: RegenerationOperations) -> None:
    @router.get(
        "/segments/{segment_id}/regeneration",
        summary="Say what regenerating a segment would touch and cost",
        response_model=RegenerationFactsResponse,
    )
    async def facts(segment_id: PathId, _: Viewer) -> RegenerationFactsResponse:
        return RegenerationFactsResponse.of(await operations.facts(segment_id))

    @router.post(
        "/segments/{segment_id}/regenerate",
        summary="Render one segment again, from the same frame",
        response_model=RegenerationResponse,
        status_code=status.HTTP_202_ACCEPTED,
    )
    async def regenerate(
        segment_id: PathId,
        cause: RequestCause,
        _: Creator,
        body: RegenerateRequest | None = None,
        wait_seconds: WaitSeconds = 0,
    ) -> RegenerationResponse:
        """The old version stays, with its scores. A locked segment is replaced only when `overwrite` names it."""
        asked = body or RegenerateRequest()
        segment, told = await operations.regenerate(
            segment_id, changes=asked.changes(), overwrite=frozenset(asked.overwrite), cause=cause
        )
        shown = SegmentResponse.of(await operations.rendered(segment.id, wait_seconds=wait_seconds))
        return RegenerationResponse(
            segment=shown,
            replaces=segment_id,
            message=told.message,
            may_need_rechecking=[TouchedSegment.of(v) for v in told.may_need_rechecking],
            became_stale=None if shown.activation is None else len(shown.activation.became_stale),
        )


def _add_cancel(router: APIRouter, operations: RegenerationOperations) -> None:
    @router.post(
        "/segments/{segment_id}/cancel",
        summary="Stop the render of a new version of a segment",
        response_model=SegmentResponse,
    )
    async def cancel(segment_id: PathId, cause: RequestCause, _: Creator) -> SegmentResponse:
        """And the cascade that it is a step of. A segment of a scene's first rendering is cancelled with the scene."""
        return SegmentResponse.of(await operations.cancel(segment_id, cause))


def _add_versions(router: APIRouter, operations: RegenerationOperations, store: Store) -> None:
    @router.get(
        "/segments/{segment_id}/versions",
        summary="List every version of a segment's position, newest first",
        response_model=Page[SegmentResponse],
    )
    async def versions(segment_id: PathId, _: Viewer) -> Page[SegmentResponse]:
        found = await store.versions_of(segment_id)
        if not found:
            raise NotFound(f"there is no segment {segment_id}")
        return Page(items=[SegmentResponse.of(segment) for segment in found])

    @router.post(
        "/segments/{segment_id}/revert",
        summary="Make an earlier version current again",
        response_model=RevertResponse,
    )
    async def revert(
        segment_id: PathId, cause: RequestCause, _: Creator, body: OverwriteRequest | None = None
    ) -> RevertResponse:
        """The version named; or, when that is the current one, the one that it replaced."""
        overwrite = frozenset(body.overwrite) if body else frozenset[int]()
        segment, activation = await operations.revert(segment_id, overwrite=overwrite, cause=cause)
        return RevertResponse(
            segment=SegmentResponse.of(segment),
            became_stale=len(activation.became_stale),
            became_fresh=len(activation.became_fresh),
            reason=activation.reason,
        )

    @router.post(
        "/segments/{segment_id}/lock",
        summary="Keep the current version from being replaced",
        response_model=SegmentResponse,
    )
    async def lock(segment_id: PathId, cause: RequestCause, _: Creator) -> SegmentResponse:
        return SegmentResponse.of(await operations.lock(segment_id, cause))

    @router.post(
        "/segments/{segment_id}/unlock",
        summary="Let a locked version be replaced again",
        response_model=SegmentResponse,
    )
    async def unlock(segment_id: PathId, cause: RequestCause, _: Creator) -> SegmentResponse:
        return SegmentResponse.of(await operations.unlock(segment_id, cause))


def _add_cascades(router: APIRouter, operations: RegenerationOperations, store: Store) -> None:
    @router.get(
        "/segments/{segment_id}/cascade",
        summary="Say what a cascade after a segment would render and void",
        response_model=CascadePlanResponse,
    )
    async def preview(segment_id: PathId, _: Viewer, overwrite: OverwriteQuery = None) -> CascadePlanResponse:
        plan = await operations.cascade_preview(segment_id, overwrite=frozenset(overwrite or ()))
        return CascadePlanResponse(
            segments=[TouchedSegment.of(v) for v in plan.segments],
            voided_approvals=[TouchedSegment.of(v) for v in plan.voided_approvals],
            render_seconds=plan.render_seconds,
            render_minutes=plan.render_seconds / 60,
            stops=plan.stops,
        )

    @router.post(
        "/segments/{segment_id}/cascade",
        summary="Regenerate the stale segments after a segment, one by one",
        response_model=CascadeResponse,
        status_code=status.HTTP_202_ACCEPTED,
    )
    async def cascade(
        segment_id: PathId, cause: RequestCause, _: Creator, body: OverwriteRequest | None = None
    ) -> CascadeResponse:
        """Stops where a frame converges, and before an approved or locked segment that `overwrite` does not name."""
        overwrite = frozenset(body.overwrite) if body else frozenset[int]()
        return CascadeResponse.model_validate(await operations.cascade(segment_id, overwrite=overwrite, cause=cause))

    @router.get("/cascades/{cascade_id}", summary="Show how far a cascade is", response_model=CascadeResponse)
    async def show(cascade_id: PathId, _: Viewer) -> CascadeResponse:
        found = await store.cascade(cascade_id)
        if found is None:
            raise NotFound(f"there is no cascade {cascade_id}")
        return CascadeResponse.model_validate(found)
