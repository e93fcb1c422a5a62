"""Asking for a repair, and what becomes of it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Response, status
from pydantic import Field

from services.smoothing import domain
from services.smoothing.api.fields import MAX_ID, Creator, PathId, RequestCause, Viewer
from services.smoothing.operations import ReadOperations, RepairOperations
from services.smoothing.operations.wire import told
from shared.contracts.boundary import SeamReading, SmoothingMethod
from shared.http import RequestModel, ResponseModel

RETRY_SECONDS = 2


class SmoothRequest(RequestModel):
    """`frames`, `overwrite`: not with `accept`, which changes no clip."""

    position: Literal["before", "after"]
    method: Literal["frame_blending", "re_extraction", "accept"] = Field(
        description="frame_blending: a motion-compensated cross-fade; re_extraction: cut at the best pair of frames; "
        "accept: the boundary is fine as it is"
    )
    frames: int | None = Field(
        default=None,
        ge=1,
        le=domain.MOST_FRAMES,
        description="to blend, or to drop at most from each clip; left out: as many as are needed",
    )
    overwrite: list[Annotated[int, Field(ge=1, le=MAX_ID)]] = Field(
        default_factory=list, max_length=2, description="approved or locked versions that the repair may replace"
    )


class SmoothResponse(ResponseModel):
    """What was begun; `accepted` is done at once and has no repair."""

    status: Literal["queued", "accepted"]
    repair_id: UUID | None
    links: dict[str, str]


class RepairedClipView(ResponseModel):
    segment_id: int = Field(description="the version that it was made from")
    position: int
    clip_sha256: str
    last_frame_sha256: str = Field(description="the hand-over frame to what follows")
    frames: int
    changed_frames: int
    dropped_at_start: int
    dropped_at_end: int


class ProgressView(ResponseModel):
    """Frames that are encoded, of how many over all the clips that are changed. Measuring and scoring come after it."""

    done: int
    total: int


class RepairView(ResponseModel):
    """`before`, `after`: the boundary in numbers, without and with the repair, as far as it was made."""

    id: UUID
    state: Literal["queued", "making", "proposed", "current", "rejected", "cancelled", "undone"]
    scene_id: int
    segment_id: int = Field(description="the segment whose boundary it is")
    position: Literal["before", "after"]
    positions: tuple[int, int] = Field(description="of the two segments that meet there")
    previous_segment_id: int
    next_segment_id: int
    method: SmoothingMethod
    frames: int | None
    requested_by: str
    reasons: list[str] = Field(description="why it was rejected, one line each")
    rejected_by: Literal["smoothing", "dispatch"] | None
    before: SeamReading | None
    after: SeamReading | None
    clips: list[RepairedClipView]
    dropped_frames: int
    ahead: int | None = Field(description="while it is queued: repairs that are made before it")
    progress: ProgressView | None = Field(description="while it is made, from the first frame on that is encoded")
    created_at: datetime
    proposed_at: datetime | None
    ended_at: datetime | None
    links: dict[str, str]


def repairs_router(reads: ReadOperations, repairs: RepairOperations) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["smoothing"])

    @router.post(
        "/segments/{segment_id}/smooth-boundary",
        summary="Repair a boundary, or accept it as it is",
        response_model=SmoothResponse,
        status_code=status.HTTP_202_ACCEPTED,
        responses={status.HTTP_200_OK: {"model": SmoothResponse, "description": "accepted as it is"}},
    )
    async def smooth_boundary(
        segment_id: PathId, body: SmoothRequest, response: Response, cause: RequestCause, _: Creator
    ) -> SmoothResponse:
        segment, side = domain.SegmentId(segment_id), domain.Side(body.position)
        checked = f"/api/segments/{segment_id}/boundary-check"
        if body.method == "accept":
            if body.frames is not None or body.overwrite:
                raise domain.Refused("accept changes no clip: leave frames and overwrite out")
            await repairs.accept(cause, segment, side)
            response.status_code = status.HTTP_200_OK
            return SmoothResponse(status="accepted", repair_id=None, links={"boundary_check": checked})
        wish = domain.Wish(
            segment_id=segment,
            side=side,
            method=domain.Method(body.method),
            frames=body.frames,
            overwrite=tuple(body.overwrite),
        )
        repair_id = await repairs.request(cause, wish)
        return SmoothResponse(
            status="queued", repair_id=repair_id, links={"self": _address(repair_id), "boundary_check": checked}
        )

    @router.get("/boundary-repairs/{repair_id}", summary="How a repair goes", response_model=RepairView)
    async def boundary_repair(repair_id: UUID, response: Response, _: Viewer) -> RepairView:
        repair = await reads.repair(repair_id)
        if repair.state.is_open:
            response.headers["Retry-After"] = str(RETRY_SECONDS)
        return repair_view(repair)

    @router.delete("/boundary-repairs/{repair_id}", summary="Cancel a queued repair", response_model=RepairView)
    async def cancel(repair_id: UUID, cause: RequestCause, _: Creator) -> RepairView:
        await repairs.cancel(cause, repair_id)
        return repair_view(await reads.repair(repair_id))

    return router


def repair_view(repair: domain.Repair) -> RepairView:
    made, meeting = repair.made, repair.meeting
    links = {"self": _address(repair.id), "boundary_check": f"/api/segments/{repair.wish.segment_id}/boundary-check"}
    if repair.state is domain.RepairState.CURRENT:
        links["undo"] = f"{_address(repair.id)}/undo"
    return RepairView(
        id=repair.id,
        state=repair.state.value,
        scene_id=repair.scene_id,
        segment_id=repair.wish.segment_id,
        position=repair.wish.side.value,
        positions=(meeting.previous.position, meeting.next.position),
        previous_segment_id=meeting.previous.id,
        next_segment_id=meeting.next.id,
        method=SmoothingMethod(repair.wish.method.value),
        frames=repair.wish.frames,
        requested_by=repair.requested_by,
        reasons=list(made.reasons),
        rejected_by=repair.rejected_by,
        before=None if made.before is None else told(made.before),
        after=None if made.after is None else told(made.after),
        clips=[_clip(clip) for clip in made.clips],
        dropped_frames=sum(clip.dropped_at_start + clip.dropped_at_end for clip in made.clips),
        ahead=repair.ahead if repair.state is domain.RepairState.QUEUED else None,
        progress=_progress(repair.progress),
        created_at=repair.created_at,
        proposed_at=repair.proposed_at,
        ended_at=repair.ended_at,
        links=links,
    )


def _clip(clip: domain.CandidateClip) -> RepairedClipView:
    return RepairedClipView(
        segment_id=clip.segment_id,
        position=clip.position,
        clip_sha256=clip.file.sha256,
        last_frame_sha256=clip.last_frame_sha256,
        frames=clip.file.frames,
        changed_frames=clip.changed_frames,
        dropped_at_start=clip.dropped_at_start,
        dropped_at_end=clip.dropped_at_end,
    )


def _progress(progress: domain.Progress | None) -> ProgressView | None:
    return None if progress is None else ProgressView(done=progress.done, total=progress.total)


def _address(repair_id: UUID) -> str:
    return f"/api/boundary-repairs/{repair_id}"
