"""Keeping copies of other services' facts, and removing what belonged to something deleted."""

from collections.abc import Callable

from services.dispatch.operations.chains import Chains
from services.dispatch.operations.fitness import Fitness
from services.dispatch.store import Store
from services.dispatch.store.facts import AssetVersionCopy, CharacterCopy, FactKind, SceneTypeCopy
from shared.cause import Cause
from shared.clock import Clock, utc_now
from shared.contracts.asset import AssetUpdated, AssetVersionPublished
from shared.contracts.character import CharacterUpdated
from shared.contracts.project import ProjectUpdated
from shared.contracts.scene import SceneDeleted
from shared.contracts.scene_type import SceneTypeUpdated
from shared.contracts.types import SceneId


class FactOperations:
    """`published` is called when there is a new version: servers may have got its file a moment ago."""

    def __init__(self, *, store: Store, published: Callable[[], None] = lambda: None, now: Clock = utc_now) -> None:
        self._store = store
        self._fitness = Fitness(store)
        self._published = published
        self._chains = Chains(store)
        self._now = now

    async def project_updated(self, event: ProjectUpdated, cause: Cause) -> None:
        async with self._store.transaction(cause) as tx:
            await self._store.lock_fact(tx, "project", event.project_id)
            if not await self._store.is_deleted(tx, "project", event.project_id):
                await self._store.save_project(
                    tx, project_id=event.project_id, name=event.name, sequence=event.sequence
                )

    async def character_updated(self, event: CharacterUpdated, cause: Cause) -> None:
        copy = CharacterCopy(
            id=event.character_id,
            project_id=event.project_id,
            name=event.name,
            source_image_sha256=event.source_image_sha256,
        )
        async with self._store.transaction(cause) as tx:
            await self._store.lock_fact(tx, "character", event.character_id)
            if not await self._store.is_deleted(tx, "character", event.character_id):
                await self._store.save_character(tx, copy, sequence=event.sequence)

    async def scene_type_updated(self, event: SceneTypeUpdated, cause: Cause) -> None:
        copy = SceneTypeCopy(
            id=event.scene_type_id,
            project_id=event.project_id,
            name=event.name,
            segment_count=event.segment_count,
            parameters=event.parameters.model_dump(mode="json"),
        )
        async with self._store.transaction(cause) as tx:
            await self._store.lock_fact(tx, "scene_type", event.scene_type_id)
            if not await self._store.is_deleted(tx, "scene_type", event.scene_type_id):
                await self._store.save_scene_type(tx, copy, sequence=event.sequence)

    async def asset_version_published(self, event: AssetVersionPublished, cause: Cause) -> None:
        copy = AssetVersionCopy(
            id=event.version_id,
            asset_id=event.asset_id,
            kind=event.kind.value,
            name=event.name,
            version=event.version,
            checksum=event.checksum,
            file_name=event.file_name,
            graph=event.graph,
            bindings=event.bindings.model_dump(mode="json") if event.bindings else None,
        )
        async with self._store.transaction(cause) as tx:
            await self._store.save_asset_version(tx, copy)
            if copy.graph is not None:
                await self._fitness.needs_of(tx, workflow_version_id=copy.id, assets=())
        self._published()

    async def asset_updated(self, event: AssetUpdated, cause: Cause) -> None:
        async with self._store.transaction(cause) as tx:
            await self._store.activate_asset(
                tx,
                asset_id=event.asset_id,
                kind=event.kind.value,
                name=event.name,
                version_id=event.version_id,
                sequence=event.sequence,
            )

    async def project_deleted(self, project_id: int, cause: Cause) -> None:
        await self._deleted("project", project_id, cause)

    async def character_deleted(self, character_id: int, cause: Cause) -> None:
        await self._deleted("character", character_id, cause)

    async def scene_type_deleted(self, scene_type_id: int, cause: Cause) -> None:
        await self._deleted("scene_type", scene_type_id, cause)

    async def _deleted(self, kind: FactKind, fact_id: int, cause: Cause) -> None:
        """Remember the id for ever, and remove every scene of it.

        Whoever asked for a render hears `segment.failed`; a person's scene is followed by `scene.deleted`.
        """
        now = self._now()
        async with self._store.transaction(cause) as tx:
            await self._store.lock_fact(tx, kind, fact_id)
            await self._store.bury(tx, kind, fact_id)
            match kind:
                case "project":
                    await self._store.forget_project(tx, fact_id)
                case "character":
                    await self._store.forget_character(tx, fact_id)
                case "scene_type":
                    await self._store.forget_scene_type(tx, fact_id)
            for scene in await self._store.lock_scenes_of(tx, kind, fact_id):
                if scene.finished_at is None:
                    await self._chains.stop(tx, scene, "deleted", f"{kind} {fact_id} was deleted", now)
                else:
                    await self._chains.stop_jobs(tx, scene, f"{kind} {fact_id} was deleted", now)
                await self._store.delete_scene(tx, scene.id)
                if scene.is_persons:
                    await tx.emit(SceneDeleted(scene_id=SceneId(scene.id)))
