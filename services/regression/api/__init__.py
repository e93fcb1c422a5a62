"""HTTP in: references, and runs with their reports."""

from services.regression.api.references import references_router
from services.regression.api.runs import runs_router

__all__ = ["references_router", "runs_router"]
