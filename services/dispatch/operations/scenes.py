"""A person's scenes: plan, cancel, delete."""

from collections.abc import Callable

from services.dispatch.domain.errors import Conflict, NotFound
from services.dispatch.domain.scenes import Purpose, Scene, SceneDraft
from services.dispatch.operations.chains import Chains
from services.dispatch.operations.planning import Facts, NewScene, Planner, locked
from services.dispatch.operations.plans import say_planned
from services.dispatch.store import Store
from shared.cause import Cause
from shared.clock import Clock, utc_now
from shared.contracts.scene import SceneDeleted
from shared.contracts.types import SceneId
from shared.postgres import Transaction

__all__ = ["NewScene", "SceneOperations"]


class SceneOperations:
    def __init__(
        self,
        *,
        store: Store,
        planner: Planner,
        new_work: Callable[[], None],
        now: Clock = utc_now,
    ) -> None:
        self._store = store
        self._chains = Chains(store)
        self._new_work = new_work
        self._planner = planner
        self._now = now

    async def create(self, wish: NewScene, cause: Cause) -> Scene:
        """Lock the active asset versions, write every parameter down, queue the first segment."""
        facts = await self._planner.facts(wish)
        plans = self._planner.plans(wish, facts)
        draft = _draft_of(wish, facts, cause)
        async with self._store.transaction(cause) as tx:
            await self._planner.refuse_deleted(tx, draft)
            scene = await self._store.add_scene(tx, draft, plans)
            await say_planned(tx, scene, [plan.parameters for plan in plans])
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


def _draft_of(wish: NewScene, facts: Facts, cause: Cause) -> SceneDraft:
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
        assets=[locked(asset).model_dump(mode="json") for asset in facts.assets],
        seed_image_sha256=facts.character.source_image_sha256,
        source_image_sha256=facts.character.source_image_sha256,
        deadline_at=None,
        created_by=cause.actor,
        correlation_id=cause.correlation_id,
        is_paused=wish.paused,
        score_gate=wish.score_gate,
    )
