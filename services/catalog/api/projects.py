"""/api/projects"""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, status
from pydantic import Field

from services.catalog import domain
from services.catalog.api.fields import (
    Admin,
    Creator,
    JudgingRules,
    Name,
    NameFilter,
    PathId,
    RequestCause,
    Viewer,
    dumped,
)
from services.catalog.operations import ProjectOperations
from services.catalog.store import ProjectStore
from shared.contracts.types import ThresholdSettings
from shared.http import Page, PageQuery, RequestModel, ResponseModel


class NewProject(RequestModel):
    name: Name
    regression: JudgingRules = Field(default_factory=JudgingRules, description="how regressions are judged here")


class ProjectChange(RequestModel):
    """Fields that are left out stay as they are."""

    name: Name | None = None
    regression: JudgingRules | None = None


class ProjectResponse(ResponseModel):
    id: int
    name: str
    regression: ThresholdSettings
    version: int
    created_at: datetime
    updated_at: datetime


ProjectId = Annotated[domain.ProjectId, PathId]


def build_router(*, operations: ProjectOperations, store: ProjectStore) -> APIRouter:
    router = APIRouter(prefix="/api/projects", tags=["projects"])

    @router.post("", summary="Create a project", response_model=ProjectResponse, status_code=status.HTTP_201_CREATED)
    async def create(body: NewProject, cause: RequestCause, _: Creator) -> domain.Project:
        return await operations.create(cause, name=body.name, regression=dumped(body.regression))

    @router.get("", summary="List projects", response_model=Page[ProjectResponse])
    async def listing(
        page: Annotated[PageQuery, Depends()], _: Viewer, name: NameFilter = None
    ) -> Page[ProjectResponse]:
        projects = await store.page(after=page.after_id or 0, limit=page.limit, name=name)
        return Page(
            items=[ProjectResponse.model_validate(project) for project in projects],
            next_cursor=page.next_cursor([project.id for project in projects]),
        )

    @router.get("/{project_id}", summary="Show a project", response_model=ProjectResponse)
    async def show(project_id: ProjectId, _: Viewer) -> domain.Project:
        return await store.find(project_id)

    @router.patch("/{project_id}", summary="Change a project", response_model=ProjectResponse)
    async def change(project_id: ProjectId, body: ProjectChange, cause: RequestCause, _: Creator) -> domain.Project:
        regression = None if body.regression is None else dumped(body.regression)
        return await operations.change(cause, project_id, name=body.name, regression=regression)

    @router.delete(
        "/{project_id}", summary="Delete a project with all that is in it", status_code=status.HTTP_204_NO_CONTENT
    )
    async def delete(project_id: ProjectId, cause: RequestCause, _: Admin) -> None:
        await operations.delete(cause, project_id)

    return router
