"""SQL of seams: which versions meet, and what was said of it."""

from uuid import UUID

import asyncpg

from services.smoothing import domain
from services.smoothing.store import rows
from services.smoothing.store.base import BaseStore
from shared.postgres import Transaction


class SeamStore(BaseStore):
    async def meet(
        self,
        tx: Transaction,
        previous: domain.Segment,
        following: domain.Segment,
        check_id: domain.CheckId,
        *,
        correlation_id: UUID,
    ) -> None:
        """Two current versions follow each other from now on, or again: how they join is to be said."""
        await tx.connection.execute(
            """
            INSERT INTO seams (scene_id, previous_segment_id, next_segment_id, check_id, correlation_id)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (previous_segment_id, next_segment_id)
            DO UPDATE SET is_to_be_said = TRUE, correlation_id = EXCLUDED.correlation_id
            """,
            previous.scene_id,
            previous.id,
            following.id,
            check_id,
            correlation_id,
        )

    async def next_unsaid(self) -> tuple[domain.SeamId, int, UUID] | None:
        """The oldest seam whose check is done and that is still to be said: its id, scene and correlation id."""
        row = await self._database.fetchrow(
            """
            SELECT seam.id, seam.scene_id, seam.correlation_id
            FROM seams AS seam JOIN boundary_checks AS c ON c.id = seam.check_id
            WHERE seam.is_to_be_said AND c.state IN ('measured', 'not_measurable')
            ORDER BY seam.id LIMIT 1
            """
        )
        return None if row is None else (domain.SeamId(row["id"]), row["scene_id"], row["correlation_id"])

    async def take(self, tx: Transaction, seam_id: domain.SeamId) -> domain.Meeting | None:
        """The seam, to be said; None if it was said meanwhile or is gone. Expects the scene's lock."""
        to_be_said = await tx.connection.fetchval(
            "SELECT is_to_be_said FROM seams WHERE id = $1 FOR UPDATE", seam_id
        )  # fmt: skip
        return await self.find(seam_id, tx=tx) if to_be_said else None

    async def settle(self, tx: Transaction, seam_id: domain.SeamId) -> None:
        """Nobody needs to hear of it: the versions do not meet any more."""
        await tx.connection.execute("UPDATE seams SET is_to_be_said = FALSE WHERE id = $1", seam_id)

    async def said(self, tx: Transaction, seam_id: domain.SeamId, *, thresholds_version: int) -> int:
        """How often something was said of these two versions, this time included."""
        times: int = await tx.connection.fetchval(
            """
            UPDATE seams SET is_to_be_said = FALSE, times_said = times_said + 1, thresholds_version = $2
            WHERE id = $1 RETURNING times_said
            """,
            seam_id,
            thresholds_version,
        )
        return times

    async def accept(self, tx: Transaction, seam_id: domain.SeamId, *, accepted_by: str) -> None:
        await tx.connection.execute(
            "UPDATE seams SET accepted_by = $2, accepted_at = now() WHERE id = $1", seam_id, accepted_by
        )

    async def find(self, seam_id: domain.SeamId, *, tx: Transaction | None = None) -> domain.Meeting | None:
        reader = self._database if tx is None else tx.connection
        row = await reader.fetchrow(
            """
            SELECT seam.id, seam.times_said, seam.accepted_by, seam.accepted_at,
                   to_jsonb(previous) AS previous, to_jsonb(following) AS following,
                   EXISTS (SELECT FROM positions AS p WHERE p.segment_id = seam.previous_segment_id)
                   AND EXISTS (SELECT FROM positions AS p WHERE p.segment_id = seam.next_segment_id) AS is_current,
                   c.state, c.seam, c.not_measurable, c.measured_at,
                   (SELECT count(DISTINCT o.id) FROM boundary_checks AS o
                    JOIN seams AS other ON other.check_id = o.id
                    JOIN positions AS a ON a.segment_id = other.previous_segment_id
                    JOIN positions AS b ON b.segment_id = other.next_segment_id
                    WHERE o.state IN ('waiting', 'measuring') AND o.id < c.id) AS ahead
            FROM seams AS seam
            JOIN boundary_checks AS c ON c.id = seam.check_id
            JOIN segments AS previous ON previous.id = seam.previous_segment_id
            JOIN segments AS following ON following.id = seam.next_segment_id
            WHERE seam.id = $1
            """,
            seam_id,
        )
        return None if row is None else _meeting(row)

    async def between(
        self, previous_id: domain.SegmentId, next_id: domain.SegmentId, *, tx: Transaction | None = None
    ) -> domain.Meeting | None:
        """The seam of two versions; None if they never met."""
        reader = self._database if tx is None else tx.connection
        found = await reader.fetchval(
            "SELECT id FROM seams WHERE previous_segment_id = $1 AND next_segment_id = $2", previous_id, next_id
        )
        return None if found is None else await self.find(found, tx=tx)

    async def last_before(self, segment_id: domain.SegmentId) -> domain.Meeting | None:
        """How a version joined what was before it when that was measured last; None if it never was."""
        found = await self._database.fetchval(
            """
            SELECT seam.id FROM seams AS seam JOIN boundary_checks AS c ON c.id = seam.check_id
            WHERE seam.next_segment_id = $1 AND c.measured_at IS NOT NULL
            ORDER BY c.measured_at DESC, seam.id DESC LIMIT 1
            """,
            segment_id,
        )
        return None if found is None else await self.find(found)

    async def last_after(self, segment_id: domain.SegmentId) -> domain.Meeting | None:
        """The same of what was after it."""
        found = await self._database.fetchval(
            """
            SELECT seam.id FROM seams AS seam JOIN boundary_checks AS c ON c.id = seam.check_id
            WHERE seam.previous_segment_id = $1 AND c.measured_at IS NOT NULL
            ORDER BY c.measured_at DESC, seam.id DESC LIMIT 1
            """,
            segment_id,
        )
        return None if found is None else await self.find(found)


def _meeting(row: asyncpg.Record) -> domain.Meeting:
    return domain.Meeting(
        id=domain.SeamId(row["id"]),
        previous=rows.segment(row["previous"]),
        next=rows.segment(row["following"]),
        is_current=row["is_current"],
        check=rows.check(row),
        times_said=row["times_said"],
        accepted_by=row["accepted_by"],
        accepted_at=row["accepted_at"],
    )
