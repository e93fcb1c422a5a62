"""The gateway: every path of the public API goes to its owner, by the table in the domain."""

from collections.abc import AsyncIterator
from typing import Annotated

import httpx
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response, StreamingResponse
from starlette.background import BackgroundTask

from services.studio.adapters.upstream import Upstreams
from services.studio.api.access import Access, Caller
from services.studio.domain.routes import MethodNotOffered, owner_of
from shared.http.authentication import correlation_of
from shared.http.problems import Problem, problem_response

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

PASSED_ON = frozenset(
    {"accept", "content-length", "content-type", "idempotency-key", "if-match", "if-none-match", "range", "traceparent"}
)
"""What of a request a service sees, besides who asks and the correlation id. Cookies stay here."""

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade", "set-cookie"}
    | {"server", "date", "x-correlation-id"}
)


def gateway_router(*, access: Access, upstreams: Upstreams) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.api_route("/api/{path:path}", methods=METHODS)
    async def forward(path: str, request: Request, caller: Annotated[Caller, Depends(access.caller)]) -> Response:
        """Streams both ways: neither body is held here."""
        try:
            owner = owner_of(request.method, f"/api/{path}")
        except MethodNotOffered as error:
            answer = problem_response(Problem(405, "Method not allowed", str(error)))
            answer.headers["Allow"] = ", ".join(error.allowed)
            return answer
        upstream = await upstreams.send(
            owner,
            method=request.method,
            path=f"/api/{path}",
            query=request.scope["query_string"],
            headers=_headers(request, caller),
            body=request.stream() if _has_body(request) else None,
        )
        return _answer(upstream)

    return router


def _headers(request: Request, caller: Caller) -> list[tuple[str, str]]:
    kept = [(name, value) for name, value in request.headers.items() if name in PASSED_ON]
    if not _has_body(request):
        kept = [(name, value) for name, value in kept if name != "content-length"]
    return [
        *kept,
        ("authorization", f"Bearer {caller.token}"),
        ("x-correlation-id", str(correlation_of(request))),
        ("accept-encoding", "identity"),
    ]


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0"


def _answer(upstream: httpx.Response) -> StreamingResponse:
    answer = StreamingResponse(
        _body(upstream), status_code=upstream.status_code, background=BackgroundTask(upstream.aclose)
    )
    for name, value in upstream.headers.multi_items():
        if name.lower() not in HOP_BY_HOP:
            answer.headers.append(name, value)
    answer.headers["Cache-Control"] = upstream.headers.get("cache-control", "no-store")
    return answer


async def _body(upstream: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in upstream.aiter_raw():
            yield chunk
    finally:
        await upstream.aclose()
