"""The ledger of renders. Nothing in it refers to a row that may be deleted."""

from datetime import datetime

from services.dispatch.domain.scenes import Purpose, Scene
from services.dispatch.domain.usage import Entry, UsageRow, Work
from services.dispatch.store.base import BaseStore
from shared.postgres import Transaction

USAGE = """
    SELECT (happened_at AT TIME ZONE 'UTC')::date AS day, project_id, purpose, work, entry,
        sum(segments)::bigint AS segments, sum(render_seconds) AS render_seconds, sum(queued_seconds) AS queued_seconds
    FROM usage_entries
    WHERE happened_at >= $1 AND happened_at < $2 AND ($3::bigint IS NULL OR project_id = $3)
        AND ($4::text IS NULL OR purpose = $4)
    GROUP BY day, project_id, purpose, work, entry
"""


class UsageStore(BaseStore):
    async def book_render(
        self,
        tx: Transaction,
        scene: Scene,
        segment_id: int,
        *,
        work: Work,
        render_seconds: float,
        queued_seconds: float,
        now: datetime,
    ) -> None:
        await tx.connection.execute(
            """
            INSERT INTO usage_entries (entry, work, purpose, tier, project_id, scene_id, segment_id, segments,
                render_seconds, queued_seconds, happened_at)
            VALUES ('rendered', $1, $2, $3, $4, $5, $6, 1, $7, $8, $9)
            """,
            work.value,
            scene.purpose.value,
            scene.tier.value,
            scene.project_id,
            scene.id,
            segment_id,
            render_seconds,
            queued_seconds,
            now,
        )

    async def book_saved_by_promotion(
        self, tx: Transaction, scene: Scene, segment_id: int, *, render_seconds: float, now: datetime
    ) -> None:
        await tx.connection.execute(
            """
            INSERT INTO usage_entries (entry, work, purpose, tier, project_id, scene_id, segment_id, segments,
                render_seconds, happened_at)
            VALUES ('saved_by_promotion', 'scene', $1, $2, $3, $4, $5, 1, $6, $7)
            """,
            scene.purpose.value,
            scene.tier.value,
            scene.project_id,
            scene.id,
            segment_id,
            render_seconds,
            now,
        )

    async def book_saved_by_regeneration(
        self, tx: Transaction, scene: Scene, segment_id: int, *, position: int, now: datetime
    ) -> None:
        """What the current versions of all other positions had taken. Nothing where there are no others.

        A repaired version took nothing itself; the render that it was made of, under the same job, would be saved.
        """
        await tx.connection.execute(
            """
            INSERT INTO usage_entries (entry, work, purpose, tier, project_id, scene_id, segment_id, segments,
                render_seconds, happened_at)
            SELECT 'saved_by_regeneration', 'regeneration', $1, $2, $3, $4, $5, count(*),
                sum((SELECT max(made.render_seconds) FROM segments AS made
                     WHERE made.scene_id = $4 AND made.job_id = other.job_id)), $6
            FROM segments AS other
            WHERE other.scene_id = $4 AND other.is_current AND other.position <> $7 AND other.state = 'generated'
            HAVING count(*) > 0
            """,
            scene.purpose.value,
            scene.tier.value,
            scene.project_id,
            scene.id,
            segment_id,
            now,
            position,
        )

    async def book_cascade_step(
        self, tx: Transaction, scene: Scene, segment_id: int, *, cascade_id: int, replaced_id: int, now: datetime
    ) -> None:
        """Takes back what the regeneration had saved that the cascade follows. It may follow a revert: then nothing."""
        await tx.connection.execute(
            """
            INSERT INTO usage_entries (entry, work, purpose, tier, project_id, scene_id, segment_id, segments,
                render_seconds, happened_at)
            SELECT 'saved_by_regeneration', 'regeneration', $1, $2, $3, $4, $5, -1,
                -(SELECT max(made.render_seconds) FROM segments AS made
                  WHERE made.scene_id = $4 AND made.job_id = replaced.job_id), $6
            FROM cascades AS cascade JOIN segments AS replaced ON replaced.id = $8
            WHERE cascade.id = $7 AND EXISTS (
                SELECT 1 FROM usage_entries AS saved
                WHERE saved.scene_id = $4 AND saved.segment_id = cascade.from_segment_id
                    AND saved.entry = 'saved_by_regeneration' AND saved.segments > 0)
            """,
            scene.purpose.value,
            scene.tier.value,
            scene.project_id,
            scene.id,
            segment_id,
            now,
            cascade_id,
            replaced_id,
        )

    async def usage(
        self, *, since: datetime, until: datetime, project_id: int | None, purpose: Purpose | None
    ) -> list[UsageRow]:
        rows = await self._database.fetch(USAGE, since, until, project_id, purpose.value if purpose else None)
        return [
            UsageRow(
                **{
                    **row,
                    "purpose": Purpose(row["purpose"]),
                    "work": Work(row["work"]),
                    "entry": Entry(row["entry"]),
                }
            )
            for row in rows
        ]
