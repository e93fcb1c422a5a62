"""/api/regression/run and /api/regression/runs"""

from typing import Annotated, Self

from fastapi import APIRouter, Body, Depends, Query, status
from pydantic import Field, model_validator

from services.regression.api.fields import LARGEST_ID, Creator, Id, PathId, RequestCause, Viewer
from services.regression.api.views import AcceptedView, ReportView, RunView
from services.regression.domain.errors import RunUnknown
from services.regression.domain.lifecycle import Outcome, RunStatus
from services.regression.operations.wiring import Operations
from services.regression.store import Store
from shared.http import Page, PageQuery, RequestModel


class NewRun(RequestModel):
    """Either an asset (every reference that uses it), or references (exactly as they are), or both."""

    asset_id: Id | None = None
    version_id: Id | None = Field(default=None, description="of the asset; by default its active version")
    reference_ids: Annotated[list[Id], Field(min_length=1, max_length=1000)] | None = None

    @model_validator(mode="after")
    def _says_what_to_run(self) -> Self:
        if self.asset_id is None and self.reference_ids is None:
            raise ValueError("give asset_id, or reference_ids, or both")
        if self.version_id is not None and self.asset_id is None:
            raise ValueError("version_id needs the asset_id it belongs to")
        return self


class Rollback(RequestModel):
    force: bool = Field(default=False, description="roll back although the run is not degraded")


class Accept(RequestModel):
    override: bool = Field(default=False, description="accept although the run did not pass")


def runs_router(operations: Operations, store: Store) -> APIRouter:
    router = APIRouter(prefix="/api/regression", tags=["regression runs"])

    async def view(run_id: int) -> RunView:
        run = await store.run(run_id)
        if run is None:
            raise RunUnknown(run_id)
        return RunView.model_validate(await operations.reports.run(run))

    @router.post("/run", status_code=status.HTTP_202_ACCEPTED, summary="Start a regression run")
    async def start(body: NewRun, _: Creator, cause: RequestCause) -> RunView:
        ids = sorted(set(body.reference_ids)) if body.reference_ids is not None else None
        run_id = await operations.runs.manual(
            cause, asset_id=body.asset_id, version_id=body.version_id, reference_ids=ids
        )
        return await view(run_id)

    @router.get("/runs", summary="List runs, newest first")
    async def list_(
        _: Viewer,
        page: Annotated[PageQuery, Depends()],
        asset_id: Annotated[int | None, Query(ge=1, le=LARGEST_ID)] = None,
        version_id: Annotated[int | None, Query(ge=1, le=LARGEST_ID)] = None,
        status: Annotated[RunStatus | None, Query()] = None,
        outcome: Annotated[Outcome | None, Query()] = None,
    ) -> Page[RunView]:
        rows = await store.run_page(
            before_id=page.after_id,
            limit=page.limit,
            asset_id=asset_id,
            version_id=version_id,
            status=status,
            outcome=outcome,
        )
        views = [RunView.model_validate(await operations.reports.run(row)) for row in rows]
        return Page(items=views, next_cursor=page.next_cursor([row.id for row in rows]))

    @router.get("/runs/{run_id}", summary="One run, without its results")
    async def one(run_id: PathId, _: Viewer) -> RunView:
        return await view(run_id)

    @router.get("/runs/{run_id}/report", summary="What was compared, how it came out, and the evidence")
    async def report(run_id: PathId, _: Viewer) -> ReportView:
        return ReportView.model_validate(await operations.reports.report(run_id))

    @router.post(
        "/runs/{run_id}/rollback", status_code=status.HTTP_202_ACCEPTED, summary="Go back to the version before"
    )
    async def rollback(
        run_id: PathId, _: Creator, cause: RequestCause, body: Annotated[Rollback | None, Body()] = None
    ) -> RunView:
        await operations.rollbacks.request(run_id, cause, force=body is not None and body.force)
        return await view(run_id)

    @router.post("/runs/{run_id}/cancel", summary="Stop a run")
    async def cancel(run_id: PathId, _: Creator, cause: RequestCause) -> RunView:
        await operations.runs.cancel(run_id, cause)
        return await view(run_id)

    @router.post(
        "/runs/{run_id}/accept",
        status_code=status.HTTP_202_ACCEPTED,
        summary="Make the run's renders the new baseline; two more renders are made for the noise",
    )
    async def accept(
        run_id: PathId, _: Creator, cause: RequestCause, body: Annotated[Accept | None, Body()] = None
    ) -> AcceptedView:
        capturing = await operations.runs.accept(run_id, cause, override=body is not None and body.override)
        return AcceptedView(run=await view(run_id), capturing_reference_ids=capturing)

    return router
