"""Renders that another service asks for, and their cancellation."""

from collections.abc import Callable

from services.dispatch.domain.scenes import Purpose, SceneDraft, SegmentPlan, Tier
from services.dispatch.operations.chains import Chains
from services.dispatch.store import Store
from services.dispatch.store.facts import FactKind
from shared.cause import Cause
from shared.clock import Clock, utc_now
from shared.contracts.generation import GenerationCancelRequested, GenerationRequested
from shared.contracts.types import AssetKind
from shared.errors import NotYetKnown
from shared.postgres import Transaction


class RequestOperations:
    def __init__(self, *, store: Store, new_work: Callable[[], None], now: Clock = utc_now) -> None:
        self._store = store
        self._chains = Chains(store)
        self._new_work = new_work
        self._now = now

    async def request(self, event: GenerationRequested, cause: Cause) -> None:
        """Give the request a scene of its own and queue its first segment.

        A request for something deleted, or cancelled before it came, is answered by `segment.failed` at once.
        Raises NotYetKnown while the workflow's version has not arrived.
        """
        draft = _draft_of(event, cause)
        plans = _plans_of(event)
        now = self._now()
        async with self._store.transaction(cause) as tx:
            await self._store.lock_request(tx, event.request_id)
            if await self._store.lock_scene_of_request(tx, event.request_id) is not None:
                return
            gone = await self._gone(tx, draft)
            cancelled = await self._store.cancelled_request(tx, event.request_id)
            if gone is None and await self._store.asset_version(draft.workflow_version_id) is None:
                raise NotYetKnown(f"asset_version:{draft.workflow_version_id}")
            scene = await self._store.add_scene(tx, draft, plans)
            if gone is not None:
                await self._chains.stop(tx, scene, "deleted", gone, now)
            elif cancelled is not None:
                await self._chains.stop(tx, scene, "cancelled", cancelled, now)
            else:
                first = (await self._store.chain(tx, scene.id))[0]
                await self._chains.queue(
                    tx, scene, first, seed_image_sha256=draft.seed_image_sha256, previous_clip_sha256=None, now=now
                )
        self._new_work()

    async def cancel(self, event: GenerationCancelRequested, cause: Cause) -> None:
        """Stop what is not finished; remembered, in case the request itself comes later."""
        async with self._store.transaction(cause) as tx:
            await self._store.lock_request(tx, event.request_id)
            await self._store.save_cancelled_request(tx, event.request_id, event.reason)
            scene = await self._store.lock_scene_of_request(tx, event.request_id)
            if scene is not None and scene.finished_at is None:
                await self._chains.stop(tx, scene, "cancelled", event.reason, self._now())
        self._new_work()

    async def _gone(self, tx: Transaction, draft: SceneDraft) -> str | None:
        facts: tuple[tuple[FactKind, int], ...] = (
            ("project", draft.project_id),
            ("scene_type", draft.scene_type_id),
            ("character", draft.character_id),
        )
        for kind, fact_id in facts:
            await self._store.share_fact(tx, kind, fact_id)
            if await self._store.is_deleted(tx, kind, fact_id):
                return f"{kind} {fact_id} was deleted"
        return None


def _draft_of(event: GenerationRequested, cause: Cause) -> SceneDraft:
    workflows = [asset for asset in event.assets if asset.kind is AssetKind.WORKFLOW]
    if len(workflows) != 1:
        raise ValueError(f"request {event.request_id} locks {len(workflows)} workflows; it must lock exactly one")
    return SceneDraft(
        name=f"{event.purpose.value} {event.request_id}",
        project_id=event.project_id,
        character_id=event.character_id,
        scene_type_id=event.scene_type_id,
        purpose=Purpose(event.purpose.value),
        tier=Tier(event.tier.value),
        priority=event.priority,
        request_id=event.request_id,
        source_scene_id=event.source_scene_id,
        workflow_version_id=workflows[0].version_id,
        assets=[asset.model_dump(mode="json") for asset in event.assets],
        seed_image_sha256=event.seed_image_sha256,
        source_image_sha256=event.source_image_sha256,
        deadline_at=event.deadline_at,
        created_by=cause.actor,
        correlation_id=cause.correlation_id,
    )


def _plans_of(event: GenerationRequested) -> list[SegmentPlan]:
    plans = [
        SegmentPlan(
            position=segment.position,
            parameters=segment.parameters.model_dump(mode="json"),
            baseline_clip_sha256=segment.baseline_clip_sha256,
        )
        for segment in sorted(event.segments, key=lambda segment: segment.position)
    ]
    if [plan.position for plan in plans] != list(range(1, len(plans) + 1)):
        raise ValueError(f"request {event.request_id} must order the positions 1 to {len(plans)}, each once")
    return plans
