"""One segment again, back to an earlier version, locks, and cascades: what a person asks for after a scene."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.dispatch.domain.errors import Conflict, NotFound
from services.dispatch.domain.regeneration import (
    CascadePlan,
    CascadeState,
    CascadeStep,
    RegenerationFacts,
    cascade_plan,
    changed_parameters,
    regeneration_facts,
)
from services.dispatch.domain.scenes import Json, Scene, Segment, SegmentState
from services.dispatch.domain.timeline import Activation, Timeline
from services.dispatch.operations.chains import Chains
from services.dispatch.operations.parameters import checked_parameters, workflow_of
from services.dispatch.operations.plans import say_if_changed
from services.dispatch.operations.replacements import Replacements
from services.dispatch.operations.score_gates import ScoreGates
from services.dispatch.operations.timelines import Timelines
from services.dispatch.store import Store
from services.dispatch.store.timelines import Cascade
from shared.cause import Cause
from shared.clock import Clock, utc_now
from shared.contracts.segment import ActivationReason
from shared.postgres import Transaction

POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A segment of a person's scene, inside the transaction that has locked the scene."""

    tx: Transaction
    scene: Scene
    segment: Segment
    timeline: Timeline


class RegenerationOperations:
    def __init__(
        self,
        *,
        store: Store,
        timelines: Timelines,
        gates: ScoreGates,
        new_work: Callable[[], None],
        now: Clock = utc_now,
    ) -> None:
        self._store = store
        self._chains = Chains(store)
        self._gates = gates
        self._timelines = timelines
        self._replacements = Replacements(store=store, timelines=timelines)
        self._new_work = new_work
        self._now = now

    async def facts(self, segment_id: int) -> RegenerationFacts:
        """For the confirmation before. Raises Conflict when the segment cannot be regenerated."""
        segment = await self._segment(segment_id)
        await self._persons(segment.scene_id)
        timeline = await self._timelines.now(segment.scene_id)
        return regeneration_facts(timeline, segment_id, seconds=await self._store.render_seconds(segment.scene_id))

    async def regenerate(
        self, segment_id: int, *, changes: Json, overwrite: frozenset[int], cause: Cause
    ) -> tuple[Segment, RegenerationFacts]:
        """Queue a new version of the segment, from the frame before it. The old one stays current until it is there."""
        async with self._hold(segment_id, cause) as held:
            facts = regeneration_facts(
                held.timeline, segment_id, seconds={segment_id: held.segment.render_seconds or 0.0}
            )
            asked = await self._replacements.ask(
                held.tx,
                held.scene,
                held.timeline,
                held.segment,
                overwrite=overwrite,
                parameters=await self._parameters(held.scene, held.segment, changes),
                cascade_id=None,
                now=self._now(),
            )
            await self._gates.settle(held.tx, held.scene.id)
        self._new_work()
        return asked, facts

    async def cancel(self, segment_id: int, cause: Cause) -> Segment:
        """Stop the render of a new version, and the cascade that it is a step of. What is current stays.

        Raises Conflict when it is not on its way, or is part of its scene's chain: that one is cancelled as a whole.
        """
        now = self._now()
        async with self._hold(segment_id, cause) as held:
            if held.segment.is_current or held.segment.state is not SegmentState.QUEUED:
                raise Conflict(
                    f"segment {segment_id} is {held.segment.state.value}; only a new version that is on its way can be "
                    f"cancelled, or scene {held.scene.id} as a whole"
                )
            jobs = await self._store.cancel_jobs_of_segment(held.tx, segment_id, now)
            await self._chains.abandon(held.tx, held.scene, jobs, now)
            await self._store.cancel_version(held.tx, segment_id)
            if held.segment.cascade_id is not None:
                reason = f"cancelled by {cause.actor}"
                await self._store.end_cascade(
                    held.tx, held.scene.id, state=CascadeState.STOPPED, reason=reason, now=now
                )
            await self._gates.settle(held.tx, held.scene.id)
            cancelled = await self._store.segment_in(held.tx, segment_id)
        self._new_work()
        assert cancelled is not None
        return cancelled

    async def rendered(self, segment_id: int, *, wait_seconds: float) -> Segment:
        """The segment once its render has ended, or as it is when the time is over."""
        deadline = asyncio.get_running_loop().time() + wait_seconds
        while True:
            segment = await self._segment(segment_id)
            if segment.state.is_final or asyncio.get_running_loop().time() >= deadline:
                return segment
            await asyncio.sleep(POLL_SECONDS)

    async def revert(self, segment_id: int, *, overwrite: frozenset[int], cause: Cause) -> tuple[Segment, Activation]:
        """Make an earlier version current: the one named, or the one that the named current version replaced."""
        await self._compare(segment_id, overwrite)
        async with self._hold(segment_id, cause) as held:
            after, target, activation = held.timeline.reverted(segment_id, overwrite=overwrite)
            revision = await self._timelines.save(held.tx, held.scene, held.timeline, after)
            current = await self._store.segment_in(held.tx, target.id)
            assert current is not None
            await self._timelines.say_activated(held.tx, current, activation, ActivationReason.REVERTED, revision)
            replaced = held.timeline.current(target.position)
            assert replaced is not None  # every position has a current version from the start
            parameters = current.requested_parameters
            await say_if_changed(held.tx, self._store, held.scene, was=replaced.id, now=parameters, revision=revision)
            await self._gates.settle(held.tx, held.scene.id)
            reverted = await self._store.segment_in(held.tx, target.id)
        self._new_work()
        assert reverted is not None
        return reverted, activation

    async def lock(self, segment_id: int, cause: Cause) -> Segment:
        """Nothing replaces it until it is unlocked or named."""
        return await self._relock(segment_id, lambda timeline: timeline.locked(segment_id), cause)

    async def unlock(self, segment_id: int, cause: Cause) -> Segment:
        return await self._relock(segment_id, lambda timeline: timeline.unlocked(segment_id), cause)

    async def cascade_preview(self, segment_id: int, *, overwrite: frozenset[int]) -> CascadePlan:
        """The most that a cascade after this segment would render, and the approvals it would void."""
        segment = await self._segment(segment_id)
        await self._persons(segment.scene_id)
        timeline = await self._timelines.now(segment.scene_id)
        seconds = await self._store.render_seconds(segment.scene_id)
        return cascade_plan(timeline, segment.position, overwrite=overwrite, seconds=seconds)

    async def cascade(self, segment_id: int, *, overwrite: frozenset[int], cause: Cause) -> Cascade:
        """Regenerate the stale segments after this one, one after the other.

        Raises Conflict when there is nothing to do, when the first of them may not be overwritten, and while another
        cascade of the scene runs.
        """
        now = self._now()
        async with self._hold(segment_id, cause) as held:
            if await self._store.running_cascade(held.tx, held.scene.id) is not None:
                raise Conflict(f"a cascade of scene {held.scene.id} is running; wait until it has ended")
            cascade = await self._store.add_cascade(
                held.tx,
                scene_id=held.scene.id,
                from_segment_id=segment_id,
                overwrite=overwrite,
                requested_by=cause.actor,
            )
            step = await self._replacements.begin_cascade(
                held.tx, held.scene, held.timeline, cascade, position=held.segment.position, now=now
            )
            _refuse_idle(step)
            await self._gates.settle(held.tx, held.scene.id)
        self._new_work()
        return cascade

    @asynccontextmanager
    async def _hold(self, segment_id: int, cause: Cause) -> AsyncIterator[_Held]:
        async with self._store.transaction(cause) as tx:
            scene = await self._store.lock_scene_of_segment(tx, segment_id)
            segment = await self._store.segment_in(tx, segment_id)
            if scene is None or segment is None:
                raise NotFound(f"there is no segment {segment_id}")
            _refuse_services(scene)
            timeline = await self._timelines.load(tx, scene.id)
            yield _Held(tx=tx, scene=scene, segment=segment, timeline=timeline)

    async def _relock(self, segment_id: int, change: Callable[[Timeline], Timeline], cause: Cause) -> Segment:
        async with self._hold(segment_id, cause) as held:
            await self._timelines.save(held.tx, held.scene, held.timeline, change(held.timeline))
            await self._gates.settle(held.tx, held.scene.id)
            segment = await self._store.segment_in(held.tx, segment_id)
        self._new_work()
        assert segment is not None
        return segment

    async def _compare(self, segment_id: int, overwrite: frozenset[int]) -> None:
        """Look at the frames that a revert would bring together."""
        segment = await self._segment(segment_id)
        timeline = await self._timelines.now(segment.scene_id)
        foreseen, target, _ = timeline.reverted(segment_id, overwrite=overwrite)
        await self._timelines.compare(position=target.position, timeline=foreseen)

    async def _parameters(self, scene: Scene, segment: Segment, changes: Json) -> Json:
        if not changes:
            return segment.requested_parameters
        version = await self._store.asset_version(scene.workflow_version_id)
        assert version is not None  # the scene was rendered with it, and versions stay
        workflow = workflow_of(version)
        changed = changed_parameters(segment.requested_parameters, changes, workflow=workflow)
        return checked_parameters(segment.position, changed, workflow)

    async def _segment(self, segment_id: int) -> Segment:
        segment = await self._store.segment(segment_id)
        if segment is None:
            raise NotFound(f"there is no segment {segment_id}")
        return segment

    async def _persons(self, scene_id: int) -> None:
        scene = await self._store.scene(scene_id)
        if scene is not None:
            _refuse_services(scene)


def _refuse_services(scene: Scene) -> None:
    if not scene.is_persons:
        raise Conflict(
            f"scene {scene.id} was rendered for a {scene.purpose.value}, which stays as it is; "
            "regenerate a segment of the scene it repeats"
        )


def _refuse_idle(step: CascadeStep) -> None:
    if step.segment is None:
        raise Conflict(f"there is nothing to cascade: {step.reason}")
