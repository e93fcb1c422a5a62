"""SQL of projects."""

from typing import Any

import asyncpg

from services.catalog import domain
from services.catalog.store.base import Store, unique
from shared.postgres import Transaction


class ProjectStore(Store):
    async def insert(self, tx: Transaction, *, name: str, regression: dict[str, Any]) -> domain.Project:
        with unique("project", name):
            row = await tx.connection.fetchrow(
                """
                INSERT INTO projects (name, regression) VALUES ($1, $2)
                RETURNING id, name, regression, version, created_at, updated_at
                """,
                name,
                regression,
            )
        assert row is not None
        return _project(row)

    async def lock(self, tx: Transaction, project_id: domain.ProjectId) -> domain.Project:
        """The project, held against changes until the transaction ends. Raises NotFound."""
        row = await tx.connection.fetchrow(
            """
            SELECT id, name, regression, version, created_at, updated_at FROM projects WHERE id = $1 FOR UPDATE
            """,
            project_id,
        )
        if row is None:
            raise domain.NotFound("project", project_id)
        return _project(row)

    async def hold(self, tx: Transaction, project_id: domain.ProjectId) -> None:
        """Keep the project from being deleted while something is put into it. Raises NotFound."""
        if not await tx.connection.fetchval("SELECT TRUE FROM projects WHERE id = $1 FOR KEY SHARE", project_id):
            raise domain.NotFound("project", project_id)

    async def change(
        self, tx: Transaction, project_id: domain.ProjectId, *, name: str, regression: dict[str, Any]
    ) -> domain.Project:
        with unique("project", name):
            row = await tx.connection.fetchrow(
                """
                UPDATE projects SET name = $2, regression = $3, version = version + 1 WHERE id = $1
                RETURNING id, name, regression, version, created_at, updated_at
                """,
                project_id,
                name,
                regression,
            )
        assert row is not None
        return _project(row)

    async def delete(self, tx: Transaction, project_id: domain.ProjectId) -> None:
        await tx.connection.execute("DELETE FROM projects WHERE id = $1", project_id)

    async def find(self, project_id: domain.ProjectId) -> domain.Project:
        """Raises NotFound."""
        row = await self._database.fetchrow(
            "SELECT id, name, regression, version, created_at, updated_at FROM projects WHERE id = $1", project_id
        )
        if row is None:
            raise domain.NotFound("project", project_id)
        return _project(row)

    async def page(self, *, after: int, limit: int, name: str | None) -> list[domain.Project]:
        rows = await self._database.fetch(
            """
            SELECT id, name, regression, version, created_at, updated_at FROM projects
            WHERE id > $1 AND ($3::text IS NULL OR name = $3)
            ORDER BY id LIMIT $2
            """,
            after,
            limit,
            name,
        )
        return [_project(row) for row in rows]


def _project(row: asyncpg.Record) -> domain.Project:
    return domain.Project(**dict(row))
