"""SQL of scores: what is still to be said, and what was said."""

from collections.abc import Mapping
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
        """The oldest score that has its answer and was not said, and the correlation id of who asked.

        One of a later segment waits while the first segment of its scene is being measured, for its drift is measured
        against that one. Every question is answered some day, if only with the reason why it cannot be.
        """
        row = await self._database.fetchrow(
            """
            SELECT score.id, score.correlation_id
            FROM quality_scores AS score JOIN measurements AS m ON m.id = score.measurement_id
            WHERE score.scored_at IS NULL AND m.readings IS NOT NULL
              AND NOT EXISTS (
                  SELECT FROM scored_segments AS own
                  JOIN scored_segments AS first ON first.scene_id = own.scene_id AND first.position = 1
                  JOIN quality_scores AS waiting ON waiting.segment_id = first.id AND waiting.scored_at IS NULL
                  JOIN measurements AS asked ON asked.id = waiting.measurement_id AND asked.readings IS NULL
                  WHERE own.id = score.segment_id AND own.position > 1
              )
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

    async def chain(self, scene_id: int, *, tx: Transaction | None = None) -> list[domain.Link]:
        """The current segment of each position (the newest, where none is known to be current), as last measured."""
        reader = self._database if tx is None else tx.connection
        found = await reader.fetch(
            """
            SELECT DISTINCT ON (segment.position) segment.id, segment.position, segment.tier, latest.*
            FROM scored_segments AS segment
            LEFT JOIN LATERAL (
                SELECT m.clip_sha256, m.baseline_clip_sha256, m.previous_clip_sha256, m.source_image_sha256, m.expected,
                       m.metric_suite_version, m.identity_backend, m.identity_backend_version,
                       m.readings, m.not_measurable, m.measure_seconds
                FROM quality_scores AS score JOIN measurements AS m ON m.id = score.measurement_id
                WHERE score.segment_id = segment.id AND m.readings IS NOT NULL
                ORDER BY score.id DESC LIMIT 1
            ) AS latest ON TRUE
            WHERE segment.scene_id = $1
            ORDER BY segment.position, segment.is_current DESC, segment.id DESC
            """,
            scene_id,
        )
        return [rows.link(row) for row in found]

    async def keep(
        self,
        tx: Transaction,
        score_id: domain.ScoreId,
        judgement: domain.Judgement,
        drift: Mapping[str, domain.Reading],
    ) -> None:
        await tx.connection.execute(
            """
            UPDATE quality_scores
            SET gate_verdict = $2, gates = $3, quality_score = $4, drift = $5, scored_at = now() WHERE id = $1
            """,
            score_id,
            judgement.verdict.value,
            rows.outcomes_json(judgement.outcomes),
            judgement.quality_score,
            rows.readings_json(drift),
        )

    async def of_segment(self, segment_id: domain.SegmentId, *, before: int | None, limit: int) -> list[domain.Score]:
        """What was said of a segment, newest question first."""
        found = await self._database.fetch(
            """
            SELECT score.id, score.gate_verdict, score.gates, score.quality_score, score.scored_at, score.drift,
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
                answer=rows.answer_with_drift(row),
                verdict=domain.Verdict(row["gate_verdict"]),
                outcomes=rows.outcomes(row["gates"]),
                quality_score=row["quality_score"],
                scored_at=row["scored_at"],
            )
            for row in found
        ]
