"""POST with an Idempotency-Key: the second request with a key gets the first one's answer, and does nothing.

The key is written in the request's own transaction, so the effect happens once, crash or not. The answer is stored
after it; a crash between the two leaves a key without an answer, and the repeat gets a 409 that says so.
"""

import hashlib
from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from shared.auth import InvalidToken, TokenVerifier
from shared.cause import IdempotencyKey
from shared.http.problems import Problem, problem_response
from shared.postgres import Database

HEADER = "idempotency-key"
MAX_KEY_CHARACTERS = 200
KEPT_DAYS = 2

Next = Callable[[Request], Awaitable[Response]]


def idempotency(database: Database, verifier: TokenVerifier) -> Callable[[Request, Next], Awaitable[Response]]:
    """The middleware. Keys belong to an actor, so nobody reads another's answer."""

    async def middleware(request: Request, call_next: Next) -> Response:
        key = request.headers.get(HEADER)
        actor = _actor_of(request, verifier) if key and request.method == "POST" else None
        if key is None or actor is None:
            return await call_next(request)
        if len(key) > MAX_KEY_CHARACTERS:
            return problem_response(
                Problem(
                    422, "Invalid Idempotency-Key", f"use at most {MAX_KEY_CHARACTERS} characters, a UUID for example"
                )
            )
        fingerprint = hashlib.sha256(
            request.method.encode() + b"\n" + str(request.url.path).encode() + b"\n" + await request.body()
        ).hexdigest()
        if (answer := await _earlier_answer(database, actor, key, fingerprint)) is not None:
            return answer
        request.state.idempotency = IdempotencyKey(key=key, fingerprint=fingerprint)
        return await _remember(database, actor, key, await call_next(request))

    return middleware


def _actor_of(request: Request, verifier: TokenVerifier) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        return verifier.verify(token).name
    except InvalidToken:
        return None


async def _earlier_answer(database: Database, actor: str, key: str, fingerprint: str) -> Response | None:
    row = await database.fetchrow(
        "SELECT fingerprint, status, content_type, body FROM idempotency_keys WHERE actor = $1 AND key = $2", actor, key
    )
    if row is None:
        return None
    if row["fingerprint"] != fingerprint:
        return problem_response(
            Problem(422, "Idempotency-Key used before", "this key came with another request; use a new key")
        )
    if row["status"] is None:
        return problem_response(
            Problem(
                409, "Already carried out", "a request with this Idempotency-Key was carried out; look at its result"
            )
        )
    return Response(row["body"], status_code=row["status"], media_type=row["content_type"])


async def _remember(database: Database, actor: str, key: str, response: Response) -> Response:
    body = b"".join([chunk async for chunk in response.body_iterator])  # type: ignore[attr-defined]
    if response.status_code < 400:
        await database.pool.execute(
            "UPDATE idempotency_keys SET status = $3, content_type = $4, body = $5 WHERE actor = $1 AND key = $2",
            actor,
            key,
            response.status_code,
            response.headers.get("content-type"),
            body,
        )
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return Response(body, status_code=response.status_code, headers=headers)
