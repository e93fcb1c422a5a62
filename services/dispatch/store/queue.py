"""The queue as people see and change it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.dispatch.domain.scenes import Json, Purpose, Tier
from services.dispatch.store.base import BaseStore
from shared.postgres import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """A job with what people want to know of it. `began_at` is set while it runs on a server."""

    job_id: int
    scene_id: int
    scene_name: str
    purpose: Purpose
    tier: Tier
    owner: str
    segment_id: int
    position: int
    segment_count: int
    is_new_version: bool
    priority: int
    turn: int
    is_held: bool
    server: str | None
    queued_at: datetime
    began_at: datetime | None
    workflow_version_id: int
    needs_id: int
    parameters: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueControl:
    is_paused: bool
    paused_by: str | None
    paused_at: datetime | None


WAITING = """
    SELECT job.id AS job_id, job.scene_id, scene.name AS scene_name, scene.purpose, scene.tier,
        scene.created_by AS owner, job.segment_id, segment.position, scene.segment_count,
        segment.regeneration_count > 0 AND NOT segment.is_retry AS is_new_version, job.priority, job.turn,
        job.is_held, job.server, job.queued_at, NULL::timestamptz AS began_at, scene.workflow_version_id,
        job.needs_id, segment.requested_parameters AS parameters
    FROM (
        SELECT * FROM generation_jobs WHERE state = 'queued' AND NOT is_held
        ORDER BY turn, remaining DESC, requested_at, id LIMIT $1
    ) AS job
    JOIN scenes AS scene ON scene.id = job.scene_id JOIN segments AS segment ON segment.id = job.segment_id
    ORDER BY job.turn, job.remaining DESC, job.requested_at, job.id
"""
"""In the order in which they are claimed."""


class QueueStore(BaseStore):
    async def taken(self) -> list[QueueRow]:
        """What runs on a server, waits there behind what runs, or is being sent."""
        rows = await self._database.fetch(
            """
            SELECT job.id AS job_id, job.scene_id, scene.name AS scene_name, scene.purpose, scene.tier,
                scene.created_by AS owner, job.segment_id, segment.position, scene.segment_count,
                segment.regeneration_count > 0 AND NOT segment.is_retry AS is_new_version, job.priority, job.turn,
                job.is_held, job.server, job.queued_at, attempt.began_at, scene.workflow_version_id, job.needs_id,
                segment.requested_parameters AS parameters
            FROM generation_jobs AS job
            JOIN scenes AS scene ON scene.id = job.scene_id JOIN segments AS segment ON segment.id = job.segment_id
            LEFT JOIN generation_attempts AS attempt ON attempt.job_id = job.id AND attempt.attempt = job.attempt
            WHERE job.state = 'leased' ORDER BY job.id
            """
        )
        return [_queue_row(row) for row in rows]

    async def waiting(self, *, limit: int) -> list[QueueRow]:
        return [_queue_row(row) for row in await self._database.fetch(WAITING, limit)]

    async def held(self, *, limit: int) -> list[QueueRow]:
        rows = await self._database.fetch(
            """
            SELECT job.id AS job_id, job.scene_id, scene.name AS scene_name, scene.purpose, scene.tier,
                scene.created_by AS owner, job.segment_id, segment.position, scene.segment_count,
                segment.regeneration_count > 0 AND NOT segment.is_retry AS is_new_version, job.priority, job.turn,
                job.is_held, job.server, job.queued_at, NULL::timestamptz AS began_at, scene.workflow_version_id,
                job.needs_id, segment.requested_parameters AS parameters
            FROM generation_jobs AS job
            JOIN scenes AS scene ON scene.id = job.scene_id JOIN segments AS segment ON segment.id = job.segment_id
            WHERE job.state = 'queued' AND job.is_held
            ORDER BY job.turn, job.remaining DESC, job.requested_at, job.id LIMIT $1
            """,
            limit,
        )
        return [_queue_row(row) for row in rows]

    async def queue_length(self) -> int:
        length: int = await self._database.fetchval("SELECT count(*) FROM generation_jobs WHERE state = 'queued'")
        return length

    async def queue_control(self) -> QueueControl:
        row = await self._database.fetchrow("SELECT is_paused, paused_by, paused_at FROM queue_control WHERE id = 1")
        assert row is not None  # the migration made it
        return QueueControl(**row)

    async def pause_queue(self, tx: Transaction, *, by: str, now: datetime) -> None:
        """Who paused it first stays known."""
        await tx.connection.execute(
            """
            UPDATE queue_control SET is_paused = true, paused_by = $1, paused_at = $2 WHERE id = 1 AND NOT is_paused
            """,
            by,
            now,
        )

    async def resume_queue(self, tx: Transaction) -> None:
        await tx.connection.execute(
            "UPDATE queue_control SET is_paused = false, paused_by = NULL, paused_at = NULL WHERE id = 1"
        )

    async def pause_scene(self, tx: Transaction, scene_id: int, *, paused: bool) -> None:
        """Its queued work too, and what is queued for it later."""
        await tx.connection.execute("UPDATE scenes SET is_paused = $2 WHERE id = $1", scene_id, paused)
        await tx.connection.execute(
            "UPDATE generation_jobs SET is_held = $2 WHERE scene_id = $1 AND state IN ('queued', 'leased')",
            scene_id,
            paused,
        )

    async def ends_of_queue(self, tx: Transaction) -> tuple[int, int] | None:
        """The first and the last turn of what waits; None when nothing does."""
        row = await tx.connection.fetchrow(
            """
            SELECT min(turn) AS first, max(turn) AS last FROM generation_jobs WHERE state = 'queued' AND NOT is_held
            """
        )
        return None if row["first"] is None else (row["first"], row["last"])

    async def move_scene(self, tx: Transaction, scene_id: int, turn: int) -> None:
        """Its queued work too, and what is queued for it later."""
        await tx.connection.execute("UPDATE scenes SET moved_turn = $2 WHERE id = $1", scene_id, turn)
        await tx.connection.execute(
            "UPDATE generation_jobs SET turn = $2 WHERE scene_id = $1 AND state IN ('queued', 'leased')",
            scene_id,
            turn,
        )


def _queue_row(row: Any) -> QueueRow:
    values = dict(row)
    values["purpose"] = Purpose(values["purpose"])
    values["tier"] = Tier(values["tier"])
    return QueueRow(**values)
