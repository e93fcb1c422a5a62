"""The app that every service serves: problems, authentication, health, metrics, limits, correlation."""

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.auth import TokenVerifier
from shared.http import problems
from shared.http.authentication import correlation_of
from shared.http.idempotency import idempotency
from shared.http.problems import Problem, problem_response
from shared.logs import correlation
from shared.metrics import HTTP_SECONDS
from shared.postgres import Database

Next = Callable[[Request], Awaitable[Response]]
Health = Callable[[], Awaitable[dict[str, str]]]
Facts = Callable[[], dict[str, Any]]


def create_app(
    *,
    name: str,
    database: Database,
    verifier: TokenVerifier,
    max_request_bytes: int,
    not_ready_because: Health,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    facts: Facts = dict,
) -> FastAPI:
    """`not_ready_because` answers with a reason per part that is not ready; empty when all are. `facts` is what else
    an operator should see there, by part."""
    app = FastAPI(title=f"Rushes {name}", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.verifier = verifier
    problems.install(app)
    app.middleware("http")(idempotency(database, verifier))
    app.middleware("http")(_limit(max_request_bytes))
    app.middleware("http")(_observe)
    _add_operations(app, not_ready_because, facts)
    return app


def add_routers(app: FastAPI, *routers: APIRouter) -> None:
    """Their routes become the app's own as they are. FastAPI's `include_router` would work out each anew, which is most
    of what building an app costs."""
    for router in routers:
        app.router.routes.extend(router.routes)


def _add_operations(app: FastAPI, not_ready_because: Health, facts: Facts) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        """The process lives."""
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        """The process can do its work; if not, why."""
        reasons = await not_ready_because()
        status = "not ready" if reasons else "ready"
        return JSONResponse(
            {"status": status, "reasons": reasons, "facts": facts()}, status_code=503 if reasons else 200
        )

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _observe(request: Request, call_next: Next) -> Response:
    """Outermost: correlation id in and out, the last resort for errors, seconds per route."""
    correlation_id = correlation_of(request)
    token = correlation.set(correlation_id)
    started = time.perf_counter()
    try:
        response = await call_next(request)
    except Exception as error:
        response = problems.unexpected_response(request, error)
    finally:
        correlation.reset(token)
    response.headers["X-Correlation-Id"] = str(correlation_id)
    route: Any = request.scope.get("route")
    path = getattr(route, "path", "unknown")
    HTTP_SECONDS.labels(request.method, path, str(response.status_code)).observe(time.perf_counter() - started)
    return response


def _limit(max_request_bytes: int) -> Callable[[Request, Next], Awaitable[Response]]:
    """Refuse a body that is too large: by its declared length at once, otherwise as soon as it is too long."""
    too_large = Problem(413, "Request too large", f"send at most {max_request_bytes} bytes")

    async def middleware(request: Request, call_next: Next) -> Response:
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > max_request_bytes:
            return problem_response(too_large)
        if not declared and request.method in {"POST", "PUT", "PATCH"}:
            received = 0
            async for chunk in request.stream():
                received += len(chunk)
                if received > max_request_bytes:
                    return problem_response(too_large)
            if received:
                return problem_response(Problem(411, "Length required", "send a Content-Length header"))
        return await call_next(request)

    return middleware
