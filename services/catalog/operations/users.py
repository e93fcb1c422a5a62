"""Users, and the access tokens they are given."""

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from services.catalog import domain, metrics
from services.catalog.store import UserStore
from shared.auth import IssuedToken, Role, TokenIssuer
from shared.cause import Cause
from shared.clock import Clock, utc_now
from shared.contracts.token import TokenRevoked
from shared.postgres import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedAccess:
    """`secret` is shown once, to the one who asked, and kept nowhere."""

    token: domain.Token
    secret: str


class UserOperations:
    def __init__(self, *, store: UserStore, issuer: TokenIssuer, now: Clock = utc_now) -> None:
        self._store = store
        self._issuer = issuer
        self._now = now

    async def create(self, cause: Cause, *, name: str, role: domain.Role) -> domain.User:
        """Raises Conflict for a name that is taken."""
        async with self._store.transaction(cause) as tx:
            return await self._store.insert(tx, name=name, role=role)

    async def delete(self, cause: Cause, user_id: domain.UserId) -> None:
        """The user's tokens are revoked too. Raises Conflict for the last admin."""
        async with self._store.transaction(cause) as tx:
            await self._store.lock_all(tx)
            user = await self._store.lock(tx, user_id)
            domain.refuse_last_admin(user=user, admins=await self._store.count_admins(tx))
            for token in await self._store.lock_tokens_in_use(tx, user_id, at=self._now()):
                await _say_revoked(tx, token)
            await self._store.delete(tx, user_id)

    async def issue_token(
        self, cause: Cause, user_id: domain.UserId, *, label: str, lifetime: timedelta, by_admin: bool
    ) -> IssuedAccess:
        """Raises NotAllowed for somebody else's access.

        The Idempotency-Key is left out on purpose: the answer holds a secret, and would be stored with the key.
        """
        async with self._store.transaction(replace(cause, idempotency=None)) as tx:
            user = await self._store.lock(tx, user_id)
            _refuse_stranger(user, cause, by_admin=by_admin)
            issued, token = await issue(
                tx, self._store, self._issuer, user, label=label, lifetime=lifetime, now=self._now
            )
        return IssuedAccess(token=token, secret=issued.token)

    async def revoke_token(self, cause: Cause, token_id: UUID, *, by_admin: bool) -> None:
        """Revoking twice, or after the end, changes nothing. Raises NotAllowed for somebody else's access."""
        async with self._store.transaction(cause) as tx:
            await self._store.lock_all(tx)
            token = await self._store.lock_token(tx, token_id)
            _refuse_stranger(await self._store.lock(tx, token.user_id), cause, by_admin=by_admin)
            if not token.accepted_at(self._now()):
                return
            await self._store.revoke_token(tx, token_id, at=self._now())
            await _say_revoked(tx, token)


async def issue(
    tx: Transaction,
    store: UserStore,
    issuer: TokenIssuer,
    user: domain.User,
    *,
    label: str,
    lifetime: timedelta,
    now: Clock,
) -> tuple[IssuedToken, domain.Token]:
    """Sign a token and remember its hash."""
    created_at = now()
    issued = issuer.issue(name=user.name, role=Role(user.role), now=created_at, lifetime=lifetime)
    token = await store.insert_token(
        tx,
        user,
        token_id=issued.token_id,
        token_hash=domain.hash_of_token(issued.token),
        label=label,
        created_at=created_at,
        expires_at=issued.expires_at,
    )
    metrics.TOKENS_ISSUED.labels(user.role).inc()
    return issued, token


def _refuse_stranger(user: domain.User, cause: Cause, *, by_admin: bool) -> None:
    if not domain.may_manage_tokens_of(user, actor=cause.actor, actor_is_admin=by_admin):
        raise domain.NotAllowed(f"you may manage your own tokens only; ask an admin for those of {user.name}")


async def _say_revoked(tx: Transaction, token: domain.Token) -> None:
    await tx.emit(TokenRevoked(token_id=token.id, expires_at=token.expires_at))
