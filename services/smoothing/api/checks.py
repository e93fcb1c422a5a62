"""`GET /api/segments/{id}/boundary-check`: how a version joins the versions before and after it."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Response, status
from pydantic import Field

from services.smoothing import domain
from services.smoothing.api.fields import PathId, Viewer
from services.smoothing.api.repairs import RepairView, repair_view
from services.smoothing.operations import Boundaries, Boundary, ReadOperations
from services.smoothing.operations.wire import reading
from shared.contracts.boundary import SeamReading, SeamRecommendation, SeamVerdict
from shared.http import ResponseModel

RETRY_SECONDS = 1


class NeighbourView(ResponseModel):
    segment_id: int
    position: int
    version: int
    clip_sha256: str


class BoundaryView(ResponseModel):
    """One end of a version. `reading`, `verdict`, `recommendation`: only where it was measured."""

    status: Literal["not_rendered", "pending", "measured", "not_measurable"] = Field(
        description="not_rendered: no clip beside it is known yet; pending: it will be measured, ask again"
    )
    is_current: bool = Field(description="whether both versions are those that the scene shows")
    neighbour: NeighbourView | None
    reading: SeamReading | None = None
    verdict: SeamVerdict | None = None
    recommendation: SeamRecommendation | None = None
    reason: str = Field(default="", description="the verdict in words, or why there is none")
    needs_smoothing: bool = False
    accepted_by: str | None = None
    accepted_at: datetime | None = None
    measured_at: datetime | None = None
    repair: RepairView | None = Field(
        default=None, description="the last repair of this boundary, or the one that made one of its versions"
    )
    ahead: int | None = Field(default=None, description="while pending: seams that are measured before it")


class ThresholdsUsed(ResponseModel):
    version: int = Field(description="0: the defaults")
    yellow_visibility: float
    red_visibility: float
    green_ssim: float
    red_ssim: float


class BoundaryCheckView(ResponseModel):
    """`before` and `after` are null at the scene's ends, and where another version was never measured."""

    segment_id: int
    scene_id: int
    position: int
    version: int
    clip_sha256: str
    is_current: bool
    current_segment_id: int | None = Field(description="the version that is current at this position")
    needs_smoothing: bool
    boundary_ssim_before: float | None
    boundary_ssim_after: float | None
    before: BoundaryView | None
    after: BoundaryView | None
    thresholds: ThresholdsUsed


def checks_router(reads: ReadOperations) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["smoothing"])

    @router.get(
        "/segments/{segment_id}/boundary-check",
        summary="How a segment joins its neighbours",
        response_model=BoundaryCheckView,
        responses={status.HTTP_202_ACCEPTED: {"model": BoundaryCheckView, "description": "still being measured"}},
    )
    async def boundary_check(segment_id: PathId, response: Response, _: Viewer) -> BoundaryCheckView:
        found = await reads.boundaries(domain.SegmentId(segment_id))
        if found.is_pending:
            response.status_code = status.HTTP_202_ACCEPTED
            response.headers["Retry-After"] = str(RETRY_SECONDS)
        return _view(found)

    return router


def _view(found: Boundaries) -> BoundaryCheckView:
    segment, limits = found.segment, found.thresholds.limits
    before = _boundary(found.before, segment, limits)
    after = _boundary(found.after, segment, limits)
    return BoundaryCheckView(
        segment_id=segment.id,
        scene_id=segment.scene_id,
        position=segment.position,
        version=segment.version,
        clip_sha256=segment.clip_sha256,
        is_current=found.is_current,
        current_segment_id=found.current_segment_id,
        needs_smoothing=any(end is not None and end.needs_smoothing for end in (before, after)),
        boundary_ssim_before=None if before is None or before.reading is None else before.reading.ssim,
        boundary_ssim_after=None if after is None or after.reading is None else after.reading.ssim,
        before=before,
        after=after,
        thresholds=ThresholdsUsed(
            version=found.thresholds.version,
            yellow_visibility=limits.yellow_visibility,
            red_visibility=limits.red_visibility,
            green_ssim=limits.green_ssim,
            red_ssim=limits.red_ssim,
        ),
    )


def _boundary(boundary: Boundary | None, segment: domain.Segment, limits: domain.Thresholds) -> BoundaryView | None:
    if boundary is None:
        return None
    meeting = boundary.meeting
    if meeting is None:
        return BoundaryView(
            status="not_rendered", is_current=True, neighbour=None, reason="no clip beside it is known yet"
        )
    neighbour = meeting.previous if meeting.next.id == segment.id else meeting.next
    check = meeting.check
    view = BoundaryView(
        status="pending" if check.is_pending else "not_measurable",
        is_current=meeting.is_current,
        neighbour=NeighbourView(
            segment_id=neighbour.id,
            position=neighbour.position,
            version=neighbour.version,
            clip_sha256=neighbour.clip_sha256,
        ),
        reason=check.not_measurable or "",
        accepted_by=meeting.accepted_by,
        accepted_at=meeting.accepted_at,
        measured_at=check.measured_at,
        repair=None if boundary.repair is None else repair_view(boundary.repair),
        ahead=check.ahead if check.is_pending else None,
    )
    return view if check.seam is None else _measured(view, check.seam, limits)


def _measured(view: BoundaryView, measured: domain.Seam, limits: domain.Thresholds) -> BoundaryView:
    seam = domain.under(measured, limits)
    judgement = domain.judge(seam, limits)
    return view.model_copy(
        update={
            "status": "measured",
            "reading": reading(seam),
            "verdict": SeamVerdict(judgement.verdict.value),
            "recommendation": SeamRecommendation(judgement.recommendation.value),
            "reason": judgement.reason,
            "needs_smoothing": domain.needs_smoothing(judgement, accepted=view.accepted_by is not None),
        }
    )
