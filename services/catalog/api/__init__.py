"""HTTP in: one router per noun, put together here."""

from fastapi import APIRouter

from services.catalog.api import assets, characters, projects, scene_types, users
from services.catalog.operations import (
    AssetOperations,
    CharacterOperations,
    ProjectOperations,
    SceneTypeOperations,
    UserOperations,
)
from services.catalog.store import AssetStore, CharacterStore, ProjectStore, SceneTypeStore, UserStore
from shared.postgres import Database


def build_router(
    *,
    database: Database,
    projects_: ProjectOperations,
    users_: UserOperations,
    characters_: CharacterOperations,
    scene_types_: SceneTypeOperations,
    assets_: AssetOperations,
    max_image_bytes: int,
) -> APIRouter:
    router = APIRouter(prefix="/api")
    router.include_router(projects.build_router(operations=projects_, store=ProjectStore(database)))
    router.include_router(users.build_router(operations=users_, store=UserStore(database)))
    router.include_router(
        characters.build_router(operations=characters_, store=CharacterStore(database), max_image_bytes=max_image_bytes)
    )
    router.include_router(scene_types.build_router(operations=scene_types_, store=SceneTypeStore(database)))
    router.include_router(assets.build_router(operations=assets_, store=AssetStore(database)))
    return router
