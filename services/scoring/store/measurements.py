"""SQL of the work: questions, leases, answers."""

from dataclasses import asdict
from uuid import UUID

from services.scoring import domain
from services.scoring.store import rows
from services.scoring.store.base import BaseStore
from shared.postgres import Transaction


class MeasurementStore(BaseStore):
    async def ask(self, tx: Transaction, question: domain.Question) -> domain.MeasurementId:
        """The question's row, new or known, locked until the transaction ends."""
        asked: int = await tx.connection.fetchval(
            """
            INSERT INTO measurements (
                question_sha256, clip_sha256, baseline_clip_sha256, previous_clip_sha256, source_image_sha256, expected,
                metric_suite_version, identity_backend, identity_backend_version
            )
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT (question_sha256) DO UPDATE SET question_sha256 = EXCLUDED.question_sha256
            RETURNING id
            """,
            question.sha256(),
            question.clip_sha256,
            question.baseline_clip_sha256,
            question.previous_clip_sha256,
            question.source_image_sha256,
            asdict(question.expected),
            question.method.suite_version,
            question.method.identity_backend,
            question.method.identity_backend_version,
        )
        return domain.MeasurementId(asked)

    async def claim(self, tx: Transaction, *, token: UUID, lease_seconds: float) -> domain.Job | None:
        """The oldest open question that a segment waits for and nobody holds, now held by `token`."""
        row = await tx.connection.fetchrow(
            """
            UPDATE measurements
            SET state = 'measuring', claims = claims + 1, lease_token = $1,
                leased_until = now() + make_interval(secs => $2)
            WHERE id = (
                SELECT id FROM measurements AS open
                WHERE state IN ('waiting', 'measuring') AND (leased_until IS NULL OR leased_until < now())
                  AND EXISTS (SELECT FROM quality_scores AS s WHERE s.measurement_id = open.id AND s.scored_at IS NULL)
                ORDER BY id LIMIT 1
                FOR UPDATE SKIP LOCKED
            )
            RETURNING id, clip_sha256, baseline_clip_sha256, previous_clip_sha256, source_image_sha256, expected,
                      metric_suite_version, identity_backend, identity_backend_version, claims, crashes,
                      greatest(0, extract(epoch FROM now() - created_at))::float8 AS waited_seconds
            """,
            token,
            lease_seconds,
        )
        if row is None:
            return None
        question = rows.question(row)
        return domain.Job(
            id=domain.MeasurementId(row["id"]),
            lease_token=token,
            question=question,
            claims=row["claims"],
            crashes=row["crashes"],
            known_region=await self._region(tx, question),
            waited_seconds=row["waited_seconds"],
        )

    async def _region(self, tx: Transaction, question: domain.Question) -> domain.SourceRegion | None:
        row = await tx.connection.fetchrow(
            """
            SELECT kind, box_x, box_y, box_width, box_height FROM identity_references
            WHERE source_image_sha256 = $1 AND backend = $2 AND backend_version = $3
            LIMIT 1
            """,
            question.source_image_sha256,
            question.method.identity_backend,
            question.method.identity_backend_version,
        )
        if row is None:
            return None
        box = (row["box_x"], row["box_y"], row["box_width"], row["box_height"])
        return domain.SourceRegion(kind=row["kind"], box=box)

    async def extend(self, tx: Transaction, job: domain.Job, *, lease_seconds: float) -> bool:
        """False if the lease was lost."""
        kept = await tx.connection.fetchval(
            """
            UPDATE measurements SET leased_until = now() + make_interval(secs => $3)
            WHERE id = $1 AND lease_token = $2
            RETURNING TRUE
            """,
            job.id,
            job.lease_token,
            lease_seconds,
        )
        return kept is not None

    async def give_back(self, tx: Transaction, job: domain.Job, *, crashed: bool) -> None:
        """Open again for another attempt, by anyone."""
        await tx.connection.execute(
            """
            UPDATE measurements
            SET state = 'waiting', lease_token = NULL, leased_until = NULL, crashes = crashes + $3::integer
            WHERE id = $1 AND lease_token = $2
            """,
            job.id,
            job.lease_token,
            int(crashed),
        )

    async def finish(
        self, tx: Transaction, job: domain.Job, measurement: domain.Measurement, *, measure_seconds: float
    ) -> bool:
        """Keep the answer. False if the lease was lost: somebody else answers."""
        kept = await tx.connection.fetchval(
            """
            UPDATE measurements
            SET state = CASE WHEN $4::text IS NULL THEN 'measured' ELSE 'not_measurable' END,
                readings = $3, not_measurable = $4, measure_seconds = $5, lease_token = NULL, leased_until = NULL
            WHERE id = $1 AND lease_token = $2
            RETURNING TRUE
            """,
            job.id,
            job.lease_token,
            rows.readings_json(measurement.readings),
            measurement.not_measurable,
            measure_seconds,
        )
        return kept is not None

    async def keep_region(self, tx: Transaction, job: domain.Job, region: domain.SourceRegion) -> None:
        """Where the source photograph shows the character, for each character whose segments asked.

        Holds those segments: a character that is being deleted at this moment waits, and then deletes this too.
        """
        await tx.connection.execute(
            """
            WITH asking AS (
                SELECT segment.character_id
                FROM quality_scores AS score JOIN scored_segments AS segment ON segment.id = score.segment_id
                WHERE score.measurement_id = $1
                FOR SHARE OF segment
            )
            INSERT INTO identity_references (
                character_id, source_image_sha256, backend, backend_version, kind, box_x, box_y, box_width, box_height
            )
            SELECT DISTINCT character_id, $2::text, $3::text, $4::text, $5::text, $6::float8, $7::float8, $8::float8,
                   $9::float8
            FROM asking
            ON CONFLICT DO NOTHING
            """,
            job.id,
            job.question.source_image_sha256,
            job.question.method.identity_backend,
            job.question.method.identity_backend_version,
            region.kind,
            *region.box,
        )

    async def forget_unasked(self, tx: Transaction) -> None:
        """Questions that no segment asks any more. Those that somebody is just asking or answering are left alone."""
        await tx.connection.execute(
            """
            DELETE FROM measurements WHERE id IN (
                SELECT id FROM measurements AS m
                WHERE NOT EXISTS (SELECT FROM quality_scores AS s WHERE s.measurement_id = m.id)
                FOR UPDATE SKIP LOCKED
            )
            """
        )

    async def count_open(self) -> int:
        count: int = await self._database.fetchval(
            "SELECT count(*) FROM measurements WHERE state IN ('waiting', 'measuring')"
        )
        return count
