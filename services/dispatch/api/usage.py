"""/api/usage"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from services.dispatch.api.fields import Viewer
from services.dispatch.api.scenes import FilterId
from services.dispatch.domain.errors import Unacceptable
from services.dispatch.domain.scenes import Purpose
from services.dispatch.domain.usage import Used, Work
from services.dispatch.operations.usage import UsageOperations
from shared.clock import utc_now
from shared.http import ResponseModel

USAGE_DAYS = 30
FIRST_YEAR, LAST_YEAR = 2000, 9000

Moment = Annotated[AwareDatetime | date | None, Query(description="a moment, or a day (UTC)")]


class AmountResponse(ResponseModel):
    segments: int
    render_seconds: float


class UsedResponse(ResponseModel):
    """Renders and their seconds, without and apart from the seconds in the queue; and what was not rendered."""

    segments: int
    render_seconds: float
    queued_seconds: float
    saved_segments: int
    saved_render_seconds: float


class UsedByWork(UsedResponse):
    kind: Work


class UsedByPurpose(UsedResponse):
    purpose: Purpose


class UsedByProject(UsedResponse):
    project_id: int


class UsedByDay(UsedResponse):
    day: date


class UsageResponse(ResponseModel):
    """From `since` up to, and without, `until`; scenes that were deleted since are in it.

    `saved_by_promotion`: first segments that were test shots already. `saved_by_regeneration`: the other segments of a
    scene whenever one of them was regenerated, less those that a cascade rendered again after it.
    """

    since: datetime
    until: datetime
    rendered: list[UsedByWork]
    by_purpose: list[UsedByPurpose]
    by_project: list[UsedByProject]
    by_day: list[UsedByDay]
    saved_by_regeneration: AmountResponse
    saved_by_promotion: AmountResponse


def build_router(*, operations: UsageOperations) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["usage"])

    @router.get("/usage", summary="Render seconds used and saved", response_model=UsageResponse)
    async def usage(
        _: Viewer,
        since: Moment = None,
        until: Moment = None,
        project_id: FilterId = None,
        purpose: Purpose | None = None,
    ) -> UsageResponse:
        """The last 30 days unless told otherwise. A day as `until` is counted in."""
        end = utc_now() if until is None else _moment(until, ends=True)
        start = end - timedelta(days=USAGE_DAYS) if since is None else _moment(since, ends=False)
        if start >= end:
            raise Unacceptable("since must be before until")
        found = await operations.usage(since=start, until=end, project_id=project_id, purpose=purpose)
        return UsageResponse(
            since=found.since,
            until=found.until,
            rendered=[UsedByWork(kind=Work(used.key), **_numbers(used)) for used in found.by_work],
            by_purpose=[UsedByPurpose(purpose=Purpose(used.key), **_numbers(used)) for used in found.by_purpose],
            by_project=[UsedByProject(project_id=int(used.key), **_numbers(used)) for used in found.by_project],
            by_day=[UsedByDay(day=date.fromisoformat(used.key), **_numbers(used)) for used in found.by_day],
            saved_by_regeneration=AmountResponse.model_validate(found.saved_by_regeneration),
            saved_by_promotion=AmountResponse.model_validate(found.saved_by_promotion),
        )

    return router


def _moment(given: datetime | date, *, ends: bool) -> datetime:
    if not FIRST_YEAR <= given.year <= LAST_YEAR:
        raise Unacceptable(f"since and until must be in the years {FIRST_YEAR} to {LAST_YEAR}")
    if isinstance(given, datetime):
        return given
    return datetime.combine(given, time(0), UTC) + timedelta(days=1 if ends else 0)


def _numbers(used: Used) -> dict[str, float]:
    return UsedResponse.model_validate(used).model_dump()
