"""SQL of a project's limits."""

from services.smoothing import domain
from services.smoothing.store.base import BaseStore
from shared.postgres import Transaction


class ThresholdStore(BaseStore):
    async def of(self, project_id: int, *, tx: Transaction | None = None) -> domain.ProjectThresholds:
        """Those of the project, the defaults where it has none."""
        reader = self._database if tx is None else tx.connection
        row = await reader.fetchrow("SELECT version, limits FROM boundary_thresholds WHERE project_id = $1", project_id)
        if row is None:
            return domain.ProjectThresholds()
        return domain.ProjectThresholds(version=row["version"], limits=domain.Thresholds(**row["limits"]))

    async def replace(self, tx: Transaction, project_id: int, limits: dict[str, float], *, changed_by: str) -> None:
        """All of a project's limits at once. The same limits again are no new version."""
        await tx.connection.execute(
            """
            INSERT INTO boundary_thresholds (project_id, version, limits, changed_by) VALUES ($1, 1, $2, $3)
            ON CONFLICT (project_id) DO UPDATE
            SET version = boundary_thresholds.version + 1, limits = EXCLUDED.limits, changed_by = EXCLUDED.changed_by
            WHERE boundary_thresholds.limits <> EXCLUDED.limits
            """,
            project_id,
            limits,
            changed_by,
        )

    async def add_project(self, tx: Transaction, project_id: int) -> None:
        await tx.connection.execute("INSERT INTO projects (id) VALUES ($1) ON CONFLICT DO NOTHING", project_id)

    async def knows_project(self, project_id: int) -> bool:
        return bool(await self._database.fetchval("SELECT EXISTS (SELECT FROM projects WHERE id = $1)", project_id))

    async def delete_of(self, tx: Transaction, project_id: int) -> None:
        await tx.connection.execute("DELETE FROM boundary_thresholds WHERE project_id = $1", project_id)
        await tx.connection.execute("DELETE FROM projects WHERE id = $1", project_id)
