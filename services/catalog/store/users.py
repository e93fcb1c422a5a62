"""SQL of users and of the tokens they were given."""

from datetime import datetime
from uuid import UUID

import asyncpg

from services.catalog import domain
from services.catalog.store.base import Store, unique
from shared.postgres import Transaction

_USERS_LOCK = 0x52757368
"""Advisory lock of this schema's users: the first admin is made once, and the last one not deleted twice at a time."""


class UserStore(Store):
    async def lock_all(self, tx: Transaction) -> None:
        """One at a time where a decision depends on how many users there are."""
        await tx.connection.execute("SELECT pg_advisory_xact_lock($1)", _USERS_LOCK)

    async def count(self, tx: Transaction) -> int:
        count: int = await tx.connection.fetchval("SELECT count(*) FROM users")
        return count

    async def count_admins(self, tx: Transaction) -> int:
        count: int = await tx.connection.fetchval("SELECT count(*) FROM users WHERE role = 'admin'")
        return count

    async def insert(self, tx: Transaction, *, name: str, role: domain.Role) -> domain.User:
        with unique("user", name):
            row = await tx.connection.fetchrow(
                "INSERT INTO users (name, role) VALUES ($1, $2) RETURNING id, name, role, created_at", name, role
            )
        assert row is not None
        return _user(row)

    async def lock(self, tx: Transaction, user_id: domain.UserId) -> domain.User:
        """The user, held against changes until the transaction ends. Raises NotFound."""
        row = await tx.connection.fetchrow(
            "SELECT id, name, role, created_at FROM users WHERE id = $1 FOR UPDATE", user_id
        )
        if row is None:
            raise domain.NotFound("user", user_id)
        return _user(row)

    async def lock_named(self, tx: Transaction, name: str) -> domain.User | None:
        row = await tx.connection.fetchrow(
            "SELECT id, name, role, created_at FROM users WHERE name = $1 FOR UPDATE", name
        )
        return None if row is None else _user(row)

    async def delete(self, tx: Transaction, user_id: domain.UserId) -> None:
        await tx.connection.execute("DELETE FROM users WHERE id = $1", user_id)

    async def find(self, user_id: domain.UserId) -> domain.User:
        """Raises NotFound."""
        row = await self._database.fetchrow("SELECT id, name, role, created_at FROM users WHERE id = $1", user_id)
        if row is None:
            raise domain.NotFound("user", user_id)
        return _user(row)

    async def find_named(self, name: str) -> domain.User | None:
        row = await self._database.fetchrow("SELECT id, name, role, created_at FROM users WHERE name = $1", name)
        return None if row is None else _user(row)

    async def page(self, *, after: int, limit: int, name: str | None) -> list[domain.User]:
        rows = await self._database.fetch(
            """
            SELECT id, name, role, created_at FROM users
            WHERE id > $1 AND ($3::text IS NULL OR name = $3)
            ORDER BY id LIMIT $2
            """,
            after,
            limit,
            name,
        )
        return [_user(row) for row in rows]

    async def insert_token(
        self,
        tx: Transaction,
        user: domain.User,
        *,
        token_id: UUID,
        token_hash: str,
        label: str,
        created_at: datetime,
        expires_at: datetime,
    ) -> domain.Token:
        row = await tx.connection.fetchrow(
            """
            INSERT INTO tokens (id, user_id, token_hash, label, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
            RETURNING id, number, user_id, label, created_at, expires_at, revoked_at
            """,
            token_id,
            user.id,
            token_hash,
            label,
            created_at,
            expires_at,
        )
        assert row is not None
        return _token(row)

    async def lock_token(self, tx: Transaction, token_id: UUID) -> domain.Token:
        """Raises NotFound."""
        row = await tx.connection.fetchrow(
            """
            SELECT id, number, user_id, label, created_at, expires_at, revoked_at FROM tokens WHERE id = $1 FOR UPDATE
            """,
            token_id,
        )
        if row is None:
            raise domain.NotFound("token", token_id)
        return _token(row)

    async def revoke_token(self, tx: Transaction, token_id: UUID, *, at: datetime) -> None:
        await tx.connection.execute("UPDATE tokens SET revoked_at = $2 WHERE id = $1", token_id, at)

    async def lock_tokens_in_use(self, tx: Transaction, user_id: domain.UserId, *, at: datetime) -> list[domain.Token]:
        rows = await tx.connection.fetch(
            """
            SELECT id, number, user_id, label, created_at, expires_at, revoked_at FROM tokens
            WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2
            ORDER BY id FOR UPDATE
            """,
            user_id,
            at,
        )
        return [_token(row) for row in rows]

    async def token_with_hash(self, tx: Transaction, token_hash: str) -> domain.Token | None:
        row = await tx.connection.fetchrow(
            "SELECT id, number, user_id, label, created_at, expires_at, revoked_at FROM tokens WHERE token_hash = $1",
            token_hash,
        )
        return None if row is None else _token(row)

    async def tokens_of(self, user_id: domain.UserId, *, after: int, limit: int) -> list[domain.Token]:
        rows = await self._database.fetch(
            """
            SELECT id, number, user_id, label, created_at, expires_at, revoked_at FROM tokens
            WHERE user_id = $1 AND number > $2 ORDER BY number LIMIT $3
            """,
            user_id,
            after,
            limit,
        )
        return [_token(row) for row in rows]


def _user(row: asyncpg.Record) -> domain.User:
    return domain.User(id=row["id"], name=row["name"], role=domain.Role(row["role"]), created_at=row["created_at"])


def _token(row: asyncpg.Record) -> domain.Token:
    return domain.Token(**dict(row))
