"""SQL of segments, of what is deleted, and of a character's regions."""

from dataclasses import asdict

from services.scoring import domain
from services.scoring.store import rows
from services.scoring.store.base import BaseStore
from shared.postgres import Transaction


class SegmentStore(BaseStore):
    async def is_deleted(self, tx: Transaction, things: tuple[tuple[domain.Kind, int], ...]) -> bool:
        """Whether any of them is gone; none of them can be deleted before this transaction ends.

        Advisory locks, because what is not there yet has no row to lock.
        """
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

    async def bury(self, tx: Transaction, kind: domain.Kind, thing_id: int) -> None:
        """Remember that it is gone; waits for transactions that are putting something into it."""
        await tx.connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{kind}:{thing_id}")
        await tx.connection.execute(
            "INSERT INTO tombstones (kind, id) VALUES ($1, $2) ON CONFLICT DO NOTHING", kind.value, thing_id
        )

    async def insert(self, tx: Transaction, segment: domain.Segment) -> bool:
        """False if it was known already; a segment's facts never change."""
        inserted = await tx.connection.fetchval(
            """
            INSERT INTO scored_segments (
                id, scene_id, position, segment_count, project_id, character_id, scene_type_id, purpose, tier,
                request_id, clip_sha256, baseline_clip_sha256, previous_clip_sha256, source_image_sha256, expected
            )
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
            ON CONFLICT (id) DO NOTHING
            RETURNING TRUE
            """,
            segment.id,
            segment.scene_id,
            segment.position,
            segment.segment_count,
            segment.project_id,
            segment.character_id,
            segment.scene_type_id,
            segment.purpose,
            segment.tier,
            segment.request_id,
            segment.clip_sha256,
            segment.baseline_clip_sha256,
            segment.previous_clip_sha256,
            segment.source_image_sha256,
            asdict(segment.expected),
        )
        return inserted is not None

    async def exists(self, tx: Transaction, segment_id: domain.SegmentId) -> bool:
        return await tx.connection.fetchval("SELECT TRUE FROM scored_segments WHERE id = $1", segment_id) is not None

    async def with_clip(self, tx: Transaction, clip_sha256: str) -> list[domain.Segment]:
        found = await tx.connection.fetch(
            """
            SELECT id, scene_id, position, segment_count, project_id, character_id, scene_type_id, purpose, tier,
                   request_id, clip_sha256, baseline_clip_sha256, previous_clip_sha256, source_image_sha256, expected
            FROM scored_segments WHERE clip_sha256 = $1 ORDER BY id
            """,
            clip_sha256,
        )
        return [rows.segment(row) for row in found]

    async def count_scored(self, tx: Transaction, segment_id: domain.SegmentId) -> int:
        """How many scores were said of the segment, this one included. Locks the segment: its scores have an order."""
        count: int = await tx.connection.fetchval(
            "UPDATE scored_segments SET times_scored = times_scored + 1 WHERE id = $1 RETURNING times_scored",
            segment_id,
        )
        return count

    async def activate(self, tx: Transaction, segment_id: domain.SegmentId, *, sequence: int) -> None:
        """Make it the current one of its position, unless a later activation of that position is known."""
        await tx.connection.execute(
            """
            UPDATE scored_segments AS position
            SET is_current = (position.id = active.id), activation_sequence = $2
            FROM scored_segments AS active
            WHERE active.id = $1
              AND position.scene_id = active.scene_id
              AND position.position = active.position
              AND NOT EXISTS (
                  SELECT FROM scored_segments AS later
                  WHERE later.scene_id = active.scene_id AND later.position = active.position
                    AND later.activation_sequence > $2
              )
            """,
            segment_id,
            sequence,
        )

    async def review(self, tx: Transaction, segment_id: domain.SegmentId, review: domain.Review) -> None:
        """Keep the decision, unless a later one is known."""
        await tx.connection.execute(
            """
            UPDATE scored_segments SET review_decision = $2, reviewed_at = $3, reviewed_by = $4, review_note = $5
            WHERE id = $1 AND (reviewed_at IS NULL OR reviewed_at <= $3)
            """,
            segment_id,
            review.decision,
            review.at,
            review.by,
            review.note,
        )

    async def delete_of(self, tx: Transaction, kind: domain.Kind, thing_id: int) -> int:
        """Segments and scores of what is gone. Returns how many segments."""
        deleted: int = await tx.connection.fetchval(
            """
            WITH deleted AS (
                DELETE FROM scored_segments
                WHERE CASE $1::text
                    WHEN 'project' THEN project_id WHEN 'character' THEN character_id
                    WHEN 'scene_type' THEN scene_type_id ELSE scene_id
                END = $2
                RETURNING id
            )
            SELECT count(*) FROM deleted
            """,
            kind.value,
            thing_id,
        )
        return deleted

    async def delete_regions(self, tx: Transaction, character_id: int, *, except_image: str | None = None) -> None:
        await tx.connection.execute(
            """
            DELETE FROM identity_references
            WHERE character_id = $1 AND ($2::text IS NULL OR source_image_sha256 <> $2)
            """,
            character_id,
            except_image,
        )

    async def state(self, segment_id: domain.SegmentId) -> domain.SegmentState | None:
        row = await self._database.fetchrow(
            """
            SELECT id, scene_id, position, segment_count, project_id, character_id, scene_type_id, purpose, tier,
                   request_id, clip_sha256, baseline_clip_sha256, previous_clip_sha256, source_image_sha256, expected,
                   is_current, review_decision, reviewed_at, reviewed_by, review_note,
                   (SELECT count(*) FROM quality_scores AS s WHERE s.segment_id = $1 AND s.scored_at IS NULL) AS waiting
            FROM scored_segments WHERE id = $1
            """,
            segment_id,
        )
        if row is None:
            return None
        return domain.SegmentState(
            segment=rows.segment(row),
            is_current=row["is_current"],
            review=rows.review(row),
            waiting=row["waiting"],
        )
