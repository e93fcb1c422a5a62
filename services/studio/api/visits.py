"""A person's visit to a page: who it is, and what a service answers them. What stands in the way is a page as well."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from services.studio.adapters.upstream import UpstreamAway, Upstreams
from services.studio.api.access import Access, Caller, NotSignedIn
from services.studio.domain.browser import ForgedRequest
from services.studio.domain.routes import Owner
from services.studio.web.pages import Pages


class Instead(Exception):
    """What is shown in the place of the page that was asked for."""

    def __init__(self, shown: Response) -> None:
        super().__init__(shown.status_code)
        self.shown = shown


async def show_instead(_: Request, error: Exception) -> Response:
    assert isinstance(error, Instead)
    return error.shown


class Visits:
    def __init__(self, *, access: Access, upstreams: Upstreams, pages: Pages) -> None:
        self._access = access
        self._upstreams = upstreams
        self._pages = pages

    async def visitor(self, request: Request) -> Caller:
        """Who asks for a page. Raises Instead: somebody unknown is sent to the sign-in page and back again."""
        try:
            return await self._access.caller(request)
        except (NotSignedIn, ForgedRequest) as error:
            raise Instead(RedirectResponse(f"/signin?next={request.url.path}", status_code=303)) from error

    async def read(self, caller: Caller, owner: Owner, path: str, *, query: str = "") -> dict[str, Any]:
        """The service's answer. Raises Instead, with the page that says why there is none."""
        with self.reaching(caller):
            status, answer = await self._upstreams.json(owner, path, query=query, headers=bearer(caller))
        told: dict[str, Any] = answer if isinstance(answer, dict) else {}
        if status != 200:
            title = str(told.get("title", "That did not work"))
            raise Instead(self._message(caller, status, title, str(told.get("detail", ""))))
        return told

    @contextmanager
    def reaching(self, caller: Caller) -> Iterator[None]:
        """A service that is away is a page too. Raises Instead."""
        try:
            yield
        except UpstreamAway as error:
            raise Instead(self._message(caller, 503, "Not available right now", str(error))) from error

    def _message(self, caller: Caller, status: int, title: str, detail: str) -> Response:
        return self._pages.message(status=status, title=title, detail=detail, actor=caller.actor.name)


def bearer(caller: Caller) -> dict[str, str]:
    return {"authorization": f"Bearer {caller.token}", "accept": "application/json"}
