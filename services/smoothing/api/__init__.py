"""HTTP in: how segments join, and what may be done about it."""

from fastapi import APIRouter

from services.smoothing.api.checks import checks_router
from services.smoothing.operations import ReadOperations


def build_router(*, reads: ReadOperations) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["smoothing"])
    router.include_router(checks_router(reads))
    return router


__all__ = ["build_router"]
