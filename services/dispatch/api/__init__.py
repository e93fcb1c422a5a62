"""HTTP in: one router per noun, put together here."""

from fastapi import APIRouter

from services.dispatch.api import jobs, regenerations, scenes, segments
from services.dispatch.operations.regenerations import RegenerationOperations
from services.dispatch.operations.reviews import ReviewOperations
from services.dispatch.operations.scenes import SceneOperations
from services.dispatch.store import Store


def build_router(
    *, scenes_: SceneOperations, reviews_: ReviewOperations, regenerations_: RegenerationOperations, store: Store
) -> APIRouter:
    router = APIRouter(prefix="/api")
    router.include_router(scenes.build_router(operations=scenes_, store=store))
    router.include_router(segments.build_router(operations=reviews_, store=store))
    router.include_router(regenerations.build_router(operations=regenerations_, store=store))
    router.include_router(jobs.build_router(store=store))
    return router
