"""Projects: the unit of settings, and what is deleted with them."""

from typing import Any

from services.catalog import domain
from services.catalog.operations import characters, scene_types
from services.catalog.store import CharacterStore, ProjectStore, SceneTypeStore
from shared.cause import Cause
from shared.contracts import topics, types
from shared.contracts.project import ProjectDeleted, ProjectUpdated


class ProjectOperations:
    def __init__(self, *, store: ProjectStore, characters: CharacterStore, scene_types: SceneTypeStore) -> None:
        self._store = store
        self._characters = characters
        self._scene_types = scene_types

    async def create(self, cause: Cause, *, name: str, regression: dict[str, Any]) -> domain.Project:
        """Raises Conflict for a name that is taken."""
        async with self._store.transaction(cause) as tx:
            project = await self._store.insert(tx, name=name, regression=regression)
            await tx.emit(_updated(project))
        return project

    async def change(
        self, cause: Cause, project_id: domain.ProjectId, *, name: str | None, regression: dict[str, Any] | None
    ) -> domain.Project:
        """None leaves a part as it is; the rules are replaced as a whole. What changes nothing says nothing."""
        async with self._store.transaction(cause) as tx:
            before = await self._store.lock(tx, project_id)
            name = before.name if name is None else name
            regression = before.regression if regression is None else regression
            if (name, regression) == (before.name, before.regression):
                return before
            project = await self._store.change(tx, project_id, name=name, regression=regression)
            await tx.emit(_updated(project))
        return project

    async def delete(self, cause: Cause, project_id: domain.ProjectId) -> None:
        """Everything in the project goes with it, each with an event of its own, the project's event last."""
        async with self._store.transaction(cause) as tx:
            project = await self._store.lock(tx, project_id)
            for character in await self._characters.lock_of_project(tx, project_id):
                await characters.say_deleted(tx, character)
            for scene_type in await self._scene_types.lock_of_project(tx, project_id):
                await scene_types.say_deleted(tx, scene_type)
            await self._store.delete(tx, project_id)
            deleted = ProjectDeleted(sequence=project.version + 1, project_id=types.ProjectId(project.id))
            await tx.emit(deleted)
            await tx.retire(topics.PROJECT_UPDATED, deleted.key)


def _updated(project: domain.Project) -> ProjectUpdated:
    return ProjectUpdated(
        sequence=project.version,
        project_id=types.ProjectId(project.id),
        name=project.name,
        regression=types.ThresholdSettings.model_validate(project.regression),
    )
