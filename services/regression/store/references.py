"""References and the versions of their baselines."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from services.regression.domain.errors import AlreadyReference
from services.regression.domain.lifecycle import ReferenceStatus
from services.regression.store.base import BaseStore
from services.regression.store.rows import BaselineRow, Json, ReferenceRow, SceneRow
from shared.postgres import Transaction


def _reference(row: Any) -> ReferenceRow:
    return ReferenceRow(**{**row, "status": ReferenceStatus(row["status"])})


def _baseline(row: Any) -> BaselineRow:
    return BaselineRow(**{**row, "status": ReferenceStatus(row["status"])})


class ReferenceStore(BaseStore):
    async def add_reference(
        self, tx: Transaction, *, scene: SceneRow, name: str, thresholds: Json, created_by: str
    ) -> ReferenceRow:
        """Raises AlreadyReference."""
        try:
            async with tx.connection.transaction():
                row = await tx.connection.fetchrow(
                    """
                    INSERT INTO regression_references (character_id, scene_type_id, reference_scene_id, baseline_scores,
                        project_id, name, thresholds, assets, segments, seed_image_sha256, source_image_sha256,
                        created_by)
                    VALUES ($1, $2, $3, '{}', $4, $5, $6, $7, $8, $9, $10, $11)
                    RETURNING id, project_id, character_id, scene_type_id, reference_scene_id, name, enabled, status,
                        failure, thresholds, assets, segments, seed_image_sha256, source_image_sha256, baseline_id,
                        created_by, created_at, updated_at
                    """,
                    scene.character_id,
                    scene.scene_type_id,
                    scene.id,
                    scene.project_id,
                    name,
                    thresholds,
                    scene.assets,
                    scene.segments,
                    scene.seed_image_sha256,
                    scene.source_image_sha256,
                    created_by,
                )
        except asyncpg.UniqueViolationError as error:
            known = await tx.connection.fetchval(
                "SELECT id FROM regression_references WHERE reference_scene_id = $1", scene.id
            )
            raise AlreadyReference(scene.id, known) from error
        return _reference(row)

    async def lock_references(self, tx: Transaction, ids: Sequence[int]) -> list[ReferenceRow]:
        """In the order of their ids; those that are gone are left out."""
        rows = await tx.connection.fetch(
            """
            SELECT id, project_id, character_id, scene_type_id, reference_scene_id, name, enabled, status, failure,
                   thresholds, assets, segments, seed_image_sha256, source_image_sha256, baseline_id, created_by,
                   created_at, updated_at
            FROM regression_references WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE
            """,
            list(ids),
        )
        return [_reference(row) for row in rows]

    async def lock_references_using(self, tx: Transaction, asset_id: int) -> list[ReferenceRow]:
        """Enabled ones that have, or will have, a baseline whose lock contains the asset."""
        rows = await tx.connection.fetch(
            """
            SELECT id, project_id, character_id, scene_type_id, reference_scene_id, name, enabled, status, failure,
                   thresholds, assets, segments, seed_image_sha256, source_image_sha256, baseline_id, created_by,
                   created_at, updated_at
            FROM regression_references
            WHERE enabled AND status <> 'failed'
              AND assets @> jsonb_build_array(jsonb_build_object('asset_id', $1::bigint))
            ORDER BY id FOR UPDATE
            """,
            asset_id,
        )
        return [_reference(row) for row in rows]

    async def lock_references_of(self, tx: Transaction, kind: str, id: int) -> list[ReferenceRow]:
        """Those of a project, character, scene type or scene."""
        rows = await tx.connection.fetch(
            """
            SELECT id, project_id, character_id, scene_type_id, reference_scene_id, name, enabled, status, failure,
                   thresholds, assets, segments, seed_image_sha256, source_image_sha256, baseline_id, created_by,
                   created_at, updated_at
            FROM regression_references
            WHERE ($1 = 'project' AND project_id = $2) OR ($1 = 'character' AND character_id = $2)
               OR ($1 = 'scene_type' AND scene_type_id = $2) OR ($1 = 'scene' AND reference_scene_id = $2)
            ORDER BY id FOR UPDATE
            """,
            kind,
            id,
        )
        return [_reference(row) for row in rows]

    async def references(self, ids: Sequence[int], tx: Transaction | None = None) -> list[ReferenceRow]:
        rows = await self._reader(tx).fetch(
            """
            SELECT id, project_id, character_id, scene_type_id, reference_scene_id, name, enabled, status, failure,
                   thresholds, assets, segments, seed_image_sha256, source_image_sha256, baseline_id, created_by,
                   created_at, updated_at
            FROM regression_references WHERE id = ANY($1::bigint[]) ORDER BY id
            """,
            list(ids),
        )
        return [_reference(row) for row in rows]

    async def reference_page(
        self, *, after_id: int | None, limit: int, project_id: int | None, character_id: int | None
    ) -> list[ReferenceRow]:
        rows = await self._database.fetch(
            """
            SELECT id, project_id, character_id, scene_type_id, reference_scene_id, name, enabled, status, failure,
                   thresholds, assets, segments, seed_image_sha256, source_image_sha256, baseline_id, created_by,
                   created_at, updated_at
            FROM regression_references
            WHERE id > $1 AND ($2::bigint IS NULL OR project_id = $2) AND ($3::bigint IS NULL OR character_id = $3)
            ORDER BY id LIMIT $4
            """,
            after_id or 0,
            project_id,
            character_id,
            limit,
        )
        return [_reference(row) for row in rows]

    async def change_reference(
        self, tx: Transaction, id: int, *, name: str | None, enabled: bool | None, thresholds: Json | None
    ) -> None:
        await tx.connection.execute(
            """
            UPDATE regression_references
            SET name = coalesce($2, name), enabled = coalesce($3, enabled), thresholds = coalesce($4, thresholds)
            WHERE id = $1
            """,
            id,
            name,
            enabled,
            thresholds,
        )

    async def delete_references(self, tx: Transaction, ids: Sequence[int]) -> None:
        await tx.connection.execute("DELETE FROM regression_references WHERE id = ANY($1::bigint[])", list(ids))

    async def fail_reference(self, tx: Transaction, id: int, failure: str) -> None:
        await tx.connection.execute(
            "UPDATE regression_references SET status = 'failed', failure = $2 WHERE id = $1", id, failure
        )

    async def note_recapture_failure(self, tx: Transaction, id: int, failure: str) -> None:
        """The reference keeps the baseline that it had."""
        await tx.connection.execute("UPDATE regression_references SET failure = $2 WHERE id = $1", id, failure)

    async def use_baseline(self, tx: Transaction, baseline: BaselineRow) -> None:
        await tx.connection.execute(
            """
            UPDATE regression_references
            SET status = 'ready', failure = NULL, baseline_id = $2, baseline_scores = $3, assets = $4
            WHERE id = $1
            """,
            baseline.reference_id,
            baseline.id,
            baseline.scores,
            baseline.assets,
        )

    async def add_baseline(
        self, tx: Transaction, *, reference_id: int, assets: list[Json], accepted_from_run_id: int | None
    ) -> BaselineRow:
        row = await tx.connection.fetchrow(
            """
            INSERT INTO regression_baselines (reference_id, version, assets, accepted_from_run_id)
            VALUES ($1, 1 + coalesce((SELECT max(version) FROM regression_baselines WHERE reference_id = $1), 0),
            $2, $3) RETURNING id, reference_id, version, status, failure, assets, accepted_from_run_id, clips,
            scores, noise,
                environments, metric_suite_version, identity_backend, created_at
            """,
            reference_id,
            assets,
            accepted_from_run_id,
        )
        return _baseline(row)

    async def baseline(self, id: int, tx: Transaction | None = None) -> BaselineRow | None:
        row = await self._reader(tx).fetchrow(
            """
            SELECT id, reference_id, version, status, failure, assets, accepted_from_run_id, clips, scores, noise,
                   environments, metric_suite_version, identity_backend, created_at
            FROM regression_baselines WHERE id = $1
            """,
            id,
        )
        return _baseline(row) if row else None

    async def baselines_of(self, reference_id: int, tx: Transaction | None = None) -> list[BaselineRow]:
        rows = await self._reader(tx).fetch(
            """
            SELECT id, reference_id, version, status, failure, assets, accepted_from_run_id, clips, scores, noise,
                   environments, metric_suite_version, identity_backend, created_at
            FROM regression_baselines WHERE reference_id = $1 ORDER BY version
            """,
            reference_id,
        )
        return [_baseline(row) for row in rows]

    async def save_baseline(
        self,
        tx: Transaction,
        id: int,
        *,
        clips: Json,
        scores: Json,
        noise: Json,
        environments: list[Json],
        metric_suite_version: str,
        identity_backend: Json,
    ) -> None:
        await tx.connection.execute(
            """
            UPDATE regression_baselines
            SET status = 'ready', clips = $2, scores = $3, noise = $4, environments = $5, metric_suite_version = $6,
                identity_backend = $7
            WHERE id = $1
            """,
            id,
            clips,
            scores,
            noise,
            environments,
            metric_suite_version,
            identity_backend,
        )

    async def fail_baseline(self, tx: Transaction, id: int, failure: str) -> None:
        await tx.connection.execute(
            "UPDATE regression_baselines SET status = 'failed', failure = $2 WHERE id = $1", id, failure
        )
