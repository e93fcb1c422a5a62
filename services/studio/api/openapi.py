"""One description of the whole public API: as JSON for programs, as a page for people."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response

from services.studio.adapters.upstream import Upstreams
from services.studio.domain.openapi import JsonObject, merged
from services.studio.domain.routes import Owner
from services.studio.web.pages import Pages

TITLE = "Rushes"
DESCRIPTION = (
    "Quality control for AI-generated video. Every request but this one needs an Authorization header with a bearer "
    "token. "
    "Errors are RFC 9457 problem documents; lists page by cursor; a POST with an Idempotency-Key is done once."
)
OWN_PATH = "/openapi.json"


class Description:
    """Asks the services for their own descriptions, and keeps the result for a while if all answered."""

    def __init__(
        self,
        *,
        upstreams: Upstreams,
        cache_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upstreams = upstreams
        self._cache_seconds = cache_seconds
        self._clock = clock
        self._kept: tuple[float, JsonObject] | None = None

    async def document(self, app: FastAPI) -> JsonObject:
        if self._kept is not None and self._clock() < self._kept[0]:
            return self._kept[1]
        answers = await asyncio.gather(*(self._upstreams.openapi(owner) for owner in Owner))
        known = {owner: answer for owner, answer in zip(Owner, answers, strict=True) if answer is not None}
        document = merged(_own(app), known)
        if missing := [str(owner) for owner in Owner if owner not in known]:
            document["x-incomplete"] = {"missing": missing, "detail": "these services did not answer; ask again"}
        else:
            self._kept = (self._clock() + self._cache_seconds, document)
        return document


def _own(app: FastAPI) -> JsonObject:
    own: dict[str, Any] = get_openapi(
        title=TITLE, version="1", description=DESCRIPTION, routes=app.routes, openapi_version=app.openapi_version
    )
    return own


def install(app: FastAPI, *, description: Description, pages: Pages) -> None:
    """Takes the place of the app's own description, which knows only studio's own paths."""
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) != OWN_PATH]
    router = APIRouter(include_in_schema=False)

    @router.get(OWN_PATH)
    async def openapi(request: Request) -> JSONResponse:
        return JSONResponse(await description.document(request.app))

    @router.get("/docs")
    async def docs(request: Request) -> Response:
        return pages.docs(await description.document(request.app))

    app.include_router(router)
