"""How far something is: what a person who waits for it asks again and again"""

import hashlib
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response, status

from services.dispatch.api.fields import PathId, Viewer
from services.dispatch.domain.progress import Progress, ProgressState
from services.dispatch.operations.progress import ProgressOperations
from shared.http import ResponseModel


class ProgressResponse(ResponseModel):
    """`total` is the most it can be: a cascade may end earlier. `outcome`: how it ended; `reason`: why it is as it is.

    `running_since` and `estimated_seconds` are of the render that runs now; `finish_at` estimates the end of all of it,
    and is null where nothing can tell: nothing like it was rendered yet, or it waits for a score or for a person.
    """

    state: ProgressState
    done: int
    total: int
    outcome: str
    reason: str
    running_since: datetime | None
    estimated_seconds: float | None
    finish_at: datetime | None


DOCUMENTED: dict[str, Any] = {
    "response_model": ProgressResponse,
    "responses": {304: {"description": "it is as before"}},
}
IfNoneMatch = Annotated[str | None, Header(max_length=200, description="the ETag of the answer before")]


def build_router(*, operations: ProgressOperations) -> APIRouter:
    """Every answer has an ETag; asked again with it, one that is the same is an empty 304."""
    router = APIRouter(prefix="/api", tags=["progress"])

    @router.get("/scenes/{scene_id}/progress", summary="Say how far a scene is", **DOCUMENTED)
    async def of_scene(scene_id: PathId, _: Viewer, if_none_match: IfNoneMatch = None) -> Response:
        return _answer(await operations.of_scene(scene_id), if_none_match)

    @router.get("/segments/{segment_id}/progress", summary="Say how far the render of a segment is", **DOCUMENTED)
    async def of_segment(segment_id: PathId, _: Viewer, if_none_match: IfNoneMatch = None) -> Response:
        return _answer(await operations.of_segment(segment_id), if_none_match)

    @router.get("/cascades/{cascade_id}/progress", summary="Say how far a cascade is", **DOCUMENTED)
    async def of_cascade(cascade_id: PathId, _: Viewer, if_none_match: IfNoneMatch = None) -> Response:
        return _answer(await operations.of_cascade(cascade_id), if_none_match)

    @router.get("/test-shots/batches/{batch_id}/progress", summary="Say when a batch will be done", **DOCUMENTED)
    async def of_batch(batch_id: PathId, _: Viewer, if_none_match: IfNoneMatch = None) -> Response:
        return _answer(await operations.of_batch(batch_id), if_none_match)

    return router


def _answer(progress: Progress, if_none_match: str | None) -> Response:
    body = ProgressResponse.model_validate(progress).model_dump_json().encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    if if_none_match == etag:
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers={"ETag": etag})
    return Response(body, media_type="application/json", headers={"ETag": etag})
