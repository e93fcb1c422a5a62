"""HTTP in: how segments join, and what may be done about it."""

from fastapi import APIRouter

from services.smoothing.api.checks import checks_router
from services.smoothing.api.repairs import repairs_router
from services.smoothing.api.thresholds import thresholds_router
from services.smoothing.operations import ReadOperations, RepairOperations, ThresholdOperations


def build_routers(
    *, reads: ReadOperations, repairs: RepairOperations, thresholds: ThresholdOperations
) -> list[APIRouter]:
    return [checks_router(reads), repairs_router(reads, repairs), thresholds_router(thresholds)]


__all__ = ["build_routers"]
