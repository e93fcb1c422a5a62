"""/api/scene-types"""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, status
from pydantic import Field

from services.catalog import domain
from services.catalog.api.fields import (
    MAX_ID,
    Creator,
    Name,
    NameFilter,
    PathId,
    ProjectFilter,
    RenderDefaults,
    RequestCause,
    Viewer,
    dumped,
)
from services.catalog.operations import SceneTypeOperations
from services.catalog.store import SceneTypeStore
from shared.contracts.types import RenderParameters
from shared.http import Page, PageQuery, RequestModel, ResponseModel

SegmentCount = Annotated[int, Field(ge=1, le=100, description="segments of a scene of this type")]


class NewSceneType(RequestModel):
    project_id: Annotated[int, Field(ge=1, le=MAX_ID)]
    name: Name
    segment_count: SegmentCount
    parameters: RenderDefaults = Field(default_factory=RenderDefaults, description="full-tier defaults of its renders")


class SceneTypeChange(RequestModel):
    """Fields that are left out stay as they are; parameters are replaced as a whole."""

    name: Name | None = None
    segment_count: SegmentCount | None = None
    parameters: RenderDefaults | None = None


class SceneTypeResponse(ResponseModel):
    id: int
    project_id: int
    name: str
    segment_count: int
    parameters: RenderParameters
    version: int
    created_at: datetime
    updated_at: datetime


SceneTypeId = Annotated[domain.SceneTypeId, PathId]


def build_router(*, operations: SceneTypeOperations, store: SceneTypeStore) -> APIRouter:
    router = APIRouter(prefix="/api/scene-types", tags=["scene types"])

    @router.post(
        "", summary="Create a scene type", response_model=SceneTypeResponse, status_code=status.HTTP_201_CREATED
    )
    async def create(body: NewSceneType, cause: RequestCause, _: Creator) -> domain.SceneType:
        return await operations.create(
            cause,
            project_id=domain.ProjectId(body.project_id),
            name=body.name,
            segment_count=body.segment_count,
            parameters=dumped(body.parameters),
        )

    @router.get("", summary="List scene types", response_model=Page[SceneTypeResponse])
    async def listing(
        page: Annotated[PageQuery, Depends()], _: Viewer, project_id: ProjectFilter = None, name: NameFilter = None
    ) -> Page[SceneTypeResponse]:
        found = await store.page(after=page.after_id or 0, limit=page.limit, project_id=project_id, name=name)
        return Page(
            items=[SceneTypeResponse.model_validate(scene_type) for scene_type in found],
            next_cursor=page.next_cursor([scene_type.id for scene_type in found]),
        )

    @router.get("/{scene_type_id}", summary="Show a scene type", response_model=SceneTypeResponse)
    async def show(scene_type_id: SceneTypeId, _: Viewer) -> domain.SceneType:
        return await store.find(scene_type_id)

    @router.patch("/{scene_type_id}", summary="Change a scene type", response_model=SceneTypeResponse)
    async def change(
        scene_type_id: SceneTypeId, body: SceneTypeChange, cause: RequestCause, _: Creator
    ) -> domain.SceneType:
        parameters = None if body.parameters is None else dumped(body.parameters)
        return await operations.change(
            cause, scene_type_id, name=body.name, segment_count=body.segment_count, parameters=parameters
        )

    @router.delete("/{scene_type_id}", summary="Delete a scene type", status_code=status.HTTP_204_NO_CONTENT)
    async def delete(scene_type_id: SceneTypeId, cause: RequestCause, _: Creator) -> None:
        await operations.delete(cause, scene_type_id)

    return router
