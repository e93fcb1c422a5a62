"""/api/regression/references"""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response, status
from pydantic import Field

from services.regression.api.fields import LARGEST_ID, Creator, Id, Name, PathId, RequestCause, Thresholds, Viewer
from services.regression.domain.errors import ReferenceUnknown
from services.regression.domain.lifecycle import ReferenceStatus
from services.regression.operations.wiring import Operations
from services.regression.store import Store
from services.regression.store.rows import BaselineRow, ReferenceRow
from shared.contracts.types import LockedAsset, ThresholdSettings
from shared.http import Page, PageQuery, RequestModel, ResponseModel


class NewReference(RequestModel):
    scene_id: Id = Field(description="a scene of which every segment is rendered")
    name: Name | None = Field(default=None, description="by default character, scene type and scene")
    thresholds: Thresholds = Thresholds()


class ReferenceChange(RequestModel):
    """What is left out stays. `thresholds` replaces all of the reference's overrides."""

    name: Name | None = None
    enabled: bool | None = Field(default=None, description="false: updates do not run it")
    thresholds: Thresholds | None = None


class CaptureProgress(ResponseModel):
    baseline_version: int
    renders_complete: int
    renders_total: int
    segments_done: int
    segments_total: int


class BaselineView(ResponseModel):
    id: int
    version: int
    status: ReferenceStatus
    failure: str | None
    assets: list[LockedAsset]
    accepted_from_run_id: int | None
    clips: dict[str, str] = Field(description="position -> sha256 of the clip that new clips are compared with")
    scores: dict[str, Any] = Field(description="position -> metric -> mean and values of the identical renders")
    noise: dict[str, Any] = Field(description="position -> metric -> standard deviation of the identical renders")
    environments: list[dict[str, Any]]
    metric_suite_version: str | None
    identity_backend: dict[str, Any] | None
    created_at: datetime


class ReferenceView(ResponseModel):
    id: int
    project_id: int
    character_id: int
    character_name: str | None
    scene_type_id: int
    scene_type_name: str | None
    scene_id: int
    scene_name: str | None
    name: str
    enabled: bool
    status: ReferenceStatus
    failure: str | None
    thresholds: ThresholdSettings
    assets: list[LockedAsset]
    segment_count: int
    capturing: CaptureProgress | None = Field(description="of the baseline that is being captured, if one is")
    created_by: str
    created_at: datetime
    updated_at: datetime


class ReferenceDetail(ReferenceView):
    baselines: list[BaselineView] = Field(
        description="all versions, oldest first; runs compare with the newest ready one"
    )


def references_router(operations: Operations, store: Store) -> APIRouter:
    router = APIRouter(prefix="/api/regression/references", tags=["regression references"])

    @router.post("", status_code=status.HTTP_201_CREATED, summary="Designate a finished scene as a reference")
    async def create(body: NewReference, _: Creator, cause: RequestCause) -> ReferenceDetail:
        reference_id = await operations.references.designate(
            cause, scene_id=body.scene_id, name=body.name, thresholds=body.thresholds.model_dump(mode="json")
        )
        return await detail(store, reference_id)

    @router.get("", summary="List references")
    async def list_(
        _: Viewer,
        page: Annotated[PageQuery, Depends()],
        project_id: Annotated[int | None, Query(ge=1, le=LARGEST_ID)] = None,
        character_id: Annotated[int | None, Query(ge=1, le=LARGEST_ID)] = None,
    ) -> Page[ReferenceView]:
        rows = await store.reference_page(
            after_id=page.after_id, limit=page.limit, project_id=project_id, character_id=character_id
        )
        views = [ReferenceView(**await fields(store, row, await store.baselines_of(row.id))) for row in rows]
        return Page(items=views, next_cursor=page.next_cursor([row.id for row in rows]))

    @router.get("/{reference_id}", summary="One reference with its baselines and the progress of a capture")
    async def one(reference_id: PathId, _: Viewer) -> ReferenceDetail:
        return await detail(store, reference_id)

    @router.patch("/{reference_id}", summary="Rename, switch on or off, or judge in another way")
    async def change(reference_id: PathId, body: ReferenceChange, _: Creator, cause: RequestCause) -> ReferenceDetail:
        thresholds = body.thresholds.model_dump(mode="json") if body.thresholds is not None else None
        await operations.references.change(
            reference_id, cause, name=body.name, enabled=body.enabled, thresholds=thresholds
        )
        return await detail(store, reference_id)

    @router.delete("/{reference_id}", status_code=status.HTTP_204_NO_CONTENT, summary="Delete with all its baselines")
    async def delete(reference_id: PathId, _: Creator, cause: RequestCause) -> Response:
        await operations.references.delete(reference_id, cause)
        return Response(status_code=status.HTTP_204_NO_CONTENT)

    return router


async def detail(store: Store, reference_id: int) -> ReferenceDetail:
    found = await store.references([reference_id])
    if not found:
        raise ReferenceUnknown(reference_id)
    baselines = await store.baselines_of(reference_id)
    return ReferenceDetail(
        **await fields(store, found[0], baselines), baselines=[BaselineView.model_validate(one) for one in baselines]
    )


async def fields(store: Store, row: ReferenceRow, baselines: list[BaselineRow]) -> dict[str, Any]:
    names = await store.names(
        character_id=row.character_id, scene_type_id=row.scene_type_id, scene_id=row.reference_scene_id
    )
    return {
        "id": row.id,
        "project_id": row.project_id,
        "character_id": row.character_id,
        "character_name": names.character,
        "scene_type_id": row.scene_type_id,
        "scene_type_name": names.scene_type,
        "scene_id": row.reference_scene_id,
        "scene_name": names.scene,
        "name": row.name,
        "enabled": row.enabled,
        "status": row.status,
        "failure": row.failure,
        "thresholds": row.thresholds,
        "assets": row.assets,
        "segment_count": len(row.segments),
        "capturing": await capture_progress(store, row, baselines),
        "created_by": row.created_by,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


async def capture_progress(store: Store, row: ReferenceRow, baselines: list[BaselineRow]) -> dict[str, int] | None:
    capturing = next((one for one in baselines if one.status is ReferenceStatus.CAPTURING), None)
    return await store.capture_progress(capturing) if capturing is not None else None
