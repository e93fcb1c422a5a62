"""SQL of segments, of which of them are current, and of what is deleted."""

from services.smoothing import domain
from services.smoothing.store import rows
from services.smoothing.store.base import BaseStore
from shared.postgres import Transaction


class SegmentStore(BaseStore):
    async def lock_scene(self, tx: Transaction, scene_id: int) -> None:
        """One change of a scene's seams after the other; taken before anything else of it.

        An advisory lock, because a scene that is not known yet has no row to lock.
        """
        await tx.connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", f"seams:{scene_id}")

    async def is_deleted(self, tx: Transaction, things: tuple[tuple[domain.Deletable, int], ...]) -> bool:
        """Whether any of them is gone; none of them can be deleted before this transaction ends."""
        for kind, thing_id in things:
            await tx.connection.execute(
                "SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))", f"{kind}:{thing_id}"
            )
        found = await tx.connection.fetchval(
            """
            SELECT EXISTS (
                SELECT FROM tombstones
                JOIN unnest($1::text[], $2::bigint[]) AS asked (kind, id) USING (kind, id)
            )
            """,
            [kind.value for kind, _ in things],
            [thing_id for _, thing_id in things],
        )
        return bool(found)

    async def bury(self, tx: Transaction, kind: domain.Deletable, thing_id: int) -> None:
        """Remember that it is gone; waits for transactions that are putting something into it."""
        await tx.connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{kind}:{thing_id}")
        await tx.connection.execute(
            "INSERT INTO tombstones (kind, id) VALUES ($1, $2) ON CONFLICT DO NOTHING", kind.value, thing_id
        )

    async def insert(self, tx: Transaction, segment: domain.Segment) -> None:
        """Nothing if it was known already; a segment's facts never change."""
        await tx.connection.execute(
            """
            INSERT INTO segments (
                id, scene_id, position, segment_count, version, project_id, character_id, scene_type_id, purpose, tier,
                clip_sha256, frames, repair_id
            )
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
            ON CONFLICT (id) DO NOTHING
            """,
            segment.id,
            segment.scene_id,
            segment.position,
            segment.segment_count,
            segment.version,
            segment.project_id,
            segment.character_id,
            segment.scene_type_id,
            segment.purpose,
            segment.tier,
            segment.clip_sha256,
            segment.frames,
            segment.repair_id,
        )

    async def find(self, segment_id: domain.SegmentId, *, tx: Transaction | None = None) -> domain.Segment | None:
        reader = self._database if tx is None else tx.connection
        row = await reader.fetchrow(
            """
            SELECT id, scene_id, position, segment_count, version, project_id, character_id, scene_type_id, purpose,
                   tier, clip_sha256, frames, repair_id
            FROM segments WHERE id = $1
            """,
            segment_id,
        )
        return None if row is None else rows.segment(row)

    async def activate(self, tx: Transaction, segment: domain.Segment, *, sequence: int) -> bool:
        """Make it the current one of its position. False if what is said is no news: the same or a later one is known.

        A version that was current elsewhere in the scene cannot be: a segment has one position for ever.
        """
        activated = await tx.connection.fetchval(
            """
            INSERT INTO positions (scene_id, position, segment_id, sequence) VALUES ($1, $2, $3, $4)
            ON CONFLICT (scene_id, position) DO UPDATE
            SET segment_id = EXCLUDED.segment_id, sequence = EXCLUDED.sequence
            WHERE positions.sequence < EXCLUDED.sequence
            RETURNING TRUE
            """,
            segment.scene_id,
            segment.position,
            segment.id,
            sequence,
        )
        return activated is not None

    async def retire_after(self, tx: Transaction, segment: domain.Segment, *, sequence: int) -> None:
        """The positions after it have no current version any more, unless a later one is known."""
        await tx.connection.execute(
            """
            INSERT INTO positions (scene_id, position, sequence)
            SELECT $1, later, $4 FROM generate_series($2::integer + 1, $3::integer) AS later
            ON CONFLICT (scene_id, position) DO UPDATE
            SET segment_id = NULL, sequence = EXCLUDED.sequence
            WHERE positions.sequence < EXCLUDED.sequence
            """,
            segment.scene_id,
            segment.position,
            segment.segment_count,
            sequence,
        )

    async def current(self, scene_id: int, position: int, *, tx: Transaction | None = None) -> domain.Segment | None:
        """The current version of a position; None where none is known."""
        reader = self._database if tx is None else tx.connection
        row = await reader.fetchrow(
            """
            SELECT s.id, s.scene_id, s.position, s.segment_count, s.version, s.project_id, s.character_id,
                   s.scene_type_id, s.purpose, s.tier, s.clip_sha256, s.frames, s.repair_id
            FROM positions AS p JOIN segments AS s ON s.id = p.segment_id
            WHERE p.scene_id = $1 AND p.position = $2
            """,
            scene_id,
            position,
        )
        return None if row is None else rows.segment(row)

    async def delete_of(self, tx: Transaction, kind: domain.Deletable, thing_id: int) -> None:
        """Segments of what is gone, and with them their seams."""
        await tx.connection.execute(
            """
            WITH gone AS (
                DELETE FROM segments
                WHERE CASE $1::text
                    WHEN 'project' THEN project_id WHEN 'character' THEN character_id
                    WHEN 'scene_type' THEN scene_type_id ELSE scene_id
                END = $2
                RETURNING scene_id
            )
            DELETE FROM positions WHERE scene_id IN (SELECT scene_id FROM gone)
            """,
            kind.value,
            thing_id,
        )
