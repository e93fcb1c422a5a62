"""A person's scenes: plan, cancel, delete."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from services.dispatch.domain.errors import Conflict, NotFound, Unacceptable
from services.dispatch.domain.planning import (
    SEED_BITS,
    SceneOrder,
    plan,
    refuse_assets_without_place,
)
from services.dispatch.domain.scenes import Json, Purpose, Scene, SceneDraft, SegmentPlan, Tier
from services.dispatch.operations.chains import Chains
from services.dispatch.operations.parameters import checked_parameters, workflow_of
from services.dispatch.store import Store
from services.dispatch.store.facts import AssetVersionCopy, CharacterCopy, FactKind, SceneTypeCopy
from shared.cause import Cause
from shared.clock import Clock, utc_now
from shared.contracts.scene import PlannedSegment, SceneConfigured, SceneDeleted
from shared.contracts.types import (
    AssetId,
    AssetKind,
    AssetVersionId,
    CharacterId,
    LockedAsset,
    ProjectId,
    RenderParameters,
    SceneId,
    SceneTypeId,
)
from shared.contracts.types import Tier as WireTier
from shared.postgres import Transaction

FACT_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class NewScene:
    """A person's wish. `seed` None: one is drawn, and written down like every other parameter."""

    name: str
    character_id: int
    scene_type_id: int
    workflow_id: int
    lora_id: int | None = None
    model_id: int | None = None
    tier: Tier = Tier.FULL
    priority: int = 0
    segment_count: int | None = None
    seed: int | None = None
    seeds: dict[int, int] = field(default_factory=dict)
    overrides: Json = field(default_factory=dict)
    per_position: dict[int, Json] = field(default_factory=dict)

    @property
    def asset_ids(self) -> dict[AssetKind, int]:
        given = {AssetKind.WORKFLOW: self.workflow_id, AssetKind.LORA: self.lora_id, AssetKind.MODEL: self.model_id}
        return {kind: asset_id for kind, asset_id in given.items() if asset_id is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    character: CharacterCopy
    scene_type: SceneTypeCopy
    assets: tuple[AssetVersionCopy, ...]

    @property
    def workflow(self) -> AssetVersionCopy:
        return next(asset for asset in self.assets if asset.kind == AssetKind.WORKFLOW)


class SceneOperations:
    """`fact_patience_seconds`: how long a request waits for a fact that was created a moment ago elsewhere."""

    def __init__(
        self,
        *,
        store: Store,
        new_work: Callable[[], None],
        fact_patience_seconds: float = 3.0,
        now: Clock = utc_now,
        draw_seed: Callable[[], int] = lambda: secrets.randbits(SEED_BITS),
    ) -> None:
        self._store = store
        self._chains = Chains(store)
        self._new_work = new_work
        self._fact_patience_seconds = fact_patience_seconds
        self._now = now
        self._draw_seed = draw_seed

    async def create(self, wish: NewScene, cause: Cause) -> Scene:
        """Lock the active asset versions, write every parameter down, queue the first segment."""
        facts = await self._facts(wish)
        plans = self._plan(wish, facts)
        draft = _draft_of(wish, facts, cause)
        async with self._store.transaction(cause) as tx:
            await self._refuse_deleted(tx, draft)
            scene = await self._store.add_scene(tx, draft, plans)
            await tx.emit(_configured(scene, plans))
            first = (await self._store.chain(tx, scene.id))[0]
            await self._chains.queue(
                tx,
                scene,
                first,
                seed_image_sha256=scene.seed_image_sha256,
                previous_clip_sha256=None,
                now=self._now(),
            )
        self._new_work()
        return scene

    async def cancel(self, scene_id: int, cause: Cause) -> Scene:
        async with self._store.transaction(cause) as tx:
            scene = await self._lock(tx, scene_id)
            scene.refuse_cancel_unless_rendering()
            await self._chains.stop(tx, scene, "cancelled", f"cancelled by {cause.actor}", self._now())
            cancelled = await self._lock(tx, scene_id)
        self._new_work()
        return cancelled

    async def delete(self, scene_id: int, cause: Cause) -> None:
        """With its segments and queued work; clips stay in the media store, which others may refer to."""
        async with self._store.transaction(cause) as tx:
            scene = await self._lock(tx, scene_id)
            if not scene.is_persons:
                raise Conflict(f"scene {scene_id} was rendered for a {scene.purpose.value}; cancel that run instead")
            if scene.finished_at is None:
                await self._chains.stop(tx, scene, "deleted", f"deleted by {cause.actor}", self._now())
            else:
                await self._chains.stop_jobs(tx, scene, "the scene was deleted", self._now())
            await self._store.delete_scene(tx, scene_id)
            await tx.emit(SceneDeleted(scene_id=SceneId(scene_id)))
        self._new_work()

    async def _lock(self, tx: Transaction, scene_id: int) -> Scene:
        scene = await self._store.lock_scene(tx, scene_id)
        if scene is None:
            raise NotFound(f"there is no scene {scene_id}")
        return scene

    async def _refuse_deleted(self, tx: Transaction, draft: SceneDraft) -> None:
        facts: tuple[tuple[FactKind, int], ...] = (
            ("project", draft.project_id),
            ("scene_type", draft.scene_type_id),
            ("character", draft.character_id),
        )
        for kind, fact_id in facts:
            await self._store.share_fact(tx, kind, fact_id)
            if await self._store.is_deleted(tx, kind, fact_id):
                raise Conflict(f"{kind} {fact_id} was deleted; choose another one")

    async def _facts(self, wish: NewScene) -> _Facts:
        """The facts a scene needs. They come by events, so those made a moment ago are waited for."""
        deadline = asyncio.get_running_loop().time() + self._fact_patience_seconds
        while True:
            found = await self._facts_now(wish)
            if isinstance(found, _Facts):
                break
            if asyncio.get_running_loop().time() >= deadline:
                raise Unacceptable(
                    f"{' and '.join(found)} not known here; check the id. "
                    "If it was created a moment ago, send the request again"
                )
            await asyncio.sleep(FACT_POLL_SECONDS)
        if found.character.project_id != found.scene_type.project_id:
            raise Unacceptable(
                f"character {found.character.id} is in project {found.character.project_id}, scene type "
                f"{found.scene_type.id} in project {found.scene_type.project_id}; choose both from one project"
            )
        return found

    async def _facts_now(self, wish: NewScene) -> "_Facts | list[str]":
        """The facts, or the names of those that are missing."""
        character = await self._store.character(wish.character_id)
        scene_type = await self._store.scene_type(wish.scene_type_id)
        assets = {a.asset_id: a for a in await self._store.active_versions(list(wish.asset_ids.values()))}
        missing = [] if character else [f"character {wish.character_id} is"]
        missing += [] if scene_type else [f"scene type {wish.scene_type_id} is"]
        missing += [f"{kind.value} {i} is" for kind, i in wish.asset_ids.items() if i not in assets]
        if character is None or scene_type is None or missing:
            return missing
        for kind, asset_id in wish.asset_ids.items():
            if assets[asset_id].kind != kind.value:
                raise Unacceptable(
                    f"asset {asset_id} ({assets[asset_id].name}) is a {assets[asset_id].kind}, "
                    f"so it cannot be the {kind.value}_id; give the id of a {kind.value}"
                )
        return _Facts(
            character=character,
            scene_type=scene_type,
            assets=tuple(assets[asset_id] for asset_id in wish.asset_ids.values()),
        )

    def _plan(self, wish: NewScene, facts: _Facts) -> list[SegmentPlan]:
        workflow = workflow_of(facts.workflow)
        refuse_assets_without_place(workflow, [asset.kind for asset in facts.assets])
        order = SceneOrder(
            segment_count=wish.segment_count or facts.scene_type.segment_count,
            base_seed=self._draw_seed() if wish.seed is None else wish.seed,
            seeds=wish.seeds,
            overrides=wish.overrides,
            per_position=wish.per_position,
        )
        plans = plan(order, defaults=facts.scene_type.parameters, workflow=workflow)
        return [
            SegmentPlan(position=p.position, parameters=checked_parameters(p.position, p.parameters, workflow))
            for p in plans
        ]


def _draft_of(wish: NewScene, facts: _Facts, cause: Cause) -> SceneDraft:
    return SceneDraft(
        name=wish.name,
        project_id=facts.character.project_id,
        character_id=facts.character.id,
        scene_type_id=facts.scene_type.id,
        purpose=Purpose.SCENE,
        tier=wish.tier,
        priority=wish.priority,
        request_id=None,
        source_scene_id=None,
        workflow_version_id=facts.workflow.id,
        assets=[_locked(asset).model_dump(mode="json") for asset in facts.assets],
        seed_image_sha256=facts.character.source_image_sha256,
        source_image_sha256=facts.character.source_image_sha256,
        deadline_at=None,
        created_by=cause.actor,
        correlation_id=cause.correlation_id,
    )


def _locked(version: AssetVersionCopy) -> LockedAsset:
    return LockedAsset(
        asset_id=AssetId(version.asset_id),
        version_id=AssetVersionId(version.id),
        kind=AssetKind(version.kind),
        name=version.name,
        version=version.version,
        checksum=version.checksum,
        file_name=version.file_name,
    )


def _configured(scene: Scene, plans: list[SegmentPlan]) -> SceneConfigured:
    return SceneConfigured(
        scene_id=SceneId(scene.id),
        project_id=ProjectId(scene.project_id),
        character_id=CharacterId(scene.character_id),
        scene_type_id=SceneTypeId(scene.scene_type_id),
        name=scene.name,
        tier=WireTier(scene.tier.value),
        seed_image_sha256=scene.seed_image_sha256,
        source_image_sha256=scene.source_image_sha256,
        assets=tuple(LockedAsset.model_validate(asset) for asset in scene.assets),
        segments=tuple(
            PlannedSegment(position=p.position, parameters=RenderParameters.model_validate(p.parameters)) for p in plans
        ),
    )
