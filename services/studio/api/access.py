"""Who asks: a bearer token, or the cookie of a browser that signed in with one."""

from dataclasses import dataclass

from fastapi import Request

from services.studio.domain.browser import check_same_site
from services.studio.operations import Operations
from services.studio.store import Store
from shared.auth import Actor, InvalidToken, TokenVerifier

COOKIE = "rushes_session"


class NotSignedIn(Exception):
    """No token, or one that is not accepted (any more)."""


@dataclass(frozen=True)
class Caller:
    actor: Actor
    token: str


class Access:
    def __init__(self, *, verifier: TokenVerifier, operations: Operations, store: Store) -> None:
        self._verifier = verifier
        self._operations = operations
        self._store = store

    async def caller(self, request: Request) -> Caller:
        """Raises NotSignedIn; ForgedRequest when the cookie came with a request that another site may have caused."""
        token = await self._token(request)
        if token is None:
            raise NotSignedIn("send an Authorization: Bearer header, or sign in at /signin")
        return await self.check(token)

    async def check(self, token: str) -> Caller:
        """Raises NotSignedIn for a token that is not ours, has expired or was revoked."""
        try:
            actor = self._verifier.verify(token)
        except InvalidToken as error:
            raise NotSignedIn(str(error)) from error
        if await self._store.is_revoked(actor.token_id):
            raise NotSignedIn("this token was revoked; ask for a new one")
        return Caller(actor, token)

    async def _token(self, request: Request) -> str | None:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme:
            return credentials.strip() if scheme.lower() == "bearer" else None
        secret = request.cookies.get(COOKIE)
        if secret is None:
            return None
        check_same_site(
            method=request.method,
            host=request.headers.get("host", ""),
            origin=request.headers.get("origin"),
            fetch_site=request.headers.get("sec-fetch-site"),
        )
        return await self._operations.token_of_session(secret)
