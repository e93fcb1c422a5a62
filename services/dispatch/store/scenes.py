"""Scenes and the versions of their segments."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.dispatch.domain.jobs import Failure
from services.dispatch.domain.scenes import (
    Clip,
    Hold,
    HoldState,
    PassingVerdict,
    Purpose,
    Render,
    Review,
    Scene,
    SceneDraft,
    SceneState,
    Score,
    ScoreGate,
    Segment,
    SegmentPlan,
    SegmentState,
    Tier,
)
from services.dispatch.store.base import BaseStore
from services.dispatch.store.facts import FactKind
from shared.postgres import Transaction

CLIP_COLUMNS = ("width", "height", "frames", "fps", "duration_seconds", "frame_digest", "last_frame_sha256")


class SceneStore(BaseStore):
    async def add_scene(self, tx: Transaction, draft: SceneDraft, plans: Sequence[SegmentPlan]) -> Scene:
        """A scene that is rendering, with a current first version of each position."""
        row = await tx.connection.fetchrow(
            """
            INSERT INTO scenes (name, project_id, character_id, scene_type_id, purpose, tier, state, priority,
                segment_count, request_id, source_scene_id, workflow_version_id, assets, seed_image_sha256,
                source_image_sha256, deadline_at, created_by, correlation_id, is_paused, gate_wait_for, gate_retries)
            VALUES ($1, $2, $3, $4, $5, $6, 'rendering', $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
                $20)
            RETURNING *
            """,
            draft.name,
            draft.project_id,
            draft.character_id,
            draft.scene_type_id,
            draft.purpose.value,
            draft.tier.value,
            draft.priority,
            len(plans),
            draft.request_id,
            draft.source_scene_id,
            draft.workflow_version_id,
            list(draft.assets),
            draft.seed_image_sha256,
            draft.source_image_sha256,
            draft.deadline_at,
            draft.created_by,
            draft.correlation_id,
            draft.is_paused,
            draft.score_gate.wait_for.value if draft.score_gate else None,
            draft.score_gate.retries if draft.score_gate else None,
        )
        scene = _scene(row)
        await tx.connection.execute(
            """
            INSERT INTO segments (scene_id, position, is_current, state, requested_parameters, baseline_clip_sha256)
            SELECT $1, plan.position, true, 'planned', plan.parameters, plan.baseline_clip_sha256
            FROM jsonb_to_recordset($2) AS plan(position INTEGER, parameters JSONB, baseline_clip_sha256 TEXT)
            ORDER BY plan.position
            """,
            scene.id,
            [
                {"position": p.position, "parameters": p.parameters, "baseline_clip_sha256": p.baseline_clip_sha256}
                for p in plans
            ],
        )
        return scene

    async def lock_scene(self, tx: Transaction, scene_id: int) -> Scene | None:
        """The aggregate: whoever changes a scene, its segments or its jobs' ends holds this lock."""
        row = await tx.connection.fetchrow("SELECT * FROM scenes WHERE id = $1 FOR UPDATE", scene_id)
        return _scene(row) if row else None

    async def lock_scene_of_request(self, tx: Transaction, request_id: UUID) -> Scene | None:
        row = await tx.connection.fetchrow("SELECT * FROM scenes WHERE request_id = $1 FOR UPDATE", request_id)
        return _scene(row) if row else None

    async def lock_scene_of_segment(self, tx: Transaction, segment_id: int) -> Scene | None:
        row = await tx.connection.fetchrow(
            "SELECT * FROM scenes WHERE id = (SELECT scene_id FROM segments WHERE id = $1) FOR UPDATE", segment_id
        )
        return _scene(row) if row else None

    async def lock_scenes_of(self, tx: Transaction, kind: FactKind, fact_id: int) -> list[Scene]:
        """All scenes of a project, character or scene type, in the order that prevents deadlocks."""
        rows = await tx.connection.fetch(
            """
            SELECT * FROM scenes
            WHERE ($1 = 'project' AND project_id = $2) OR ($1 = 'character' AND character_id = $2)
                OR ($1 = 'scene_type' AND scene_type_id = $2)
            ORDER BY id FOR UPDATE
            """,
            kind,
            fact_id,
        )
        return [_scene(row) for row in rows]

    async def finish_scene(self, tx: Transaction, scene_id: int, state: SceneState, reason: str, now: datetime) -> None:
        """What came of it is copied to the test shot that it renders, if it renders one."""
        await tx.connection.execute(
            """
            UPDATE scenes
            SET state = $2, state_reason = $3, finished_at = $4, hold_state = NULL, hold_segment_id = NULL,
                hold_position = NULL, hold_reason = '', hold_until = NULL
            WHERE id = $1
            """,
            scene_id,
            state.value,
            reason,
            now,
        )
        await tx.connection.execute(
            """
            UPDATE test_shots AS shot
            SET state = $2, state_reason = $3, output_video_path = segment.clip_sha256,
                last_frame_path = segment.last_frame_sha256, duration_secs = segment.duration_seconds,
                render_seconds = segment.render_seconds
            FROM segments AS segment
            WHERE shot.render_scene_id = $1 AND segment.scene_id = $1 AND segment.is_current
            """,
            scene_id,
            state.value,
            reason,
        )

    async def delete_scene(self, tx: Transaction, scene_id: int) -> None:
        """With its segments, jobs and attempts."""
        await tx.connection.execute("DELETE FROM scenes WHERE id = $1", scene_id)

    async def scene(self, scene_id: int) -> Scene | None:
        row = await self._database.fetchrow("SELECT * FROM scenes WHERE id = $1", scene_id)
        return _scene(row) if row else None

    async def scenes_page(
        self, *, before: int | None, limit: int, project_id: int | None, character_id: int | None, purpose: str | None
    ) -> list[Scene]:
        """Newest first."""
        rows = await self._database.fetch(
            """
            SELECT * FROM scenes
            WHERE ($1::bigint IS NULL OR id < $1) AND ($3::bigint IS NULL OR project_id = $3)
                AND ($4::bigint IS NULL OR character_id = $4) AND ($5::text IS NULL OR purpose = $5)
            ORDER BY id DESC LIMIT $2
            """,
            before,
            limit,
            project_id,
            character_id,
            purpose,
        )
        return [_scene(row) for row in rows]

    async def segment(self, segment_id: int) -> Segment | None:
        row = await self._database.fetchrow("SELECT * FROM segments WHERE id = $1", segment_id)
        return segment_of_row(row) if row else None

    async def segments_of(self, scene_id: int) -> list[Segment]:
        """The current version of each position."""
        rows = await self._database.fetch(
            "SELECT * FROM segments WHERE scene_id = $1 AND is_current ORDER BY position", scene_id
        )
        return [segment_of_row(row) for row in rows]

    async def versions_of(self, segment_id: int) -> list[Segment]:
        """Every version of the position that this one is a version of, newest first."""
        rows = await self._database.fetch(
            """
            SELECT version.* FROM segments AS version
            JOIN segments AS named ON named.scene_id = version.scene_id AND named.position = version.position
            WHERE named.id = $1 ORDER BY version.regeneration_count DESC
            """,
            segment_id,
        )
        return [segment_of_row(row) for row in rows]

    async def chain(self, tx: Transaction, scene_id: int) -> list[Segment]:
        """As `segments_of`, inside the transaction that holds the scene's lock."""
        rows = await tx.connection.fetch(
            "SELECT * FROM segments WHERE scene_id = $1 AND is_current ORDER BY position", scene_id
        )
        return [segment_of_row(row) for row in rows]

    async def segment_in(self, tx: Transaction, segment_id: int) -> Segment | None:
        row = await tx.connection.fetchrow("SELECT * FROM segments WHERE id = $1", segment_id)
        return segment_of_row(row) if row else None

    async def queue_segment(
        self, tx: Transaction, segment_id: int, *, seed_image_sha256: str, previous_clip_sha256: str | None
    ) -> None:
        await tx.connection.execute(
            """
            UPDATE segments SET state = 'queued', seed_image_sha256 = $2, previous_clip_sha256 = $3 WHERE id = $1
            """,
            segment_id,
            seed_image_sha256,
            previous_clip_sha256,
        )

    async def save_render(
        self,
        tx: Transaction,
        segment_id: int,
        render: Render,
        *,
        job_id: int,
        prompt_id: UUID,
        server: str,
        queued_seconds: float,
        now: datetime,
    ) -> None:
        await tx.connection.execute(
            """
            UPDATE segments
            SET state = 'generated', clip_sha256 = $2, clip_size_bytes = $3, frame_digest = $4, last_frame_sha256 = $5,
                width = $6, height = $7, frames = $8, fps = $9, duration_seconds = $10, parameters = $11,
                environment = $12, seed_image_sha256 = $13, job_id = $14, attempt = $15, prompt_id = $16, server = $17,
                queued_seconds = $18, render_seconds = $19, generated_at = $20
            WHERE id = $1
            """,
            segment_id,
            render.clip.sha256,
            render.clip.size_bytes,
            render.clip.frame_digest,
            render.clip.last_frame_sha256,
            render.clip.width,
            render.clip.height,
            render.clip.frames,
            render.clip.fps,
            render.clip.duration_seconds,
            render.parameters,
            render.environment,
            render.seed_image_sha256,
            job_id,
            render.attempt,
            prompt_id,
            server,
            queued_seconds,
            render.render_seconds,
            now,
        )

    async def fail_segment(self, tx: Transaction, segment_id: int, failure: Failure) -> None:
        await tx.connection.execute(
            "UPDATE segments SET state = 'failed', failure = $2 WHERE id = $1", segment_id, failure.as_json()
        )

    async def cancel_segments(self, tx: Transaction, scene_id: int) -> None:
        await tx.connection.execute(
            "UPDATE segments SET state = 'cancelled' WHERE scene_id = $1 AND state IN ('planned', 'queued')", scene_id
        )

    async def cancel_chain(self, tx: Transaction, scene_id: int) -> None:
        """As `cancel_segments`, but for regenerations, which stay queued."""
        await tx.connection.execute(
            """
            UPDATE segments SET state = 'cancelled'
            WHERE scene_id = $1 AND is_current AND state IN ('planned', 'queued')
            """,
            scene_id,
        )

    async def save_score(self, tx: Transaction, segment_id: int, score: Score, *, clip_sha256: str) -> bool:
        """False, and nothing happens, when the segment is gone, has another clip, or has a newer score."""
        saved = await tx.connection.fetchval(
            """
            UPDATE segments
            SET gate_verdict = $3, quality_score = $4, metric_suite_version = $5, gates = $6, identity_backend = $7,
                not_measurable = $8, score_sequence = $9
            WHERE id = $1 AND clip_sha256 = $2 AND score_sequence <= $9
            RETURNING 1
            """,
            segment_id,
            clip_sha256,
            score.gate_verdict,
            score.quality_score,
            score.metric_suite_version,
            dict(score.gates),
            score.identity_backend,
            score.not_measurable,
            score.sequence,
        )
        if saved is None:
            return False
        await tx.connection.execute(
            """
            UPDATE test_shots AS shot SET quality_score = segment.quality_score, gate_verdict = segment.gate_verdict
            FROM segments AS segment WHERE segment.id = $1 AND shot.render_scene_id = segment.scene_id
            """,
            segment_id,
        )
        return True

    async def save_review(
        self, tx: Transaction, segment_id: int, *, review: Review, note: str, reviewed_by: str, now: datetime
    ) -> None:
        await tx.connection.execute(
            """
            UPDATE segments SET review = $2, review_note = $3, reviewed_by = $4, reviewed_at = $5 WHERE id = $1
            """,
            segment_id,
            review.value,
            note,
            reviewed_by,
            now,
        )


def _scene(row: Any) -> Scene:
    values = dict(row)
    del values["updated_at"]
    values["purpose"] = Purpose(values["purpose"])
    values["tier"] = Tier(values["tier"])
    values["state"] = SceneState(values["state"])
    wait_for, retries = values.pop("gate_wait_for"), values.pop("gate_retries")
    gate = None if wait_for is None else ScoreGate(wait_for=PassingVerdict(wait_for), retries=retries)
    hold = {name: values.pop(f"hold_{name}") for name in ("state", "segment_id", "position", "reason", "until")}
    held = None if hold["state"] is None else Hold(**{**hold, "state": HoldState(hold["state"])})
    return Scene(**values, score_gate=gate, hold=held)


def segment_of_row(row: Any) -> Segment:
    values = dict(row)
    del values["updated_at"]
    clip_sha256, size_bytes = values.pop("clip_sha256"), values.pop("clip_size_bytes")
    parts = {name: values.pop(name) for name in CLIP_COLUMNS}
    values["clip"] = None if clip_sha256 is None else Clip(sha256=clip_sha256, size_bytes=size_bytes, **parts)
    values["state"] = SegmentState(values["state"])
    values["review"] = Review(values["review"])
    return Segment(**values)
