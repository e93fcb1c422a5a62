"""Every SQL statement of the studio schema."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.studio.domain.activity import Activity, ActivityKind, LiveProgress
from services.studio.domain.browser import Session
from shared.cause import Cause
from shared.postgres.database import Database, Transaction


@dataclass(frozen=True)
class StoredActivity:
    id: int
    activity: Activity
    correlation_id: UUID


class Store:
    def __init__(self, database: Database) -> None:
        self._database = database

    def transaction(self, cause: Cause) -> AbstractAsyncContextManager[Transaction]:
        return self._database.transaction(cause)

    async def add_session(self, tx: Transaction, key: str, session: Session) -> None:
        await tx.connection.execute(
            """
            INSERT INTO sessions (key, token_id, actor, role, sealed_token, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6)
            """,
            key,
            session.token_id,
            session.actor,
            session.role,
            session.sealed_token,
            session.expires_at,
        )

    async def drop_session(self, tx: Transaction, key: str) -> None:
        await tx.connection.execute("DELETE FROM sessions WHERE key = $1", key)

    async def session(self, key: str, *, now: datetime) -> Session | None:
        row = await self._database.fetchrow(
            """
            SELECT token_id, actor, role, sealed_token, expires_at
            FROM sessions
            WHERE key = $1 AND expires_at > $2
            """,
            key,
            now,
        )
        return None if row is None else Session(**dict(row))

    async def revoke(self, tx: Transaction, token_id: UUID, *, expires_at: datetime) -> None:
        await tx.connection.execute(
            "INSERT INTO revoked_tokens (token_id, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            token_id,
            expires_at,
        )
        await tx.connection.execute("DELETE FROM sessions WHERE token_id = $1", token_id)

    async def is_revoked(self, token_id: UUID) -> bool:
        found = await self._database.fetchval("SELECT 1 FROM revoked_tokens WHERE token_id = $1", token_id)
        return found is not None

    async def add_activity(self, tx: Transaction, activity: Activity) -> None:
        await tx.connection.execute(
            """
            INSERT INTO activity (kind, subject, summary, data, correlation_id, happened_at)
            VALUES ($1, $2, $3, $4, $5, $6)
            """,
            activity.kind,
            activity.subject,
            activity.summary,
            activity.data,
            tx.cause.correlation_id,
            activity.happened_at,
        )

    async def activities(self, *, before: int | None, subject: str | None, limit: int) -> list[StoredActivity]:
        """Newest first."""
        rows = await self._database.fetch(
            """
            SELECT id, kind, subject, summary, data, correlation_id, happened_at
            FROM activity
            WHERE ($1::bigint IS NULL OR id < $1) AND ($2::text IS NULL OR subject = $2)
            ORDER BY id DESC
            LIMIT $3
            """,
            before,
            subject,
            limit,
        )
        return [_activity(row) for row in rows]

    async def set_progress(self, tx: Transaction, progress: LiveProgress) -> None:
        await tx.connection.execute(
            """
            INSERT INTO live_progress (subject, done, total, state, data)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (subject) DO UPDATE SET
                done = excluded.done, total = excluded.total, state = excluded.state, data = excluded.data
            """,
            progress.subject,
            progress.done,
            progress.total,
            progress.state,
            progress.data,
        )

    async def drop_progress(self, tx: Transaction, subject: str) -> None:
        await tx.connection.execute("DELETE FROM live_progress WHERE subject = $1", subject)

    async def progress(self) -> list[LiveProgress]:
        """What is going on now, at most 200 things, the most recently heard of first."""
        rows = await self._database.fetch(
            """
            SELECT subject, done, total, state, data
            FROM live_progress
            ORDER BY updated_at DESC, subject
            LIMIT 200
            """
        )
        return [LiveProgress(**dict(row)) for row in rows]

    async def sweep(self, tx: Transaction, *, now: datetime, silent_since: datetime, keep_activity: int) -> None:
        """Forget what has expired, progress that went silent, and all but the newest `keep_activity` lines."""
        await tx.connection.execute("DELETE FROM sessions WHERE expires_at <= $1", now)
        await tx.connection.execute("DELETE FROM revoked_tokens WHERE expires_at <= $1", now)
        await tx.connection.execute("DELETE FROM live_progress WHERE updated_at < $1", silent_since)
        await tx.connection.execute(
            "DELETE FROM activity WHERE id <= (SELECT id FROM activity ORDER BY id DESC OFFSET $1 LIMIT 1)",
            keep_activity,
        )


def _activity(row: asyncpg.Record) -> StoredActivity:
    facts: dict[str, Any] = dict(row)
    identity, correlation_id = facts.pop("id"), facts.pop("correlation_id")
    return StoredActivity(identity, Activity(**{**facts, "kind": ActivityKind(facts["kind"])}), correlation_id)
