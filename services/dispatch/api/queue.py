"""/api/queue, and a scene's place in the queue"""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from services.dispatch.api.fields import Creator, PathId, RequestCause, Viewer
from services.dispatch.api.fitness import LackingServer, lacking_servers
from services.dispatch.api.scenes import SceneResponse
from services.dispatch.domain.queue import WorkKind
from services.dispatch.operations.queue import QueueEntry, QueueOperations, QueueView
from shared.http import RequestModel, ResponseModel


class QueueEntryResponse(ResponseModel):
    """`estimated_seconds`: of the render alone, without its wait. Both estimates are null where nothing can tell.

    `sent`: it waits on its server behind what runs there. `lacks`: no ready server can run it, and why.
    """

    job_id: int
    scene_id: int
    scene_name: str
    segment_id: int
    position: int
    segment_count: int
    kind: WorkKind
    owner: str
    priority: int
    state: Literal["running", "sent", "waiting", "paused"]
    server: str | None
    queued_at: datetime
    estimated_seconds: float | None
    starts_at: datetime | None
    lacks: list[LackingServer]


class QueueControlResponse(ResponseModel):
    is_paused: bool
    paused_by: str | None
    paused_at: datetime | None


class QueueResponse(QueueControlResponse):
    """Running work, what was sent after it, then waiting in the order in which it is started, then paused.

    `waiting_total` counts all that waits. `problem`: why no render server starts anything; null while one would.
    """

    problem: str | None
    waiting_total: int
    entries: list[QueueEntryResponse]


class QueueControlRequest(RequestModel):
    is_paused: bool


class MoveRequest(RequestModel):
    to: Literal["front", "back"]


def build_router(*, operations: QueueOperations) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["queue"])

    @router.get("/queue", summary="What is rendered now and next", response_model=QueueResponse)
    async def show(_: Viewer, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> QueueResponse:
        return _shown(await operations.view(limit=limit))

    @router.put("/queue", summary="Start nothing new, or start work again", response_model=QueueControlResponse)
    async def control(body: QueueControlRequest, cause: RequestCause, _: Creator) -> QueueControlResponse:
        """What runs is finished."""
        changed = await operations.pause(cause) if body.is_paused else await operations.resume(cause)
        return QueueControlResponse.model_validate(changed)

    _add_scene_routes(router, operations)

    return router


def _add_scene_routes(router: APIRouter, operations: QueueOperations) -> None:
    @router.post("/scenes/{scene_id}/pause", summary="Hold a scene's work back", response_model=SceneResponse)
    async def pause_scene(scene_id: PathId, cause: RequestCause, _: Creator) -> SceneResponse:
        """What runs of it is finished."""
        return SceneResponse.model_validate(await operations.pause_scene(scene_id, cause))

    @router.post("/scenes/{scene_id}/resume", summary="Go on with a scene that does not", response_model=SceneResponse)
    async def resume_scene(scene_id: PathId, cause: RequestCause, _: Creator) -> SceneResponse:
        """A paused one goes on; one that its score gate has paused takes the segment as it is; one that failed or was
        cancelled is rendered from its first missing segment, and keeps every finished one.
        """
        return SceneResponse.model_validate(await operations.resume_scene(scene_id, cause))

    @router.post("/scenes/{scene_id}/move", summary="Move a scene in the queue", response_model=SceneResponse)
    async def move_scene(scene_id: PathId, body: MoveRequest, cause: RequestCause, _: Creator) -> SceneResponse:
        return SceneResponse.model_validate(await operations.move_scene(scene_id, body.to, cause))


def _shown(view: QueueView) -> QueueResponse:
    return QueueResponse(
        is_paused=view.control.is_paused,
        paused_by=view.control.paused_by,
        paused_at=view.control.paused_at,
        problem=view.problem,
        waiting_total=view.waiting_total,
        entries=[_entry(entry) for entry in view.entries],
    )


def _entry(entry: QueueEntry) -> QueueEntryResponse:
    row = entry.row
    return QueueEntryResponse(
        job_id=row.job_id,
        scene_id=row.scene_id,
        scene_name=row.scene_name,
        segment_id=row.segment_id,
        position=row.position,
        segment_count=row.segment_count,
        kind=entry.kind,
        owner=row.owner,
        priority=row.priority,
        state=entry.state,
        server=row.server,
        queued_at=row.queued_at,
        estimated_seconds=entry.estimated_seconds,
        starts_at=entry.starts_at,
        lacks=lacking_servers(entry.lacks),
    )
