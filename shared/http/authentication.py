"""Who asks: a bearer token on every request but health, metrics and the API's own description."""

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from shared.auth import Actor, InvalidToken, Role, TokenVerifier
from shared.cause import Cause, IdempotencyKey
from shared.http.problems import Problem
from shared.ids import uuid7

_bearer = HTTPBearer(auto_error=False, description="an access token of the catalog service")


def current_actor(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Actor:
    """Raises a 401 problem. The verifier is the app's own (`app.state.verifier`)."""
    if credentials is None:
        raise Problem(401, "Not signed in", "send an access token: Authorization: Bearer <token>")
    verifier: TokenVerifier = request.app.state.verifier
    try:
        return verifier.verify(credentials.credentials)
    except InvalidToken as error:
        raise Problem(401, "Not signed in", str(error)) from error


def require(role: Role) -> Callable[[Actor], Actor]:
    """A dependency: the actor, when its role is enough; otherwise a 403 problem."""

    def check(actor: Annotated[Actor, Depends(current_actor)]) -> Actor:
        if not actor.role.includes(role):
            raise Problem(403, "Not allowed", f"this needs the role {role}; your token has {actor.role}")
        return actor

    return check


def request_cause(request: Request, actor: Annotated[Actor, Depends(current_actor)]) -> Cause:
    """The cause of what this request does; carries its Idempotency-Key into the transaction."""
    idempotency: IdempotencyKey | None = getattr(request.state, "idempotency", None)
    return Cause(correlation_id=correlation_of(request), actor=actor.name, idempotency=idempotency)


def correlation_of(request: Request) -> UUID:
    """`X-Correlation-Id` when it is a UUID, otherwise a new one; the same for the whole request."""
    known: UUID | None = getattr(request.state, "correlation_id", None)
    if known is None:
        try:
            known = UUID(request.headers.get("x-correlation-id", ""))
        except ValueError:
            known = uuid7()
        request.state.correlation_id = known
    return known
