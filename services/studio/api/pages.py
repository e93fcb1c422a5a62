"""Pages for people: the list of runs, a run's report, and signing in and out."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Path, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from services.studio.adapters.upstream import Upstreams
from services.studio.api.access import COOKIE, Access, Caller, NotSignedIn
from services.studio.api.visits import Visits, bearer
from services.studio.domain.activity import page_of
from services.studio.domain.browser import check_same_site, safe_return_path
from services.studio.domain.reading import rollback_view, run_line, run_view
from services.studio.domain.routes import Owner
from services.studio.operations import Operations
from services.studio.store import Store
from services.studio.web.pages import Pages
from shared.cause import Cause
from shared.http import Problem
from shared.http.authentication import correlation_of

RUNS = "/api/regression/runs"
RECENT_RUNS = 50
RECENT_ACTIVITY = 12

RunId = Annotated[int, Path(ge=1, le=2**63 - 1)]


def pages_router(*, access: Access, upstreams: Upstreams, store: Store, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    visits = Visits(access=access, upstreams=upstreams, pages=pages)

    @router.get("/")
    async def index(request: Request) -> Response:
        caller = await visits.visitor(request)
        runs = await visits.read(caller, Owner.REGRESSION, RUNS, query=f"limit={RECENT_RUNS}")
        return pages.index(
            runs=[run_line(run) for run in runs["items"]],
            activity=[
                {
                    "when": row.activity.happened_at.isoformat(),
                    "summary": row.activity.summary,
                    "page": page_of(row.activity),
                }
                for row in await store.activities(before=None, subject=None, limit=RECENT_ACTIVITY)
            ],
            live=_live(await store.progress()),
            actor=caller.actor.name,
        )

    @router.get("/reports/regression/{run_id}")
    async def report(run_id: RunId, request: Request) -> Response:
        caller = await visits.visitor(request)
        answer = await visits.read(caller, Owner.REGRESSION, f"{RUNS}/{run_id}/report")
        return pages.report(run_view(answer), actor=caller.actor.name, role=caller.actor.role)

    @router.get("/reports/regression/{run_id}/progress")
    async def progress(run_id: RunId, caller: Annotated[Caller, Depends(access.caller)]) -> JSONResponse:
        """What an open report page asks for while something is going on."""
        status, answer = await upstreams.json(Owner.REGRESSION, f"{RUNS}/{run_id}/report", headers=bearer(caller))
        if status != 200:
            raise Problem(status, "No progress", answer.get("detail", "the run could not be read"))
        view = run_view(answer)
        return JSONResponse(
            {
                "running": view.running,
                "done": view.done,
                "total": view.total,
                "rollback": vars(rollback_view(answer["run"])),
            },
            headers={"Cache-Control": "no-store"},
        )

    return router


def session_router(*, access: Access, operations: Operations, pages: Pages, secure_cookies: bool) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/signin")
    async def sign_in_page(next: str = "/") -> Response:
        return pages.sign_in(next_path=safe_return_path(next), error=None)

    @router.post("/session")
    async def sign_in(
        request: Request, token: Annotated[str, Form(max_length=4096)], next: Annotated[str, Form(max_length=500)] = "/"
    ) -> Response:
        """The token goes into a session; the browser keeps a cookie that no script can read."""
        target = safe_return_path(next)
        _same_site(request)
        try:
            caller = await access.check(token.strip())
        except NotSignedIn as error:
            return pages.sign_in(next_path=target, error=str(error), status=401)
        secret = await operations.sign_in(
            token=caller.token,
            token_id=caller.actor.token_id,
            actor=caller.actor.name,
            role=caller.actor.role,
            cause=Cause(correlation_id=correlation_of(request), actor=caller.actor.name),
        )
        answer = RedirectResponse(target, status_code=303)
        answer.set_cookie(COOKIE, secret, httponly=True, samesite="strict", secure=secure_cookies, path="/")
        return answer

    @router.post("/session/end")
    async def sign_out(request: Request) -> Response:
        _same_site(request)
        secret = request.cookies.get(COOKIE)
        if secret is not None:
            cause = Cause(correlation_id=correlation_of(request), actor="browser")
            await operations.sign_out(secret, cause)
        answer = RedirectResponse("/signin", status_code=303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=secure_cookies)
        return answer

    return router


def _same_site(request: Request) -> None:
    check_same_site(
        method=request.method,
        host=request.headers.get("host", ""),
        origin=request.headers.get("origin"),
        fetch_site=request.headers.get("sec-fetch-site"),
    )


def _live(rows: list[Any]) -> list[str]:
    runs = [row for row in rows if row.subject.startswith("run:")]
    return [f"{row.subject.replace(':', ' ').capitalize()}: {row.done:g} of {row.total:g} segments" for row in runs]
