"""Attempts at jobs, and the prompts of those that nobody waits for any more."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.dispatch.domain.jobs import Attempt, AttemptState, Failure
from services.dispatch.store.base import BaseStore
from shared.postgres import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonedPrompt:
    prompt_id: UUID
    server: str
    tries: int


class AttemptStore(BaseStore):
    async def attempts_of(self, job_id: int) -> list[Attempt]:
        rows = await self._database.fetch(
            "SELECT * FROM generation_attempts WHERE job_id = $1 ORDER BY attempt", job_id
        )
        return [_attempt(row) for row in rows]

    async def prompts_in_work(self) -> frozenset[str]:
        """Those that somebody waits for: this process, or another one on the same servers."""
        rows = await self._database.fetch(
            """
            SELECT attempt.prompt_id::text FROM generation_jobs AS job
            JOIN generation_attempts AS attempt ON attempt.job_id = job.id AND attempt.attempt = job.attempt
            WHERE job.state = 'leased' AND attempt.closed_at IS NULL
            """
        )
        return frozenset(row["prompt_id"] for row in rows)

    async def add_attempt(
        self, *, job_id: int, token: UUID, attempt: int, prompt_id: UUID, server: str, prefix: str, repeat: bool
    ) -> Attempt | None:
        """None when the job is not held under this token any more.

        A transaction of its own, of one statement: a free server waits for it.
        """
        row = await self._database.fetchrow(
            """
            WITH held AS (
                UPDATE generation_jobs
                SET attempt = $3, server = $5, repeated_renders = repeated_renders + $7::int
                WHERE id = $1 AND lease_token = $2 AND state = 'leased' RETURNING id)
            INSERT INTO generation_attempts (job_id, attempt, prompt_id, server, file_prefix)
            SELECT id, $3, $4, $5, $6 FROM held RETURNING *
            """,
            job_id,
            token,
            attempt,
            prompt_id,
            server,
            prefix,
            int(repeat),
        )
        return _attempt(row) if row else None

    async def mark_submitted(self, tx: Transaction, *, job_id: int, attempt: int, now: datetime) -> None:
        await tx.connection.execute(
            """
            UPDATE generation_attempts SET state = 'submitted', submitted_at = $3
            WHERE job_id = $1 AND attempt = $2 AND state = 'prepared'
            """,
            job_id,
            attempt,
            now,
        )

    async def mark_began(self, tx: Transaction, *, job_id: int, attempt: int, now: datetime) -> None:
        await tx.connection.execute(
            """
            UPDATE generation_attempts SET began_at = $3
            WHERE job_id = $1 AND attempt = $2 AND state = 'submitted' AND began_at IS NULL
            """,
            job_id,
            attempt,
            now,
        )

    async def close_attempt(
        self,
        tx: Transaction,
        *,
        job_id: int,
        attempt: int,
        state: AttemptState,
        failure: Failure | None,
        now: datetime,
    ) -> None:
        await tx.connection.execute(
            """
            UPDATE generation_attempts SET state = $3, failure = $4, closed_at = $5
            WHERE job_id = $1 AND attempt = $2 AND closed_at IS NULL
            """,
            job_id,
            attempt,
            state.value,
            failure.as_json() if failure else None,
            now,
        )

    async def abandon_open_attempts(self, tx: Transaction, job_id: int, now: datetime) -> int:
        """Whatever still runs for this job is nobody's; it is written down to be cancelled on its server."""
        rows = await tx.connection.fetch(
            """
            WITH closed AS (
                UPDATE generation_attempts SET state = 'abandoned', closed_at = $2
                WHERE job_id = $1 AND closed_at IS NULL RETURNING prompt_id, server)
            INSERT INTO abandoned_prompts (prompt_id, server, available_at)
            SELECT prompt_id, server, $2 FROM closed
            ON CONFLICT DO NOTHING RETURNING prompt_id
            """,
            job_id,
            now,
        )
        return len(rows)

    async def take_abandoned(
        self, tx: Transaction, *, servers: Sequence[str], now: datetime, again_at: datetime
    ) -> list[AbandonedPrompt]:
        """Those that are due, put off until `again_at`: who takes them forgets them when they are cancelled."""
        rows = await tx.connection.fetch(
            """
            UPDATE abandoned_prompts SET tries = tries + 1, available_at = $3
            WHERE prompt_id IN (
                SELECT prompt_id FROM abandoned_prompts
                WHERE available_at <= $2 AND server = ANY ($1::text[])
                ORDER BY available_at LIMIT 20 FOR UPDATE SKIP LOCKED)
            RETURNING prompt_id, server, tries
            """,
            list(servers),
            now,
            again_at,
        )
        return [AbandonedPrompt(**row) for row in rows]

    async def forget_abandoned(self, tx: Transaction, prompt_id: UUID) -> None:
        await tx.connection.execute("DELETE FROM abandoned_prompts WHERE prompt_id = $1", prompt_id)

    async def forget_old_abandoned(self, tx: Transaction, before: datetime) -> None:
        """A server that has not come back for so long has forgotten its queue."""
        await tx.connection.execute("DELETE FROM abandoned_prompts WHERE created_at < $1", before)


def _attempt(row: Any) -> Attempt:
    return Attempt(
        job_id=row["job_id"],
        attempt=row["attempt"],
        prompt_id=row["prompt_id"],
        server=row["server"],
        file_prefix=row["file_prefix"],
        state=AttemptState(row["state"]),
        submitted_at=row["submitted_at"],
        created_at=row["created_at"],
        began_at=row["began_at"],
    )
