"""HTTP in: how segments join, and what may be done about it."""

from fastapi import APIRouter

from services.smoothing.api.checks import checks_router
from services.smoothing.api.repairs import repairs_router
from services.smoothing.api.thresholds import thresholds_router
from services.smoothing.operations import ReadOperations, RepairOperations, ThresholdOperations


def build_router(*, reads: ReadOperations, repairs: RepairOperations, thresholds: ThresholdOperations) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["smoothing"])
    router.include_router(checks_router(reads))
    router.include_router(repairs_router(reads, repairs))
    router.include_router(thresholds_router(thresholds))
    return router


__all__ = ["build_router"]
