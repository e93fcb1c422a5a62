"""References: scenes designated as benchmarks."""

from collections.abc import Sequence

from services.regression.domain.errors import ReferenceUnknown, SceneUnknown
from services.regression.domain.lifecycle import check_finished_scene
from services.regression.domain.rules import check_overrides
from services.regression.operations import translate
from services.regression.operations.captures import Captures
from services.regression.operations.judging import Judging
from services.regression.operations.rendering import Rendering
from services.regression.store import Store
from services.regression.store.rows import Json, ReferenceRow, SceneRow
from shared.cause import Cause
from shared.contracts.character import CharacterDeleted
from shared.contracts.project import ProjectDeleted
from shared.contracts.scene import SceneDeleted
from shared.contracts.scene_type import SceneTypeDeleted
from shared.postgres import Transaction


class References:
    def __init__(self, *, store: Store, rendering: Rendering, captures: Captures, judging: Judging) -> None:
        self._store = store
        self._rendering = rendering
        self._captures = captures
        self._judging = judging

    async def designate(self, cause: Cause, *, scene_id: int, name: str | None, thresholds: Json) -> int:
        """Pin a finished scene and start capturing its baseline.

        Raises SceneUnknown, SceneUnfinished, AlreadyReference, BadThreshold.
        """
        check_overrides(translate.overrides(thresholds))
        async with self._store.transaction(cause) as tx:
            scene = await self._store.scene(tx, scene_id)
            if scene is None:
                raise SceneUnknown(scene_id)
            check_finished_scene(
                scene_id=scene_id,
                planned=[segment["position"] for segment in scene.segments],
                generated=await self._store.rendered_positions(tx, scene_id),
            )
            reference = await self._store.add_reference(
                tx,
                scene=scene,
                name=name or await self._name(tx, scene),
                thresholds=thresholds,
                created_by=cause.actor,
            )
            await self._captures.begin(tx, reference)
            return reference.id

    async def change(
        self, reference_id: int, cause: Cause, *, name: str | None, enabled: bool | None, thresholds: Json | None
    ) -> None:
        """Holds for runs that are judged from now on. Raises ReferenceUnknown, BadThreshold."""
        if thresholds is not None:
            check_overrides(translate.overrides(thresholds))
        async with self._store.transaction(cause) as tx:
            if not await self._store.lock_references(tx, [reference_id]):
                raise ReferenceUnknown(reference_id)
            await self._store.change_reference(tx, reference_id, name=name, enabled=enabled, thresholds=thresholds)

    async def delete(self, reference_id: int, cause: Cause) -> None:
        """Raises ReferenceUnknown."""
        async with self._store.transaction(cause) as tx:
            references = await self._store.lock_references(tx, [reference_id])
            if not references:
                raise ReferenceUnknown(reference_id)
            await self._remove(tx, references, f"the reference was deleted by {cause.actor}")

    async def project_deleted(self, event: ProjectDeleted, cause: Cause) -> None:
        async with self._store.transaction(cause) as tx:
            await self._thing_deleted(tx, "project", event.project_id)
            await self._store.forget_project(tx, event.project_id)

    async def character_deleted(self, event: CharacterDeleted, cause: Cause) -> None:
        async with self._store.transaction(cause) as tx:
            await self._thing_deleted(tx, "character", event.character_id)
            await self._store.forget_character(tx, event.character_id)

    async def scene_type_deleted(self, event: SceneTypeDeleted, cause: Cause) -> None:
        async with self._store.transaction(cause) as tx:
            await self._thing_deleted(tx, "scene_type", event.scene_type_id)
            await self._store.forget_scene_type(tx, event.scene_type_id)

    async def scene_deleted(self, event: SceneDeleted, cause: Cause) -> None:
        async with self._store.transaction(cause) as tx:
            await self._thing_deleted(tx, "scene", event.scene_id)
            await self._store.forget_scene(tx, event.scene_id)

    async def _thing_deleted(self, tx: Transaction, kind: str, id: int) -> None:
        await self._store.add_tombstone(tx, kind, id)
        references = await self._store.lock_references_of(tx, kind, id)
        await self._remove(tx, references, f"the {kind.replace('_', ' ')} was deleted")

    async def _remove(self, tx: Transaction, references: Sequence[ReferenceRow], reason: str) -> None:
        """References go, with their baselines and results; runs that were rendering them go on without them and say
        so.
        """
        ids = [reference.id for reference in references]
        runs = await self._store.open_runs_of_references(tx, ids)
        for run_id in runs:
            await self._store.lock_run(tx, run_id)
            rendered = {render.reference_id for render in await self._store.renders_of_run(run_id, tx)}
            gone = [
                {"reference_id": one.id, "name": one.name, "reason": reason} for one in references if one.id in rendered
            ]
            await self._store.add_gone(tx, run_id, gone)
        await self._rendering.take_back(tx, await self._store.open_renders_of_references(tx, ids), reason)
        await self._store.delete_references(tx, ids)
        for run_id in runs:
            await self._judging.settle(tx, run_id)

    async def _name(self, tx: Transaction, scene: SceneRow) -> str:
        names = await self._store.names(
            character_id=scene.character_id, scene_type_id=scene.scene_type_id, scene_id=scene.id, tx=tx
        )
        known = [name for name in (names.character, names.scene_type) if name]
        return " / ".join([*known, scene.name])
