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

    async def delete_of(self, tx: Transaction, project_id: int) -> None:
        await tx.connection.execute("DELETE FROM boundary_thresholds WHERE project_id = $1", project_id)
