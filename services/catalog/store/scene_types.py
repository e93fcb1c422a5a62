"""SQL of scene types."""

from typing import Any

import asyncpg

from services.catalog import domain
from services.catalog.store.base import Store, unique
from shared.postgres import Transaction


class SceneTypeStore(Store):
    async def insert(
        self,
        tx: Transaction,
        *,
        project_id: domain.ProjectId,
        name: str,
        segment_count: int,
        parameters: dict[str, Any],
    ) -> domain.SceneType:
        with unique("scene type of this project", name):
            row = await tx.connection.fetchrow(
                """
                INSERT INTO scene_types (project_id, name, segment_count, parameters) VALUES ($1, $2, $3, $4)
                RETURNING id, project_id, name, segment_count, parameters, version, created_at, updated_at
                """,
                project_id,
                name,
                segment_count,
                parameters,
            )
        assert row is not None
        return _scene_type(row)

    async def lock(self, tx: Transaction, scene_type_id: domain.SceneTypeId) -> domain.SceneType:
        """The scene type, held against changes until the transaction ends. Raises NotFound."""
        row = await tx.connection.fetchrow(
            """
            SELECT id, project_id, name, segment_count, parameters, version, created_at, updated_at
            FROM scene_types WHERE id = $1 FOR UPDATE
            """,
            scene_type_id,
        )
        if row is None:
            raise domain.NotFound("scene type", scene_type_id)
        return _scene_type(row)

    async def lock_of_project(self, tx: Transaction, project_id: domain.ProjectId) -> list[domain.SceneType]:
        rows = await tx.connection.fetch(
            """
            SELECT id, project_id, name, segment_count, parameters, version, created_at, updated_at
            FROM scene_types WHERE project_id = $1 ORDER BY id FOR UPDATE
            """,
            project_id,
        )
        return [_scene_type(row) for row in rows]

    async def change(
        self,
        tx: Transaction,
        scene_type_id: domain.SceneTypeId,
        *,
        name: str,
        segment_count: int,
        parameters: dict[str, Any],
    ) -> domain.SceneType:
        with unique("scene type of this project", name):
            row = await tx.connection.fetchrow(
                """
                UPDATE scene_types SET name = $2, segment_count = $3, parameters = $4, version = version + 1
                WHERE id = $1
                RETURNING id, project_id, name, segment_count, parameters, version, created_at, updated_at
                """,
                scene_type_id,
                name,
                segment_count,
                parameters,
            )
        assert row is not None
        return _scene_type(row)

    async def delete(self, tx: Transaction, scene_type_id: domain.SceneTypeId) -> None:
        await tx.connection.execute("DELETE FROM scene_types WHERE id = $1", scene_type_id)

    async def find(self, scene_type_id: domain.SceneTypeId) -> domain.SceneType:
        """Raises NotFound."""
        row = await self._database.fetchrow(
            """
            SELECT id, project_id, name, segment_count, parameters, version, created_at, updated_at
            FROM scene_types WHERE id = $1
            """,
            scene_type_id,
        )
        if row is None:
            raise domain.NotFound("scene type", scene_type_id)
        return _scene_type(row)

    async def page(self, *, after: int, limit: int, project_id: int | None, name: str | None) -> list[domain.SceneType]:
        rows = await self._database.fetch(
            """
            SELECT id, project_id, name, segment_count, parameters, version, created_at, updated_at
            FROM scene_types
            WHERE id > $1 AND ($3::bigint IS NULL OR project_id = $3) AND ($4::text IS NULL OR name = $4)
            ORDER BY id LIMIT $2
            """,
            after,
            limit,
            project_id,
            name,
        )
        return [_scene_type(row) for row in rows]


def _scene_type(row: asyncpg.Record) -> domain.SceneType:
    return domain.SceneType(**dict(row))
