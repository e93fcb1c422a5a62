"""SQL of the measuring: pairs of clips, leases, what was measured."""

from uuid import UUID

from services.smoothing import domain
from services.smoothing.store.base import BaseStore
from shared.postgres import Transaction


class CheckStore(BaseStore):
    async def ask(self, tx: Transaction, pair: domain.Pair) -> domain.CheckId:
        """The pair's row, new or known, locked until the transaction ends."""
        asked: int = await tx.connection.fetchval(
            """
            INSERT INTO boundary_checks (previous_clip_sha256, next_clip_sha256) VALUES ($1, $2)
            ON CONFLICT (previous_clip_sha256, next_clip_sha256)
            DO UPDATE SET previous_clip_sha256 = EXCLUDED.previous_clip_sha256
            RETURNING id
            """,
            pair.previous_clip_sha256,
            pair.next_clip_sha256,
        )
        return domain.CheckId(asked)

    async def claim(self, tx: Transaction, *, token: UUID, lease_seconds: float) -> domain.CheckJob | None:
        """The oldest pair that meets in a scene now, is not measured, and that nobody holds; now held by `token`."""
        row = await tx.connection.fetchrow(
            """
            UPDATE boundary_checks
            SET state = 'measuring', claims = claims + 1, lease_token = $1,
                leased_until = now() + make_interval(secs => $2)
            WHERE id = (
                SELECT id FROM boundary_checks AS open
                WHERE state IN ('waiting', 'measuring') AND (leased_until IS NULL OR leased_until < now())
                  AND EXISTS (
                      SELECT FROM seams
                      JOIN positions AS previous ON previous.segment_id = seams.previous_segment_id
                      JOIN positions AS following ON following.segment_id = seams.next_segment_id
                      WHERE seams.check_id = open.id
                  )
                ORDER BY id LIMIT 1
                FOR UPDATE SKIP LOCKED
            )
            RETURNING id, previous_clip_sha256, next_clip_sha256, claims, crashes,
                      extract(epoch FROM now() - created_at)::float8 AS waited_seconds
            """,
            token,
            lease_seconds,
        )
        if row is None:
            return None
        return domain.CheckJob(
            id=domain.CheckId(row["id"]),
            lease_token=token,
            pair=domain.Pair(
                previous_clip_sha256=row["previous_clip_sha256"], next_clip_sha256=row["next_clip_sha256"]
            ),
            claims=row["claims"],
            crashes=row["crashes"],
            waited_seconds=row["waited_seconds"],
        )

    async def extend(self, tx: Transaction, job: domain.CheckJob, *, lease_seconds: float) -> bool:
        """False if the lease was lost."""
        kept = await tx.connection.fetchval(
            """
            UPDATE boundary_checks SET leased_until = now() + make_interval(secs => $3)
            WHERE id = $1 AND lease_token = $2
            RETURNING TRUE
            """,
            job.id,
            job.lease_token,
            lease_seconds,
        )
        return kept is not None

    async def give_back(self, tx: Transaction, job: domain.CheckJob, *, crashed: bool) -> None:
        """Open again for another attempt, by anyone."""
        await tx.connection.execute(
            """
            UPDATE boundary_checks
            SET state = 'waiting', lease_token = NULL, leased_until = NULL, crashes = crashes + $3::integer
            WHERE id = $1 AND lease_token = $2
            """,
            job.id,
            job.lease_token,
            int(crashed),
        )

    async def finish(
        self, tx: Transaction, job: domain.CheckJob, found: domain.Seam | str, *, measure_seconds: float
    ) -> bool:
        """Keep the seam, or why it cannot be measured. False if the lease was lost: somebody else answers."""
        seam, reason = (None, found) if isinstance(found, str) else (domain.plain(found), None)
        kept = await tx.connection.fetchval(
            """
            UPDATE boundary_checks
            SET state = CASE WHEN $4::text IS NULL THEN 'measured' ELSE 'not_measurable' END,
                seam = $3, not_measurable = $4, measure_seconds = $5, measured_at = now(),
                lease_token = NULL, leased_until = NULL
            WHERE id = $1 AND lease_token = $2
            RETURNING TRUE
            """,
            job.id,
            job.lease_token,
            seam,
            reason,
            measure_seconds,
        )
        return kept is not None

    async def forget_unasked(self, tx: Transaction) -> None:
        """Pairs that no seam refers to any more. Those that somebody is just asking or measuring are left alone."""
        await tx.connection.execute(
            """
            DELETE FROM boundary_checks WHERE id IN (
                SELECT id FROM boundary_checks AS c
                WHERE NOT EXISTS (SELECT FROM seams AS s WHERE s.check_id = c.id)
                FOR UPDATE SKIP LOCKED
            )
            """
        )

    async def count_open(self) -> int:
        """Pairs that will be measured; those that no longer meet anywhere will not, unless they meet again."""
        count: int = await self._database.fetchval(
            """
            SELECT count(*) FROM boundary_checks AS open
            WHERE state IN ('waiting', 'measuring') AND EXISTS (
                SELECT FROM seams
                JOIN positions AS previous ON previous.segment_id = seams.previous_segment_id
                JOIN positions AS following ON following.segment_id = seams.next_segment_id
                WHERE seams.check_id = open.id
            )
            """
        )
        return count
