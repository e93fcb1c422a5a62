"""What people decide on the limits of a project."""

from services.smoothing import domain
from services.smoothing.store import SegmentStore, ThresholdStore
from shared.cause import Cause


class ThresholdOperations:
    def __init__(self, *, segments: SegmentStore, thresholds: ThresholdStore) -> None:
        self._segments = segments
        self._thresholds = thresholds

    async def of(self, project_id: int) -> domain.ProjectThresholds:
        """Raises NotFound for a project that is not known here."""
        await self._refuse_unknown(project_id)
        return await self._thresholds.of(project_id)

    async def learn_project(self, cause: Cause, project_id: int) -> None:
        """It may have limits from now on; not one that was deleted."""
        async with self._thresholds.transaction(cause) as tx:
            if not await self._segments.is_deleted(tx, ((domain.Deletable.PROJECT, project_id),)):
                await self._thresholds.add_project(tx, project_id)

    async def replace(self, cause: Cause, project_id: int, limits: dict[str, float]) -> domain.ProjectThresholds:
        """All limits of a project at once; those left out are the defaults. What was measured is judged anew whenever
        it is read or said; what was said stays said.

        Raises SeamError for limits that contradict each other, NotFound for a project that is not known here or was
        deleted.
        """
        await self._refuse_unknown(project_id)
        domain.Thresholds(**limits)
        async with self._thresholds.transaction(cause) as tx:
            if await self._segments.is_deleted(tx, ((domain.Deletable.PROJECT, project_id),)):
                raise domain.NotFound("the project was deleted")
            await self._thresholds.replace(tx, project_id, limits, changed_by=cause.actor)
            return await self._thresholds.of(project_id, tx=tx)

    async def _refuse_unknown(self, project_id: int) -> None:
        if not await self._thresholds.knows_project(project_id):
            raise domain.NotFound(f"there is no project {project_id}")
