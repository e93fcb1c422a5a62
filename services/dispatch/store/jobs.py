"""Jobs and their leases."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.dispatch.domain.jobs import Failure, Job, JobState
from services.dispatch.store.base import BaseStore
from shared.postgres import Transaction

CLAIM = """
    WITH free AS (
        SELECT id FROM generation_jobs
        WHERE state = 'queued' AND NOT is_held
            AND CASE
                WHEN available_at > $4 THEN false
                WHEN server = $1 THEN true
                WHEN server = ANY ($2::text[]) THEN false
                WHEN needs_id = ANY (ARRAY(SELECT needs_id FROM unfit_servers WHERE server = $1)) THEN false
                ELSE $6::bigint[] IS NULL OR needs_id = ANY ($6::bigint[])
            END
            AND NOT (SELECT is_paused FROM queue_control WHERE id = 1)
        ORDER BY turn, remaining DESC, requested_at, id
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    UPDATE generation_jobs AS job
    SET state = 'leased', lease_token = $3, leased_until = $5
    FROM free WHERE job.id = free.id
    RETURNING job.*
"""
"""$1 the asking server, $2 all that are ready, $3 lease token, $4 now, $5 end of the lease, $6 the needs it may take.

A job with prompts on a server that is ready waits for that server, which alone can say how they went. One that the
asking server is known not to be fit for is left alone, and so are needs outside $6: a less loaded server takes them.
$6 NULL: any. Nothing is claimed while the queue is paused. Walks the claim index from its start and stops at the first
free row: no scan of the table, no sort (a test reads the plan). The conditions are a CASE, so that the planner does not
guess how rare a match is: a wrong guess makes it sort the whole queue.
"""


class JobStore(BaseStore):
    async def add_job(
        self,
        tx: Transaction,
        *,
        uid: UUID,
        scene_id: int,
        segment_id: int,
        needs_id: int,
        priority: int,
        turn: int,
        is_held: bool,
        remaining: int,
        requested_at: datetime,
        deadline_at: datetime | None,
        now: datetime,
    ) -> Job:
        row = await tx.connection.fetchrow(
            """
            INSERT INTO generation_jobs (uid, scene_id, segment_id, priority, remaining, requested_at, deadline_at,
                available_at, queued_at, turn, is_held, needs_id)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10, $11)
            RETURNING *
            """,
            uid,
            scene_id,
            segment_id,
            priority,
            remaining,
            requested_at,
            deadline_at,
            now,
            turn,
            is_held,
            needs_id,
        )
        return _job(row)

    async def claim_job(
        self,
        *,
        server: str,
        ready: Sequence[str],
        only: Collection[int] | None,
        token: UUID,
        now: datetime,
        until: datetime,
    ) -> Job | None:
        """A transaction of its own, of one statement: a free server waits for it."""
        needs = None if only is None else list(only)
        row = await self._database.fetchrow(CLAIM, server, list(ready), token, now, until, needs)
        return _job(row) if row else None

    async def renew_lease(self, tx: Transaction, *, job_id: int, token: UUID, until: datetime) -> bool:
        renewed = await tx.connection.fetchval(
            """
            UPDATE generation_jobs SET leased_until = $3
            WHERE id = $1 AND lease_token = $2 AND state = 'leased' RETURNING 1
            """,
            job_id,
            token,
            until,
        )
        return renewed is not None

    async def lock_leased_job(self, tx: Transaction, *, job_id: int, token: UUID) -> Job | None:
        """None when the job is not held under this token any more."""
        row = await tx.connection.fetchrow(
            "SELECT * FROM generation_jobs WHERE id = $1 AND lease_token = $2 AND state = 'leased' FOR UPDATE",
            job_id,
            token,
        )
        return _job(row) if row else None

    async def lock_job(self, tx: Transaction, job_id: int) -> Job | None:
        row = await tx.connection.fetchrow("SELECT * FROM generation_jobs WHERE id = $1 FOR UPDATE", job_id)
        return _job(row) if row else None

    async def requeue_job(self, tx: Transaction, *, job_id: int, available_at: datetime, keep_server: bool) -> None:
        await tx.connection.execute(
            """
            UPDATE generation_jobs
            SET state = 'queued', lease_token = NULL, leased_until = NULL, available_at = $2,
                server = CASE WHEN $3 THEN server END
            WHERE id = $1
            """,
            job_id,
            available_at,
            keep_server,
        )

    async def reclaim_expired(self, tx: Transaction, now: datetime) -> int:
        """Jobs whose worker is dead or cut off go back to the queue; their prompts may still run."""
        rows = await tx.connection.fetch(
            """
            UPDATE generation_jobs SET state = 'queued', lease_token = NULL, leased_until = NULL
            WHERE id IN (
                SELECT id FROM generation_jobs WHERE state = 'leased' AND leased_until < $1
                ORDER BY leased_until LIMIT 100 FOR UPDATE SKIP LOCKED)
            RETURNING id
            """,
            now,
        )
        return len(rows)

    async def overdue_jobs(self, now: datetime) -> list[Job]:
        rows = await self._database.fetch(
            """
            SELECT * FROM generation_jobs
            WHERE state IN ('queued', 'leased') AND deadline_at IS NOT NULL AND deadline_at <= $1
            ORDER BY deadline_at LIMIT 100
            """,
            now,
        )
        return [_job(row) for row in rows]

    async def count_failed_attempt(self, tx: Transaction, job_id: int, failure: Failure) -> None:
        await tx.connection.execute(
            "UPDATE generation_jobs SET failed_attempts = failed_attempts + 1, failure = $2 WHERE id = $1",
            job_id,
            failure.as_json(),
        )

    async def finish_job(
        self, tx: Transaction, *, job_id: int, state: JobState, failure: Failure | None, now: datetime
    ) -> None:
        await tx.connection.execute(
            """
            UPDATE generation_jobs
            SET state = $2, failure = coalesce($3, failure), finished_at = $4, lease_token = NULL, leased_until = NULL
            WHERE id = $1
            """,
            job_id,
            state.value,
            failure.as_json() if failure else None,
            now,
        )

    async def cancel_jobs_of_segment(self, tx: Transaction, segment_id: int, now: datetime) -> list[Job]:
        rows = await tx.connection.fetch(
            """
            UPDATE generation_jobs
            SET state = 'cancelled', finished_at = $2, lease_token = NULL, leased_until = NULL
            WHERE segment_id = $1 AND state IN ('queued', 'leased')
            RETURNING *
            """,
            segment_id,
            now,
        )
        return [_job(row) for row in rows]

    async def cancel_jobs(self, tx: Transaction, scene_id: int, now: datetime) -> list[Job]:
        rows = await tx.connection.fetch(
            """
            UPDATE generation_jobs
            SET state = 'cancelled', finished_at = $2, lease_token = NULL, leased_until = NULL
            WHERE scene_id = $1 AND state IN ('queued', 'leased')
            RETURNING *
            """,
            scene_id,
            now,
        )
        return [_job(row) for row in rows]

    async def job(self, job_id: int) -> Job | None:
        row = await self._database.fetchrow("SELECT * FROM generation_jobs WHERE id = $1", job_id)
        return _job(row) if row else None

    async def jobs_page(self, *, before: int | None, limit: int, state: str | None, scene_id: int | None) -> list[Job]:
        """Newest first."""
        rows = await self._database.fetch(
            """
            SELECT * FROM generation_jobs
            WHERE ($1::bigint IS NULL OR id < $1) AND ($3::text IS NULL OR state = $3)
                AND ($4::bigint IS NULL OR scene_id = $4)
            ORDER BY id DESC LIMIT $2
            """,
            before,
            limit,
            state,
            scene_id,
        )
        return [_job(row) for row in rows]


def _job(row: Any) -> Job:
    return Job(
        id=row["id"],
        uid=row["uid"],
        scene_id=row["scene_id"],
        segment_id=row["segment_id"],
        needs_id=row["needs_id"],
        priority=row["priority"],
        remaining=row["remaining"],
        state=JobState(row["state"]),
        attempt=row["attempt"],
        failed_attempts=row["failed_attempts"],
        repeated_renders=row["repeated_renders"],
        deadline_at=row["deadline_at"],
        leased_until=row["leased_until"],
        lease_token=row["lease_token"],
        server=row["server"],
        failure=row["failure"],
        queued_at=row["queued_at"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
    )
