"""Pages for people: the list of scenes, and how the segments of a scene join."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from services.studio.adapters.upstream import UpstreamAway, Upstreams
from services.studio.api.access import Access, Caller
from services.studio.api.visits import Visits, bearer
from services.studio.domain.boundaries import SceneBoundaries
from services.studio.domain.boundary_reading import boundaries_of, later_segments, scene_line
from services.studio.domain.routes import Owner
from services.studio.web.pages import Pages
from shared.http import Problem

RECENT_SCENES = 50

Id = Annotated[int, Path(ge=1, le=2**63 - 1)]


def boundary_pages_router(*, access: Access, upstreams: Upstreams, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    visits = Visits(access=access, upstreams=upstreams, pages=pages)

    @router.get("/scenes")
    async def scenes(request: Request) -> Response:
        caller = await visits.visitor(request)
        query = f"purpose=scene&limit={RECENT_SCENES}"
        found = await visits.read(caller, Owner.DISPATCH, "/api/scenes", query=query)
        return pages.scenes([scene_line(scene) for scene in found["items"]], actor=caller.actor.name)

    @router.get("/scenes/{scene_id}/boundaries")
    async def boundaries(scene_id: Id, request: Request) -> Response:
        caller = await visits.visitor(request)
        scene = await visits.read(caller, Owner.DISPATCH, f"/api/scenes/{scene_id}")
        with visits.reaching(caller):
            view = await _joined(upstreams, caller, scene)
        return pages.boundaries(view, actor=caller.actor.name, role=caller.actor.role)

    @router.get("/scenes/{scene_id}/boundaries/progress")
    async def progress(scene_id: Id, caller: Annotated[Caller, Depends(access.caller)]) -> JSONResponse:
        """What an open page asks for while something is going on. Another `state` is another page."""
        path = f"/api/scenes/{scene_id}"
        status, scene = await upstreams.json(Owner.DISPATCH, path, headers=bearer(caller))
        if status != 200:
            raise Problem(status, "No progress", scene.get("detail", "the scene could not be read"))
        view = await _joined(upstreams, caller, scene)
        told = {"state": view.state, "followed": view.followed}
        return JSONResponse(told, headers={"Cache-Control": "no-store"})

    return router


def segment_pages_router(*, access: Access, upstreams: Upstreams, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    visits = Visits(access=access, upstreams=upstreams, pages=pages)

    @router.get("/segments/{segment_id}/boundaries")
    async def boundaries_of_segment(segment_id: Id, request: Request) -> Response:
        """Where a segment's boundaries are shown: beside the others of its scene."""
        caller = await visits.visitor(request)
        segment = await visits.read(caller, Owner.DISPATCH, f"/api/segments/{segment_id}")
        anchor = max(2, segment["position"])
        return RedirectResponse(f"/scenes/{segment['scene_id']}/boundaries#b{anchor}", status_code=303)

    return router


async def _joined(upstreams: Upstreams, caller: Caller, scene: dict[str, Any]) -> SceneBoundaries:
    """One question to smoothing for every boundary, all at once. Raises UpstreamAway."""
    asked = later_segments(scene)
    found = await asyncio.gather(*(_check(upstreams, caller, one) for one in asked))
    return boundaries_of(scene, dict(zip(asked, found, strict=True)))


async def _check(upstreams: Upstreams, caller: Caller, segment_id: int) -> dict[str, Any] | None:
    """Smoothing's answer, pending ones too; None where it does not know the segment. Raises UpstreamAway."""
    path = f"/api/segments/{segment_id}/boundary-check"
    status, answer = await upstreams.json(Owner.SMOOTHING, path, headers=bearer(caller))
    if status not in (200, 202, 404):
        raise UpstreamAway(Owner.SMOOTHING, f"it answered {status}")
    return None if status == 404 else answer
