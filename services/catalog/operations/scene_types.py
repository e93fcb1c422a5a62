"""Scene types: what a kind of scene asks of the renderer by default."""

from typing import Any

from services.catalog import domain
from services.catalog.store import ProjectStore, SceneTypeStore
from shared.cause import Cause
from shared.contracts import topics, types
from shared.contracts.scene_type import SceneTypeDeleted, SceneTypeUpdated
from shared.postgres import Transaction


class SceneTypeOperations:
    def __init__(self, *, store: SceneTypeStore, projects: ProjectStore) -> None:
        self._store = store
        self._projects = projects

    async def create(
        self,
        cause: Cause,
        *,
        project_id: domain.ProjectId,
        name: str,
        segment_count: int,
        parameters: dict[str, Any],
    ) -> domain.SceneType:
        """Raises NotFound for the project, Conflict for a name that is taken."""
        async with self._store.transaction(cause) as tx:
            await self._projects.hold(tx, project_id)
            scene_type = await self._store.insert(
                tx, project_id=project_id, name=name, segment_count=segment_count, parameters=parameters
            )
            await tx.emit(_updated(scene_type))
        return scene_type

    async def change(
        self,
        cause: Cause,
        scene_type_id: domain.SceneTypeId,
        *,
        name: str | None,
        segment_count: int | None,
        parameters: dict[str, Any] | None,
    ) -> domain.SceneType:
        """None leaves a part as it is; parameters are replaced as a whole. What changes nothing says nothing."""
        async with self._store.transaction(cause) as tx:
            before = await self._store.lock(tx, scene_type_id)
            name = before.name if name is None else name
            segment_count = before.segment_count if segment_count is None else segment_count
            parameters = before.parameters if parameters is None else parameters
            if (name, segment_count, parameters) == (before.name, before.segment_count, before.parameters):
                return before
            scene_type = await self._store.change(
                tx, scene_type_id, name=name, segment_count=segment_count, parameters=parameters
            )
            await tx.emit(_updated(scene_type))
        return scene_type

    async def delete(self, cause: Cause, scene_type_id: domain.SceneTypeId) -> None:
        async with self._store.transaction(cause) as tx:
            scene_type = await self._store.lock(tx, scene_type_id)
            await self._store.delete(tx, scene_type_id)
            await say_deleted(tx, scene_type)


async def say_deleted(tx: Transaction, scene_type: domain.SceneType) -> None:
    deleted = SceneTypeDeleted(
        sequence=scene_type.version + 1,
        scene_type_id=types.SceneTypeId(scene_type.id),
        project_id=types.ProjectId(scene_type.project_id),
    )
    await tx.emit(deleted)
    await tx.retire(topics.SCENE_TYPE_UPDATED, deleted.key)


def _updated(scene_type: domain.SceneType) -> SceneTypeUpdated:
    return SceneTypeUpdated(
        sequence=scene_type.version,
        scene_type_id=types.SceneTypeId(scene_type.id),
        project_id=types.ProjectId(scene_type.project_id),
        name=scene_type.name,
        segment_count=scene_type.segment_count,
        parameters=types.RenderParameters.model_validate(scene_type.parameters),
    )
