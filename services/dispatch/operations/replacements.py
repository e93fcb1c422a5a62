"""Versions that are to replace others: asked for, come back, and followed by the next of their cascade."""

from datetime import datetime

from services.dispatch.domain.regeneration import CascadeState, CascadeStep, first_step, next_step
from services.dispatch.domain.scenes import Json, Render, Scene, Segment, SegmentState
from services.dispatch.domain.timeline import Activation, Timeline
from services.dispatch.operations.chains import Chains
from services.dispatch.operations.plans import say_if_changed
from services.dispatch.operations.timelines import Timelines
from services.dispatch.store import Store
from services.dispatch.store.timelines import Cascade
from shared.contracts.segment import ActivationReason
from shared.postgres import Transaction


class Replacements:
    """Every method expects the scene to be locked by the caller."""

    def __init__(self, *, store: Store, timelines: Timelines) -> None:
        self._store = store
        self._chains = Chains(store)
        self._timelines = timelines

    async def ask(
        self,
        tx: Transaction,
        scene: Scene,
        timeline: Timeline,
        segment: Segment,
        *,
        overwrite: frozenset[int],
        parameters: Json,
        cascade_id: int | None,
        now: datetime,
        is_retry: bool = False,
    ) -> Segment:
        """Queue a new version of the segment. Raises Conflict when it cannot be replaced as it is."""
        replacement = timeline.replacement(segment.id, overwrite=overwrite)
        before = timeline.current(replacement.position - 1)
        previous = None if before is None else await self._store.segment_in(tx, before.id)
        previous_clip_sha256 = None if previous is None or previous.clip is None else previous.clip.sha256
        segment_id = await self._store.add_replacement(
            tx,
            scene_id=scene.id,
            replacement=replacement,
            parameters=parameters,
            previous_clip_sha256=previous_clip_sha256,
            cascade_id=cascade_id,
            is_retry=is_retry,
        )
        asked = await self._store.segment_in(tx, segment_id)
        assert asked is not None
        await self._chains.queue(
            tx,
            scene,
            asked,
            seed_image_sha256=replacement.seed,
            previous_clip_sha256=previous_clip_sha256,
            now=now,
        )
        return asked

    async def begin_cascade(
        self, tx: Transaction, scene: Scene, timeline: Timeline, cascade: Cascade, *, position: int, now: datetime
    ) -> CascadeStep:
        step = first_step(timeline, position, overwrite=cascade.overwrite)
        await self._take(tx, scene, timeline, cascade, step, now)
        return step

    async def arrived(
        self, tx: Transaction, scene: Scene, timeline: Timeline, segment: Segment, render: Render, now: datetime
    ) -> None:
        """Make the saved render current, or keep it beside what is; `timeline`: from before it was saved."""
        after, activation = timeline.arrived(segment.id, last=render.clip.last_frame_sha256)
        if activation is None:
            return
        revision = await self._timelines.save(tx, scene, timeline, after)
        if activation.is_activated:
            reason = ActivationReason.GENERATED if segment.regeneration_count == 0 else ActivationReason.REGENERATED
            saved = await self._store.segment_in(tx, segment.id)
            assert saved is not None
            await self._timelines.say_activated(tx, saved, activation, reason, revision)
            before = timeline.current(segment.position)
            if before is not None and before.id != segment.id:
                parameters = saved.requested_parameters
                await say_if_changed(tx, self._store, scene, was=before.id, now=parameters, revision=revision)
        else:
            await self._timelines.record(tx, segment.id, activation)
        if segment.cascade_id is not None:
            await self._go_on(tx, scene, after, segment, activation, now)

    async def failed(self, tx: Transaction, segment: Segment, reason: str, now: datetime) -> None:
        """The version that it was to replace stays current."""
        if segment.cascade_id is not None:
            await self._store.end_cascade(tx, segment.scene_id, state=CascadeState.FAILED, reason=reason, now=now)

    async def _go_on(
        self,
        tx: Transaction,
        scene: Scene,
        timeline: Timeline,
        segment: Segment,
        activation: Activation,
        now: datetime,
    ) -> None:
        cascade = await self._store.running_cascade(tx, scene.id)
        if cascade is None or cascade.id != segment.cascade_id:
            return
        if activation.is_activated:
            step = next_step(timeline, segment.position, overwrite=cascade.overwrite)
        else:
            step = CascadeStep(state=CascadeState.STOPPED, reason=activation.reason)
        await self._take(tx, scene, timeline, cascade, step, now)

    async def _take(
        self, tx: Transaction, scene: Scene, timeline: Timeline, cascade: Cascade, step: CascadeStep, now: datetime
    ) -> None:
        if step.segment is None:
            await self._store.end_cascade(tx, scene.id, state=step.state, reason=step.reason, now=now)
            return
        segment = await self._store.segment_in(tx, step.segment.id)
        assert segment is not None and segment.state is SegmentState.GENERATED  # the step was chosen under the lock
        await self.ask(
            tx,
            scene,
            timeline,
            segment,
            overwrite=cascade.overwrite,
            parameters=segment.requested_parameters,
            cascade_id=cascade.id,
            now=now,
        )
