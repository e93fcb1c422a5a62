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


def build_routers(
    *,
    database: Database,
    projects_: ProjectOperations,
    users_: UserOperations,
    characters_: CharacterOperations,
    scene_types_: SceneTypeOperations,
    assets_: AssetOperations,
    max_image_bytes: int,
) -> list[APIRouter]:
    return [
        projects.build_router(operations=projects_, store=ProjectStore(database)),
        users.build_router(operations=users_, store=UserStore(database)),
        characters.build_router(
            operations=characters_, store=CharacterStore(database), max_image_bytes=max_image_bytes
        ),
        scene_types.build_router(operations=scene_types_, store=SceneTypeStore(database)),
        assets.build_router(operations=assets_, store=AssetStore(database)),
    ]
