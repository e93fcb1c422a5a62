"""What studio does with its own tables: sign-in, revoked tokens, the feed and live progress."""

import secrets
from datetime import datetime, timedelta
from uuid import UUID

from services.studio import metrics
from services.studio.adapters.seal import seal, unseal
from services.studio.domain.activity import Activity, LiveProgress
from services.studio.domain.browser import Session, session_key
from services.studio.store import Store
from shared.cause import Cause
from shared.clock import Clock, utc_now

SILENT_AFTER = timedelta(hours=1)
"""Progress is a hint that may be lost, its end too; after this long without news a row is forgotten."""

KEEP_ACTIVITY = 10_000


class Operations:
    def __init__(self, *, store: Store, session_seconds: float, now: Clock = utc_now) -> None:
        self._store = store
        self._session_length = timedelta(seconds=session_seconds)
        self._now = now

    async def sign_in(self, *, token: str, token_id: UUID, actor: str, role: str, cause: Cause) -> str:
        """Remember a browser. Returns the cookie's secret. The token's own expiry is checked at every use."""
        secret = secrets.token_urlsafe(32)
        expires_at = self._now() + self._session_length
        session = Session(token_id, actor, role, seal(token, secret=secret), expires_at)
        async with self._store.transaction(cause) as tx:
            await self._store.add_session(tx, session_key(secret), session)
        return secret

    async def sign_out(self, secret: str, cause: Cause) -> None:
        async with self._store.transaction(cause) as tx:
            await self._store.drop_session(tx, session_key(secret))

    async def token_of_session(self, secret: str) -> str | None:
        """The bearer token of a signed-in browser; None when the session has ended or never was."""
        session = await self._store.session(session_key(secret), now=self._now())
        return None if session is None else unseal(session.sealed_token, secret=secret)

    async def revoke_token(self, *, token_id: UUID, expires_at: datetime, cause: Cause) -> None:
        async with self._store.transaction(cause) as tx:
            await self._store.revoke(tx, token_id, expires_at=expires_at)

    async def tell(self, activity: Activity, *, ends: str | None, cause: Cause) -> None:
        """Add a line to the feed; the progress row of what it `ends` goes."""
        async with self._store.transaction(cause) as tx:
            await self._store.add_activity(tx, activity)
            if ends is not None:
                await self._store.drop_progress(tx, ends)
        metrics.ACTIVITY.labels(kind=activity.kind).inc()

    async def follow(self, progress: LiveProgress, *, cause: Cause) -> None:
        async with self._store.transaction(cause) as tx:
            if progress.finished:
                await self._store.drop_progress(tx, progress.subject)
            else:
                await self._store.set_progress(tx, progress)

    async def sweep(self) -> None:
        now = self._now()
        async with self._store.transaction(Cause.begin("service:studio")) as tx:
            await self._store.sweep(tx, now=now, silent_since=now - SILENT_AFTER, keep_activity=KEEP_ACTIVITY)
