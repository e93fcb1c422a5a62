"""Repairs of seams and the versions that they propose."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from services.dispatch.domain.repairs import Candidate, Repair, RepairDraft, RepairedClip, RepairState
from services.dispatch.domain.scenes import Clip, Json
from services.dispatch.store.base import BaseStore
from shared.postgres import Transaction

TAKE = """
    UPDATE repairs SET due_at = $2
    WHERE id = (SELECT id FROM repairs WHERE due_at <= $1 ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING *
"""
"""$1 now, $2 when it is due again. Walks the index of what is open: thousands that are decided cost nothing."""

JOINED = """
    SELECT joined_previous_id, joined_next_id FROM repairs WHERE scene_id = $1 AND state IN ('accepted', 'undone')
"""


class RepairStore(BaseStore):
    async def add_repair(self, tx: Transaction, draft: RepairDraft, *, now: datetime) -> None:
        await tx.connection.execute(
            """
            INSERT INTO repairs (id, scene_id, previous_segment_id, previous_clip_sha256, next_segment_id,
                next_clip_sha256, method, clips, before, after, overwrite, requested_by, correlation_id, deadline_at,
                due_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
            """,
            draft.id,
            draft.scene_id,
            draft.previous_id,
            draft.previous_clip_sha256,
            draft.next_id,
            draft.next_clip_sha256,
            draft.method,
            [asdict(clip) for clip in draft.clips],
            draft.before,
            draft.after,
            sorted(draft.overwrite),
            draft.requested_by,
            draft.correlation_id,
            draft.deadline_at,
            now,
        )

    async def take_repair(self, tx: Transaction, *, now: datetime, again_at: datetime) -> Repair | None:
        """One that is due, put off until `again_at`: a look that breaks off is repeated then."""
        row = await tx.connection.fetchrow(TAKE, now, again_at)
        return _repair(row) if row else None

    async def repair_in(self, tx: Transaction, repair_id: UUID) -> Repair | None:
        row = await tx.connection.fetchrow("SELECT * FROM repairs WHERE id = $1", repair_id)
        return _repair(row) if row else None

    async def repair(self, repair_id: UUID) -> Repair | None:
        row = await self._database.fetchrow("SELECT * FROM repairs WHERE id = $1", repair_id)
        return _repair(row) if row else None

    async def add_candidate(
        self,
        tx: Transaction,
        repair: Repair,
        candidate: Candidate,
        *,
        previous_clip_sha256: str | None,
        made: Json,
        now: datetime,
    ) -> int:
        """A version that is not current, with the repaired clip, and otherwise as the one that it was made from."""
        repaired, clip = candidate.repaired, candidate.repaired.clip
        segment_id: int = await tx.connection.fetchval(
            """
            INSERT INTO segments (scene_id, position, previous_segment_id, regeneration_count, is_current, state,
                requested_parameters, parameters, baseline_clip_sha256, environment, seed_image_sha256, job_id, attempt,
                prompt_id, server, queued_seconds, render_seconds, generated_at, previous_clip_sha256, clip_sha256,
                clip_size_bytes, frame_digest, last_frame_sha256, width, height, frames, fps, duration_seconds,
                may_overwrite, is_candidate, repair_id, repair, dropped_frames)
            SELECT scene_id, position, id, $2, false, 'generated', requested_parameters, parameters,
                baseline_clip_sha256, environment, seed_image_sha256, job_id, attempt, prompt_id, server, 0, 0, $3, $4,
                $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, true, $15, $16, dropped_frames + $17
            FROM segments WHERE id = $1
            RETURNING id
            """,
            candidate.based_on.id,
            candidate.number,
            now,
            previous_clip_sha256,
            clip.sha256,
            clip.size_bytes,
            clip.frame_digest,
            clip.last_frame_sha256,
            clip.width,
            clip.height,
            clip.frames,
            clip.fps,
            clip.duration_seconds,
            candidate.may_overwrite,
            repair.id,
            made,
            repaired.dropped_at_start + repaired.dropped_at_end,
        )
        return segment_id

    async def await_scores(
        self, tx: Transaction, repair_id: UUID, *, joined: tuple[int, int], due_at: datetime
    ) -> None:
        await tx.connection.execute(
            """
            UPDATE repairs SET state = 'scoring', joined_previous_id = $2, joined_next_id = $3, due_at = $4
            WHERE id = $1
            """,
            repair_id,
            *joined,
            due_at,
        )

    async def wake_repairs(self, tx: Transaction, scene_id: int, now: datetime) -> None:
        """Something of the scene changed that a repair may wait for."""
        await tx.connection.execute(
            "UPDATE repairs SET due_at = $2 WHERE scene_id = $1 AND state = 'scoring'", scene_id, now
        )

    async def end_repair(
        self, tx: Transaction, repair_id: UUID, state: RepairState, *, reasons: Sequence[str] = ()
    ) -> None:
        await tx.connection.execute(
            "UPDATE repairs SET state = $2, reasons = $3, due_at = NULL WHERE id = $1",
            repair_id,
            state.value,
            list(reasons),
        )

    async def joined_in(self, tx: Transaction, scene_id: int) -> frozenset[tuple[int, int]]:
        """Pairs of versions that a repair made to follow each other."""
        return _pairs(await tx.connection.fetch(JOINED, scene_id))

    async def joined_now(self, scene_id: int) -> frozenset[tuple[int, int]]:
        return _pairs(await self._database.fetch(JOINED, scene_id))


def _pairs(rows: Sequence[Any]) -> frozenset[tuple[int, int]]:
    return frozenset((row["joined_previous_id"], row["joined_next_id"]) for row in rows)


def _repair(row: Any) -> Repair:
    joined = (row["joined_previous_id"], row["joined_next_id"])
    return Repair(
        id=row["id"],
        scene_id=row["scene_id"],
        previous_id=row["previous_segment_id"],
        previous_clip_sha256=row["previous_clip_sha256"],
        next_id=row["next_segment_id"],
        next_clip_sha256=row["next_clip_sha256"],
        method=row["method"],
        clips=[RepairedClip(**{**clip, "clip": Clip(**clip["clip"])}) for clip in row["clips"]],
        before=row["before"],
        after=row["after"],
        overwrite=frozenset(row["overwrite"]),
        requested_by=row["requested_by"],
        correlation_id=row["correlation_id"],
        deadline_at=row["deadline_at"],
        state=RepairState(row["state"]),
        reasons=row["reasons"],
        joined=None if joined[0] is None else joined,
    )
