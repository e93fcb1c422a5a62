"""The feed: what happened, and what is going on now."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from services.studio.api.access import Access, Caller
from services.studio.domain.activity import ActivityKind
from services.studio.store import Store
from shared.http import Page, PageQuery, ResponseModel


class ActivityOut(ResponseModel):
    id: int
    kind: ActivityKind
    subject: str
    summary: str
    data: dict[str, Any]
    correlation_id: UUID
    happened_at: datetime


class ProgressOut(ResponseModel):
    subject: str
    done: float
    total: float
    state: str
    data: dict[str, Any]


class Live(ResponseModel):
    items: list[ProgressOut]


def activity_router(*, access: Access, store: Store) -> APIRouter:
    router = APIRouter(tags=["activity"])

    @router.get("/api/activity", summary="What happened, newest first", response_model=Page[ActivityOut])
    async def activity(
        page: Annotated[PageQuery, Depends()],
        _: Annotated[Caller, Depends(access.caller)],
        subject: Annotated[str | None, Query(max_length=80, description="only of this thing, e.g. run:5")] = None,
    ) -> Page[ActivityOut]:
        found = await store.activities(before=page.after_id, subject=subject, limit=page.limit)
        items = [ActivityOut(id=row.id, correlation_id=row.correlation_id, **vars(row.activity)) for row in found]
        return Page(items=items, next_cursor=page.next_cursor([item.id for item in items]))

    @router.get("/api/activity/live", summary="What is going on now", response_model=Live)
    async def live(_: Annotated[Caller, Depends(access.caller)]) -> Live:
        """A hint, a second or so old; the run's or job's own page is the truth."""
        return Live(items=[ProgressOut.model_validate(row) for row in await store.progress()])

    return router
