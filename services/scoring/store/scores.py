"""SQL of scores: what is still to be said, and what was said."""

from uuid import UUID

from services.scoring import domain
from services.scoring.store import rows
from services.scoring.store.base import BaseStore
from shared.postgres import Transaction


class ScoreStore(BaseStore):
    async def want(
        self,
        tx: Transaction,
        segment_id: domain.SegmentId,
        measurement_id: domain.MeasurementId,
        *,
        correlation_id: UUID,
    ) -> None:
        """The segment waits for that answer. One that had it already will hear it again."""
        await tx.connection.execute(
            """
            INSERT INTO quality_scores (segment_id, measurement_id, correlation_id) VALUES ($1, $2, $3)
            ON CONFLICT (segment_id, measurement_id)
            DO UPDATE SET scored_at = NULL, correlation_id = EXCLUDED.correlation_id
            """,
            segment_id,
            measurement_id,
            correlation_id,
        )

    async def next_unsaid(self) -> tuple[domain.ScoreId, UUID] | None:
        """The oldest score that has its answer and was not said, and the correlation id of who asked."""
        row = await self._database.fetchrow(
            """
            SELECT score.id, score.correlation_id
            FROM quality_scores AS score JOIN measurements AS m ON m.id = score.measurement_id
            WHERE score.scored_at IS NULL AND m.readings IS NOT NULL
            ORDER BY score.id LIMIT 1
            """
        )
        return None if row is None else (domain.ScoreId(row["id"]), row["correlation_id"])

    async def take(self, tx: Transaction, score_id: domain.ScoreId) -> domain.Pending | None:
        """The score, with its segment locked (the order of its scores); None if it was said meanwhile or is gone."""
        segment = await tx.connection.fetchrow(
            """
            SELECT id, scene_id, position, segment_count, project_id, character_id, scene_type_id, purpose, tier,
                   request_id, clip_sha256, baseline_clip_sha256, previous_clip_sha256, source_image_sha256, expected
            FROM scored_segments
            WHERE id = (SELECT segment_id FROM quality_scores WHERE id = $1)
            FOR UPDATE
            """,
            score_id,
        )
        answer = await tx.connection.fetchrow(
            """
            SELECT m.clip_sha256, m.baseline_clip_sha256, m.previous_clip_sha256, m.source_image_sha256, m.expected,
                   m.metric_suite_version, m.identity_backend, m.identity_backend_version,
                   m.readings, m.not_measurable, m.measure_seconds
            FROM quality_scores AS score JOIN measurements AS m ON m.id = score.measurement_id
            WHERE score.id = $1 AND score.scored_at IS NULL AND m.readings IS NOT NULL
            FOR UPDATE OF score
            """,
            score_id,
        )
        if segment is None or answer is None:
            return None
        return domain.Pending(id=score_id, segment=rows.segment(segment), answer=rows.answer(answer))

    async def keep(self, tx: Transaction, score_id: domain.ScoreId, judgement: domain.Judgement) -> None:
        await tx.connection.execute(
            """
            UPDATE quality_scores SET gate_verdict = $2, gates = $3, quality_score = $4, scored_at = now() WHERE id = $1
            """,
            score_id,
            judgement.verdict.value,
            rows.outcomes_json(judgement.outcomes),
            judgement.quality_score,
        )

    async def of_segment(self, segment_id: domain.SegmentId, *, before: int | None, limit: int) -> list[domain.Score]:
        """What was said of a segment, newest question first."""
        found = await self._database.fetch(
            """
            SELECT score.id, score.gate_verdict, score.gates, score.quality_score, score.scored_at,
                   m.clip_sha256, m.baseline_clip_sha256, m.previous_clip_sha256, m.source_image_sha256, m.expected,
                   m.metric_suite_version, m.identity_backend, m.identity_backend_version,
                   m.readings, m.not_measurable, m.measure_seconds
            FROM quality_scores AS score JOIN measurements AS m ON m.id = score.measurement_id
            WHERE score.segment_id = $1 AND score.scored_at IS NOT NULL AND ($2::bigint IS NULL OR score.id < $2)
            ORDER BY score.id DESC LIMIT $3
            """,
            segment_id,
            before,
            limit,
        )
        return [
            domain.Score(
                id=domain.ScoreId(row["id"]),
                answer=rows.answer(row),
                verdict=domain.Verdict(row["gate_verdict"]),
                outcomes=rows.outcomes(row["gates"]),
                quality_score=row["quality_score"],
                scored_at=row["scored_at"],
            )
            for row in found
        ]
