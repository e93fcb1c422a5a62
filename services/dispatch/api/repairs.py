"""/api/boundary-repairs"""

from uuid import UUID

from fastapi import APIRouter

from services.dispatch.api.fields import Creator, RequestCause
from services.dispatch.api.regenerations import OverwriteRequest
from services.dispatch.api.segments import SegmentResponse
from services.dispatch.operations.undoing import UndoOperations
from shared.http import ResponseModel


class UndoResponse(ResponseModel):
    """`segments`: the versions that are current again. The counts are 0 where it was undone before."""

    repair_id: UUID
    segments: list[SegmentResponse]
    became_stale: int
    became_fresh: int


def build_router(*, operations: UndoOperations) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["boundaries"])

    @router.post(
        "/boundary-repairs/{repair_id}/undo",
        summary="Bring the versions back that a repaired boundary replaced",
        response_model=UndoResponse,
    )
    async def undo(
        repair_id: UUID, cause: RequestCause, _: Creator, body: OverwriteRequest | None = None
    ) -> UndoResponse:
        """All of its segments that are current still, at once; a protected one only when `overwrite` names it."""
        overwrite = frozenset(body.overwrite) if body else frozenset[int]()
        told = await operations.undo(repair_id, overwrite=overwrite, cause=cause)
        first = told.activations[0] if told.activations else None
        return UndoResponse(
            repair_id=repair_id,
            segments=[SegmentResponse.of(segment) for segment in told.segments],
            became_stale=0 if first is None else len(first.became_stale),
            became_fresh=0 if first is None else len(first.became_fresh),
        )

    return router
