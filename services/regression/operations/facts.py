"""Other services' facts, kept up to date; and what an asset's new version sets off."""

from services.regression.operations import translate
from services.regression.operations.rollbacks import Rollbacks
from services.regression.operations.runs import Runs
from services.regression.store import Store
from services.regression.store.rows import AssetRow, AssetVersionRow, SceneRow
from shared.cause import Cause
from shared.contracts.asset import AssetUpdated, AssetVersionPublished, UpdateCause
from shared.contracts.character import CharacterUpdated
from shared.contracts.project import ProjectUpdated
from shared.contracts.scene import SceneConfigured
from shared.contracts.scene_type import SceneTypeUpdated
from shared.errors import NotYetKnown
from shared.postgres import Transaction


class Facts:
    def __init__(self, *, store: Store, runs: Runs, rollbacks: Rollbacks) -> None:
        self._store = store
        self._runs = runs
        self._rollbacks = rollbacks

    async def project_updated(self, event: ProjectUpdated, cause: Cause) -> None:
        async with self._store.transaction(cause) as tx:
            if not await self._store.is_deleted(tx, "project", event.project_id):
                await self._store.save_project(
                    tx,
                    id=event.project_id,
                    name=event.name,
                    regression=event.regression.model_dump(mode="json"),
                    sequence=event.sequence,
                )

    async def character_updated(self, event: CharacterUpdated, cause: Cause) -> None:
        async with self._store.transaction(cause) as tx:
            if not await self._store.is_deleted(tx, "character", event.character_id):
                await self._store.save_character(
                    tx,
                    id=event.character_id,
                    project_id=event.project_id,
                    name=event.name,
                    sequence=event.sequence,
                )

    async def scene_type_updated(self, event: SceneTypeUpdated, cause: Cause) -> None:
        async with self._store.transaction(cause) as tx:
            if not await self._store.is_deleted(tx, "scene_type", event.scene_type_id):
                await self._store.save_scene_type(
                    tx,
                    id=event.scene_type_id,
                    project_id=event.project_id,
                    name=event.name,
                    sequence=event.sequence,
                )

    async def scene_configured(self, event: SceneConfigured, cause: Cause) -> None:
        async with self._store.transaction(cause) as tx:
            if await self._is_of_something_deleted(tx, event):
                return
            await self._store.save_scene(
                tx,
                SceneRow(
                    id=event.scene_id,
                    project_id=event.project_id,
                    character_id=event.character_id,
                    scene_type_id=event.scene_type_id,
                    name=event.name,
                    seed_image_sha256=event.seed_image_sha256,
                    source_image_sha256=event.source_image_sha256,
                    assets=[asset.model_dump(mode="json") for asset in event.assets],
                    segments=[segment.model_dump(mode="json") for segment in event.segments],
                ),
                sequence=event.sequence,
            )

    async def asset_version_published(self, event: AssetVersionPublished, cause: Cause) -> None:
        async with self._store.transaction(cause) as tx:
            await self._store.save_asset_version(
                tx,
                AssetVersionRow(
                    id=event.version_id,
                    asset_id=event.asset_id,
                    kind=event.kind.value,
                    name=event.name,
                    version=event.version,
                    checksum=event.checksum,
                    file_name=event.file_name,
                ),
            )

    async def asset_updated(self, event: AssetUpdated, cause: Cause) -> None:
        """Raises NotYetKnown when the version's own event has not come yet."""
        async with self._store.transaction(cause) as tx:
            version = translate.locked_row(await self._store.asset_version(event.version_id, tx))
            if version is None:
                raise NotYetKnown(f"asset_version:{event.version_id}")
            asset = await self._store.save_asset(
                tx,
                AssetRow(
                    id=event.asset_id,
                    kind=event.kind.value,
                    name=event.name,
                    active_version_id=event.version_id,
                    previous_version_id=event.previous_version_id,
                    sequence=event.sequence,
                ),
            )
            match event.cause:
                case UpdateCause.RELEASE:
                    await self._runs.released(tx, event, asset, version)
                case UpdateCause.ROLLBACK:
                    await self._rollbacks.rolled_back(tx, event, version)

    async def _is_of_something_deleted(self, tx: Transaction, event: SceneConfigured) -> bool:
        things = (
            ("scene", event.scene_id),
            ("character", event.character_id),
            ("scene_type", event.scene_type_id),
            ("project", event.project_id),
        )
        return any([await self._store.is_deleted(tx, kind, id) for kind, id in things])
