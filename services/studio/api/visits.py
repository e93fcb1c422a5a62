"""A person's visit to a page: who it is, and what a service answers them, or the page that says why there is none."""

from typing import Any

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from services.studio.adapters.upstream import UpstreamAway, Upstreams
from services.studio.api.access import Access, Caller, NotSignedIn
from services.studio.domain.browser import ForgedRequest
from services.studio.domain.routes import Owner
from services.studio.web.pages import Pages


async def signed_in(access: Access, request: Request) -> Caller | Response:
    """Who asks for a page; somebody unknown is sent to the sign-in page and back again."""
    try:
        return await access.caller(request)
    except (NotSignedIn, ForgedRequest):
        return RedirectResponse(f"/signin?next={request.url.path}", status_code=303)


def bearer(caller: Caller) -> dict[str, str]:
    return {"authorization": f"Bearer {caller.token}", "accept": "application/json"}


async def read(
    upstreams: Upstreams, pages: Pages, caller: Caller, owner: Owner, path: str, *, query: str = ""
) -> dict[str, Any] | Response:
    """The service's answer, or the page that says why there is none."""
    actor = caller.actor.name
    try:
        status, answer = await upstreams.json(owner, path, query=query, headers=bearer(caller))
    except UpstreamAway as error:
        return pages.message(status=503, title="Not available right now", detail=str(error), actor=actor)
    told: dict[str, Any] = answer if isinstance(answer, dict) else {}
    if status != 200:
        title = str(told.get("title", "That did not work"))
        return pages.message(status=status, title=title, detail=str(told.get("detail", "")), actor=actor)
    return told
