"""Test shots, the gallery, and a scene that takes one as its first segment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.dispatch.domain.estimates import RenderSample
from services.dispatch.domain.scenes import Scene, SceneState, Tier
from services.dispatch.domain.shots import Shot, ShotDraft, ShotSort
from services.dispatch.store.base import BaseStore
from shared.postgres import Transaction

GALLERY_BY_DATE = """
    SELECT * FROM test_shots
    WHERE ($1::bigint IS NULL OR scene_type_id = $1) AND ($2::bigint IS NULL OR character_id = $2)
        AND ($3::bigint IS NULL OR workflow_id = $3) AND ($4::bigint IS NULL OR lora_id = $4)
        AND ($5::text IS NULL OR created_by_id = $5) AND ($6::boolean IS NULL OR is_promoted = $6)
        AND id < $8
    ORDER BY id DESC LIMIT $7
"""
"""Newest first. $1 to $6 filters, $7 page size, $8 the last id before."""

GALLERY_BY_CHARACTER = """
    SELECT * FROM test_shots
    WHERE ($1::bigint IS NULL OR scene_type_id = $1) AND ($2::bigint IS NULL OR character_id = $2)
        AND ($3::bigint IS NULL OR workflow_id = $3) AND ($4::bigint IS NULL OR lora_id = $4)
        AND ($5::text IS NULL OR created_by_id = $5) AND ($6::boolean IS NULL OR is_promoted = $6)
        AND (character_id, -id) > ($9::bigint, -$8::bigint)
    ORDER BY character_id, -id LIMIT $7
"""
"""Character by character, each newest first. $9 the last character before."""

GALLERY_BY_QUALITY = """
    SELECT * FROM test_shots
    WHERE ($1::bigint IS NULL OR scene_type_id = $1) AND ($2::bigint IS NULL OR character_id = $2)
        AND ($3::bigint IS NULL OR workflow_id = $3) AND ($4::bigint IS NULL OR lora_id = $4)
        AND ($5::text IS NULL OR created_by_id = $5) AND ($6::boolean IS NULL OR is_promoted = $6)
        AND (quality_rank, id) < ($9::float8, $8::bigint)
    ORDER BY quality_rank DESC, id DESC LIMIT $7
"""
"""Best first, not scored ones last. $9 the last quality before."""

LAST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """With how many of its shots are in each state."""

    id: int
    scene_type_id: int
    rendering: int
    completed: int
    failed: int
    cancelled: int
    created_by_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryFilter:
    """None: all."""

    scene_type_id: int | None = None
    character_id: int | None = None
    workflow_id: int | None = None
    lora_id: int | None = None
    created_by: str | None = None
    promoted: bool | None = None


class ShotStore(BaseStore):
    async def add_shot(
        self, tx: Transaction, scene: Scene, draft: ShotDraft, *, parameters: Any, fingerprint: str
    ) -> Shot:
        """`scene`: the one that renders it."""
        row = await tx.connection.fetchrow(
            """
            INSERT INTO test_shots (project_id, scene_type_id, character_id, workflow_id, lora_id, model_id, tier,
                parameters, assets, seed_image_path, created_by_id, render_scene_id, source_scene_id, batch_id,
                cell_name, fingerprint)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
            RETURNING *
            """,
            scene.project_id,
            scene.scene_type_id,
            scene.character_id,
            draft.workflow_id,
            draft.lora_id,
            draft.model_id,
            scene.tier.value,
            parameters,
            list(scene.assets),
            scene.seed_image_sha256,
            scene.created_by,
            scene.id,
            draft.source_scene_id,
            draft.batch_id,
            draft.cell_name,
            fingerprint,
        )
        return _shot(row)

    async def shot(self, shot_id: int) -> Shot | None:
        row = await self._database.fetchrow("SELECT * FROM test_shots WHERE id = $1", shot_id)
        return _shot(row) if row else None

    async def lock_shot(self, tx: Transaction, shot_id: int) -> Shot | None:
        row = await tx.connection.fetchrow("SELECT * FROM test_shots WHERE id = $1 FOR UPDATE", shot_id)
        return _shot(row) if row else None

    async def gallery(
        self, wanted: GalleryFilter, *, sort: ShotSort, limit: int, before: tuple[float, int] | None
    ) -> list[Shot]:
        """`before`: sort key and id of the last shot of the page before; the key plays no part when sorted by date."""
        first = {ShotSort.DATE: 0.0, ShotSort.CHARACTER: 0.0, ShotSort.QUALITY: 2.0}
        key, last_id = before or (first[sort], LAST_ID)
        filters = (
            wanted.scene_type_id,
            wanted.character_id,
            wanted.workflow_id,
            wanted.lora_id,
            wanted.created_by,
            wanted.promoted,
        )
        match sort:
            case ShotSort.DATE:
                rows = await self._database.fetch(GALLERY_BY_DATE, *filters, limit, last_id)
            case ShotSort.CHARACTER:
                rows = await self._database.fetch(GALLERY_BY_CHARACTER, *filters, limit, last_id, int(key))
            case ShotSort.QUALITY:
                rows = await self._database.fetch(GALLERY_BY_QUALITY, *filters, limit, last_id, key)
        return [_shot(row) for row in rows]

    async def promote_shot(self, tx: Transaction, shot_id: int, *, scene_id: int, segment_id: int) -> None:
        await tx.connection.execute(
            """
            UPDATE test_shots SET is_promoted = true, promoted_to_scene_id = $2, promoted_segment_id = $3 WHERE id = $1
            """,
            shot_id,
            scene_id,
            segment_id,
        )

    async def shots_of_fingerprints(self, tx: Transaction, fingerprints: Sequence[str]) -> dict[str, int]:
        """The shots that are done or on their way: fingerprint -> id."""
        rows = await tx.connection.fetch(
            """
            SELECT fingerprint, max(id) AS id FROM test_shots
            WHERE fingerprint = ANY ($1::text[]) AND state IN ('rendering', 'completed') GROUP BY fingerprint
            """,
            list(fingerprints),
        )
        return {row["fingerprint"]: row["id"] for row in rows}

    async def lock_batches(self, tx: Transaction, scene_type_id: int) -> None:
        """One batch of a kind of scene at a time finds out what is there already."""
        await tx.connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('test-shot-batch:' || $1::text, 0))", str(scene_type_id)
        )

    async def add_batch(self, tx: Transaction, *, scene_type_id: int, created_by: str) -> int:
        batch_id: int = await tx.connection.fetchval(
            "INSERT INTO test_shot_batches (scene_type_id, created_by_id) VALUES ($1, $2) RETURNING id",
            scene_type_id,
            created_by,
        )
        return batch_id

    async def batch(self, batch_id: int) -> Batch | None:
        row = await self._database.fetchrow(
            """
            SELECT batch.id, batch.scene_type_id, batch.created_by_id, batch.created_at,
                count(*) FILTER (WHERE shot.state = 'rendering') AS rendering,
                count(*) FILTER (WHERE shot.state = 'completed') AS completed,
                count(*) FILTER (WHERE shot.state = 'failed') AS failed,
                count(*) FILTER (WHERE shot.state = 'cancelled') AS cancelled
            FROM test_shot_batches AS batch LEFT JOIN test_shots AS shot ON shot.batch_id = batch.id
            WHERE batch.id = $1 GROUP BY batch.id
            """,
            batch_id,
        )
        return Batch(**row) if row else None

    async def render_samples(self, *, workflow_version_id: int, tier: Tier) -> list[RenderSample]:
        """Of the last scenes rendered with a workflow version. What was promoted was not rendered."""
        rows = await self._database.fetch(
            """
            SELECT segment.width, segment.height, segment.frames, (segment.parameters ->> 'steps')::int AS steps,
                segment.render_seconds AS seconds
            FROM scenes AS scene JOIN segments AS segment ON segment.scene_id = scene.id
            WHERE scene.workflow_version_id = $1 AND scene.tier = $2 AND segment.state = 'generated'
                AND segment.render_seconds > 0
            ORDER BY scene.id DESC LIMIT 20
            """,
            workflow_version_id,
            tier.value,
        )
        return [RenderSample(**row) for row in rows]

    async def reopen_scene(self, tx: Transaction, scene_id: int) -> None:
        """It has segments to render again."""
        await tx.connection.execute(
            """
            UPDATE scenes
            SET state = 'rendering', state_reason = '', finished_at = NULL, hold_state = NULL, hold_segment_id = NULL,
                hold_position = NULL, hold_reason = '', hold_until = NULL
            WHERE id = $1
            """,
            scene_id,
        )

    async def plan_missing(self, tx: Transaction, scene_id: int) -> None:
        """Every position without a clip starts over; those that have one stay as they are."""
        await tx.connection.execute(
            """
            UPDATE segments SET state = 'planned', failure = NULL, seed_image_sha256 = NULL, previous_clip_sha256 = NULL
            WHERE scene_id = $1 AND is_current AND state IN ('failed', 'cancelled')
            """,
            scene_id,
        )

    async def plan_again(self, tx: Transaction, scene_id: int) -> None:
        """Every position is to be rendered anew: what has an end gets another version, what has none starts over."""
        await tx.connection.execute(
            """
            UPDATE segments SET state = 'cancelled' WHERE scene_id = $1 AND NOT is_current AND state = 'queued'
            """,
            scene_id,
        )
        await tx.connection.execute(
            """
            UPDATE segments SET state = 'planned', seed_image_sha256 = NULL, previous_clip_sha256 = NULL
            WHERE scene_id = $1 AND is_current AND state = 'queued'
            """,
            scene_id,
        )
        rows = await tx.connection.fetch(
            """
            UPDATE segments SET is_current = false, is_stale = false, stale_causes = '[]'
            WHERE scene_id = $1 AND is_current AND state IN ('generated', 'failed', 'cancelled')
            RETURNING id
            """,
            scene_id,
        )
        await tx.connection.execute(
            """
            INSERT INTO segments (scene_id, position, previous_segment_id, regeneration_count, is_current, state,
                requested_parameters)
            SELECT old.scene_id, old.position, old.id,
                1 + (SELECT max(regeneration_count) FROM segments
                     WHERE scene_id = old.scene_id AND position = old.position),
                true, 'planned', old.requested_parameters
            FROM segments AS old WHERE old.id = ANY ($1::bigint[]) ORDER BY old.position
            """,
            [row["id"] for row in rows],
        )

    async def adopt_shot(self, tx: Transaction, segment_id: int, *, source_id: int, now: datetime) -> None:
        """The clip of another segment, with its score and all that is known of its making, without rendering it."""
        await tx.connection.execute(
            """
            UPDATE segments AS target
            SET state = 'generated', requested_parameters = source.requested_parameters,
                parameters = source.parameters, clip_sha256 = source.clip_sha256,
                clip_size_bytes = source.clip_size_bytes, frame_digest = source.frame_digest,
                last_frame_sha256 = source.last_frame_sha256, width = source.width, height = source.height,
                frames = source.frames, fps = source.fps, duration_seconds = source.duration_seconds,
                environment = source.environment, seed_image_sha256 = source.seed_image_sha256,
                job_id = source.job_id, attempt = source.attempt, prompt_id = source.prompt_id,
                server = source.server, queued_seconds = 0, render_seconds = 0, generated_at = $3,
                gate_verdict = source.gate_verdict, quality_score = source.quality_score,
                metric_suite_version = source.metric_suite_version, gates = source.gates,
                identity_backend = source.identity_backend, not_measurable = source.not_measurable
            FROM segments AS source WHERE target.id = $1 AND source.id = $2
            """,
            segment_id,
            source_id,
            now,
        )


def _shot(row: Any) -> Shot:
    values = dict(row)
    del values["updated_at"], values["quality_rank"]
    values["tier"] = Tier(values["tier"])
    values["state"] = SceneState(values["state"])
    return Shot(**values)
