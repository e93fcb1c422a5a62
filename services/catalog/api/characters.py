"""/api/characters"""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, UploadFile, status

from services.catalog import domain
from services.catalog.api.fields import (
    MAX_ID,
    Creator,
    Name,
    NameFilter,
    PathId,
    ProjectFilter,
    RequestCause,
    Viewer,
)
from services.catalog.operations import CharacterOperations
from services.catalog.store import CharacterStore
from shared.http import Page, PageQuery, ResponseModel


class SourceImageResponse(ResponseModel):
    sha256: str
    width: int
    height: int


class CharacterResponse(ResponseModel):
    id: int
    project_id: int
    name: str
    source_image: SourceImageResponse
    version: int
    created_at: datetime
    updated_at: datetime


CharacterId = Annotated[domain.CharacterId, PathId]
Image = Annotated[UploadFile, File(description="photograph: JPEG, PNG or WebP; its file name is not used")]


def build_router(*, operations: CharacterOperations, store: CharacterStore, max_image_bytes: int) -> APIRouter:
    router = APIRouter(prefix="/api/characters", tags=["characters"])

    async def bytes_of(image: UploadFile) -> bytes:
        """One byte more than allowed is enough to be refused."""
        return await image.read(max_image_bytes + 1)

    @router.post(
        "", summary="Create a character", response_model=CharacterResponse, status_code=status.HTTP_201_CREATED
    )
    async def create(
        project_id: Annotated[int, Form(ge=1, le=MAX_ID)],
        name: Annotated[Name, Form()],
        image: Image,
        cause: RequestCause,
        _: Creator,
    ) -> domain.Character:
        return await operations.create(
            cause, project_id=domain.ProjectId(project_id), name=name, image=await bytes_of(image)
        )

    @router.get("", summary="List characters", response_model=Page[CharacterResponse])
    async def listing(
        page: Annotated[PageQuery, Depends()], _: Viewer, project_id: ProjectFilter = None, name: NameFilter = None
    ) -> Page[CharacterResponse]:
        found = await store.page(after=page.after_id or 0, limit=page.limit, project_id=project_id, name=name)
        return Page(
            items=[CharacterResponse.model_validate(character) for character in found],
            next_cursor=page.next_cursor([character.id for character in found]),
        )

    @router.get("/{character_id}", summary="Show a character", response_model=CharacterResponse)
    async def show(character_id: CharacterId, _: Viewer) -> domain.Character:
        return await store.find(character_id)

    @router.patch(
        "/{character_id}", summary="Change a character's name or photograph", response_model=CharacterResponse
    )
    async def change(
        character_id: CharacterId,
        cause: RequestCause,
        _: Creator,
        name: Annotated[Name | None, Form()] = None,
        image: Annotated[UploadFile | None, File()] = None,
    ) -> domain.Character:
        data = None if image is None else await bytes_of(image)
        return await operations.change(cause, character_id, name=name, image=data)

    @router.delete("/{character_id}", summary="Delete a character", status_code=status.HTTP_204_NO_CONTENT)
    async def delete(character_id: CharacterId, cause: RequestCause, _: Creator) -> None:
        await operations.delete(cause, character_id)

    return router
