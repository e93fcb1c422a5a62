"""SQL of repairs: what was asked for, leases, what was made and what became of it."""

from dataclasses import asdict
from uuid import UUID

import asyncpg

from services.smoothing import domain
from services.smoothing.store.base import BaseStore
from services.smoothing.store.seams import SeamStore
from shared.postgres import Database, Transaction


class RepairStore(BaseStore):
    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._seams = SeamStore(database)

    async def add(
        self, tx: Transaction, repair_id: UUID, wish: domain.Wish, meeting: domain.Meeting, *, requested_by: str
    ) -> None:
        await tx.connection.execute(
            """
            INSERT INTO boundary_repairs (
                id, seam_id, scene_id, segment_id, side, method, frames, overwrite, requested_by, correlation_id
            )
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            """,
            repair_id,
            meeting.id,
            meeting.next.scene_id,
            wish.segment_id,
            wish.side.value,
            wish.method.value,
            wish.frames,
            list(wish.overwrite),
            requested_by,
            tx.cause.correlation_id,
        )

    async def open_of(self, tx: Transaction, seam_id: domain.SeamId) -> UUID | None:
        """The repair of a seam that is not decided yet."""
        found: UUID | None = await tx.connection.fetchval(
            "SELECT id FROM boundary_repairs WHERE seam_id = $1 AND state IN ('queued', 'making', 'proposed')", seam_id
        )
        return found

    async def find(self, repair_id: UUID, *, tx: Transaction | None = None) -> domain.Repair | None:
        reader = self._database if tx is None else tx.connection
        row = await reader.fetchrow(
            """
            SELECT id, seam_id, scene_id, segment_id, side, method, frames, overwrite, state, reasons, rejected_by,
                   before, after, clips, requested_by, correlation_id, created_at, proposed_at, ended_at,
                   frames_done, frames_total,
                   (SELECT count(*) FROM boundary_repairs AS earlier
                    WHERE earlier.state IN ('queued', 'making') AND earlier.created_at < r.created_at) AS ahead
            FROM boundary_repairs AS r WHERE id = $1
            """,
            repair_id,
        )
        return None if row is None else await self._repair(row, tx)

    async def last_of(self, meeting: domain.Meeting) -> UUID | None:
        """The newest repair of a seam, or the one that made one of its versions."""
        found: UUID | None = await self._database.fetchval(
            """
            SELECT id FROM boundary_repairs WHERE seam_id = $1 OR id = ANY($2::uuid[])
            ORDER BY created_at DESC LIMIT 1
            """,
            meeting.id,
            [side.repair_id for side in (meeting.previous, meeting.next) if side.repair_id is not None],
        )
        return found

    async def scene_of(self, repair_id: UUID, *, tx: Transaction) -> int | None:
        found: int | None = await tx.connection.fetchval(
            "SELECT scene_id FROM boundary_repairs WHERE id = $1", repair_id
        )
        return found

    async def claim(self, tx: Transaction, *, token: UUID, lease_seconds: float) -> domain.RepairJob | None:
        """The oldest repair that is to be made and that nobody makes, now held by `token`; under the default limits."""
        row = await tx.connection.fetchrow(
            """
            UPDATE boundary_repairs
            SET state = 'making', claims = claims + 1, lease_token = $1,
                leased_until = now() + make_interval(secs => $2), frames_done = NULL, frames_total = NULL
            WHERE id = (
                SELECT id FROM boundary_repairs
                WHERE state IN ('queued', 'making') AND (leased_until IS NULL OR leased_until < now())
                ORDER BY created_at LIMIT 1
                FOR UPDATE SKIP LOCKED
            )
            RETURNING id, seam_id, method, frames, correlation_id, claims, crashes,
                      extract(epoch FROM now() - created_at)::float8 AS waited_seconds
            """,
            token,
            lease_seconds,
        )
        meeting = None if row is None else await self._seams.find(domain.SeamId(row["seam_id"]), tx=tx)
        if row is None or meeting is None:
            return None
        return domain.RepairJob(
            id=row["id"],
            lease_token=token,
            meeting=meeting,
            method=domain.Method(row["method"]),
            frames=row["frames"],
            correlation_id=row["correlation_id"],
            claims=row["claims"],
            crashes=row["crashes"],
            waited_seconds=row["waited_seconds"],
        )

    async def extend(self, tx: Transaction, job: domain.RepairJob, *, lease_seconds: float) -> bool:
        """False if the lease was lost."""
        kept = await tx.connection.fetchval(
            """
            UPDATE boundary_repairs SET leased_until = now() + make_interval(secs => $3)
            WHERE id = $1 AND lease_token = $2
            RETURNING TRUE
            """,
            job.id,
            job.lease_token,
            lease_seconds,
        )
        return kept is not None

    async def progressed(self, tx: Transaction, job: domain.RepairJob, progress: domain.Progress) -> bool:
        """False if the lease was lost."""
        kept = await tx.connection.fetchval(
            """
            UPDATE boundary_repairs SET frames_done = $3, frames_total = $4
            WHERE id = $1 AND lease_token = $2
            RETURNING TRUE
            """,
            job.id,
            job.lease_token,
            progress.done,
            progress.total,
        )
        return kept is not None

    async def is_held(self, tx: Transaction, job: domain.RepairJob) -> bool:
        """Whether the lease is still held; the row is locked."""
        held = await tx.connection.fetchval(
            "SELECT TRUE FROM boundary_repairs WHERE id = $1 AND lease_token = $2 FOR UPDATE", job.id, job.lease_token
        )
        return held is not None

    async def give_back(self, tx: Transaction, job: domain.RepairJob, *, crashed: bool) -> None:
        """Queued again for another attempt, by anyone."""
        await tx.connection.execute(
            """
            UPDATE boundary_repairs
            SET state = 'queued', lease_token = NULL, leased_until = NULL, crashes = crashes + $3::integer
            WHERE id = $1 AND lease_token = $2
            """,
            job.id,
            job.lease_token,
            int(crashed),
        )

    async def propose(self, tx: Transaction, repair_id: UUID, made: domain.Made, *, patience_seconds: float) -> None:
        await tx.connection.execute(
            """
            UPDATE boundary_repairs
            SET state = 'proposed', lease_token = NULL, leased_until = NULL, before = $2, after = $3, clips = $4,
                proposed_at = now(), deadline_at = now() + make_interval(secs => $5)
            WHERE id = $1
            """,
            repair_id,
            _json(made.before),
            _json(made.after),
            [domain.plain_clip(clip) for clip in made.clips],
            patience_seconds,
        )

    async def reject(self, tx: Transaction, repair_id: UUID, made: domain.Made, *, rejected_by: str) -> None:
        """Numbers that are known already stay."""
        await tx.connection.execute(
            """
            UPDATE boundary_repairs
            SET state = 'rejected', lease_token = NULL, leased_until = NULL, deadline_at = NULL, ended_at = now(),
                reasons = $2, rejected_by = $3, before = coalesce($4, before), after = coalesce($5, after)
            WHERE id = $1
            """,
            repair_id,
            list(made.reasons),
            rejected_by,
            _json(made.before),
            _json(made.after),
        )

    async def settle(self, tx: Transaction, repair_id: UUID, state: domain.RepairState) -> None:
        """It is cancelled, current or undone; whoever rejected it before was overtaken."""
        await tx.connection.execute(
            """
            UPDATE boundary_repairs
            SET state = $2, lease_token = NULL, leased_until = NULL, deadline_at = NULL, ended_at = now(),
                reasons = '{}', rejected_by = NULL
            WHERE id = $1
            """,
            repair_id,
            state.value,
        )

    async def made_in(self, tx: Transaction, scene_id: int, position: int) -> list[domain.Repair]:
        """Repairs of a scene that made a clip for this position."""
        found = await tx.connection.fetch(
            """
            SELECT id, seam_id, scene_id, segment_id, side, method, frames, overwrite, state, reasons, rejected_by,
                   before, after, clips, requested_by, correlation_id, created_at, proposed_at, ended_at,
                   frames_done, frames_total, 0 AS ahead
            FROM boundary_repairs
            WHERE scene_id = $1 AND clips @> jsonb_build_array(jsonb_build_object('position', $2::integer))
            ORDER BY created_at FOR UPDATE
            """,
            scene_id,
            position,
        )
        return [await self._repair(row, tx) for row in found]

    async def overdue(self) -> UUID | None:
        """A repair that nobody has decided on in time."""
        found: UUID | None = await self._database.fetchval(
            """
            SELECT id FROM boundary_repairs WHERE state = 'proposed' AND deadline_at < now()
            ORDER BY deadline_at LIMIT 1
            """
        )
        return found

    async def count_open(self) -> int:
        count: int = await self._database.fetchval(
            "SELECT count(*) FROM boundary_repairs WHERE state IN ('queued', 'making', 'proposed')"
        )
        return count

    async def _repair(self, row: asyncpg.Record, tx: Transaction | None) -> domain.Repair:
        meeting = await self._seams.find(domain.SeamId(row["seam_id"]), tx=tx)
        assert meeting is not None  # a repair goes with its seam
        return domain.Repair(
            id=row["id"],
            scene_id=row["scene_id"],
            wish=domain.Wish(
                segment_id=domain.SegmentId(row["segment_id"]),
                side=domain.Side(row["side"]),
                method=domain.Method(row["method"]),
                frames=row["frames"],
                overwrite=tuple(row["overwrite"]),
            ),
            meeting=meeting,
            state=domain.RepairState(row["state"]),
            made=domain.Made(
                reasons=tuple(row["reasons"]),
                before=None if row["before"] is None else domain.Numbers(**row["before"]),
                after=None if row["after"] is None else domain.Numbers(**row["after"]),
                clips=tuple(domain.clip_of(clip) for clip in row["clips"]),
            ),
            rejected_by=row["rejected_by"],
            requested_by=row["requested_by"],
            correlation_id=row["correlation_id"],
            created_at=row["created_at"],
            proposed_at=row["proposed_at"],
            ended_at=row["ended_at"],
            ahead=row["ahead"],
            progress=_progress(row),
        )


def _progress(row: asyncpg.Record) -> domain.Progress | None:
    if row["state"] != domain.RepairState.MAKING or row["frames_total"] is None:
        return None
    return domain.Progress(done=row["frames_done"], total=row["frames_total"])


def _json(numbers: domain.Numbers | None) -> dict[str, float] | None:
    return None if numbers is None else asdict(numbers)
