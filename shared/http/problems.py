"""Errors as RFC 9457 problem documents: what is wrong, and what to change."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shared.errors import TransientError
from shared.postgres.database import DuplicateRequest
from shared.postgres.errors import is_transient

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """An error answer. `detail` says what to change."""

    def __init__(self, status: int, title: str, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.extra = extra


def problem_response(problem: Problem) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else None
    if problem.status == 503:
        headers = {"Retry-After": "2"}
    return JSONResponse(
        jsonable_encoder(
            {"type": "about:blank", "status": problem.status, "title": problem.title, "detail": problem.detail}
            | problem.extra
        ),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def install(app: FastAPI) -> None:
    """The errors of the app become problem documents; the unexpected ones are met in `unexpected_response`."""

    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> JSONResponse:
        return problem_response(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return problem_response(_problem_of_validation(error))

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        return problem_response(Problem(error.status_code, _title(error.status_code), str(error.detail)))

    @app.exception_handler(DuplicateRequest)
    async def duplicate(_: Request, __: DuplicateRequest) -> JSONResponse:
        return problem_response(
            Problem(
                409, "Already carried out", "a request with this Idempotency-Key was carried out; look at its result"
            )
        )


def unexpected_response(request: Request, error: Exception) -> JSONResponse:
    """503 when a part is away; otherwise 500, logged, showing nothing of its inside."""
    if isinstance(error, TransientError) or is_transient(error):
        logger.warning("away", extra={"path": request.url.path, "error": repr(error)})
        return problem_response(
            Problem(503, "Not available right now", "a part of the system is away; try again in a moment")
        )
    logger.error("unexpected error", extra={"path": request.url.path}, exc_info=error)
    return problem_response(Problem(500, "Internal error", "this is a defect of ours; the log has the details"))


def _problem_of_validation(error: RequestValidationError) -> Problem:
    errors = [{"where": ".".join(str(part) for part in e["loc"]), "message": e["msg"]} for e in error.errors()]
    detail = "; ".join(f"{e['where']}: {e['message']}" for e in errors[:5])
    return Problem(422, "Invalid request", detail, errors=errors[:50])


def _title(status: int) -> str:
    return {401: "Not signed in", 403: "Not allowed", 404: "Not found", 405: "Method not allowed"}.get(status, "Error")
