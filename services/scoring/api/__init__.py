"""HTTP in: scores of segments, drift of scenes, quality gates, and asking for another measurement."""

from fastapi import APIRouter

from services.scoring.api.drift import drift_router
from services.scoring.api.scores import scores_router
from services.scoring.operations import RequestOperations
from services.scoring.store import GateStore, ScoreStore, SegmentStore


def build_routers(
    *,
    operations: RequestOperations,
    segments: SegmentStore,
    scores: ScoreStore,
    gates: GateStore,
    identity_backend: str,
) -> list[APIRouter]:
    """`identity_backend` is the one in use."""
    return [
        scores_router(
            operations=operations, segments=segments, scores=scores, gates=gates, identity_backend=identity_backend
        ),
        drift_router(segments=segments, scores=scores, gates=gates),
    ]


__all__ = ["build_routers"]
