"""How far scenes, regenerations, cascades and batches are. Reads only: what is shown is true for a moment."""

from collections.abc import Sequence
from dataclasses import replace

from services.dispatch.domain.errors import NotFound
from services.dispatch.domain.estimates import expected_seconds
from services.dispatch.domain.jobs import Failure
from services.dispatch.domain.progress import Progress, ProgressState, after, end_of, ended, last_of
from services.dispatch.domain.regeneration import CascadeState, cascade_plan
from services.dispatch.domain.scenes import HoldState, Scene, SceneState, Segment, SegmentState
from services.dispatch.operations.queue import QueueEntry, QueueOperations, QueueView
from services.dispatch.operations.timelines import Timelines
from services.dispatch.store import Store
from shared.clock import Clock, utc_now

LOOK_AHEAD = 1000
"""Entries of the queue whose start is estimated. What waits behind them gets no estimate."""


class ProgressOperations:
    def __init__(self, *, store: Store, queue: QueueOperations, timelines: Timelines, now: Clock = utc_now) -> None:
        self._store = store
        self._queue = queue
        self._timelines = timelines
        self._now = now

    async def of_scene(self, scene_id: int) -> Progress:
        """Its chain; regenerations of finished segments are apart."""
        scene = await self._store.scene(scene_id)
        if scene is None:
            raise NotFound(f"there is no scene {scene_id}")
        chain = await self._store.segments_of(scene_id)
        done = sum(1 for segment in chain if segment.state is SegmentState.GENERATED)
        if scene.state is not SceneState.RENDERING:
            return ended(scene.state.value, scene.state_reason, done=done, total=scene.segment_count)
        if scene.hold is not None and scene.hold.state is not HoldState.RETRYING:
            waits = scene.hold.state is HoldState.WAITING
            state = ProgressState.SCORING if waits else ProgressState.NEEDS_PERSON
            return Progress(state=state, reason=scene.hold.reason, done=done, total=scene.segment_count)
        here = scene.hold.position if scene.hold is not None else done + 1
        view = await self._queue.view(limit=LOOK_AHEAD)
        mine = [one for one in view.entries if one.row.scene_id == scene_id and one.row.position == here]
        later = [segment for segment in chain if segment.position > here]
        return self._shown(view, mine, done=done, total=scene.segment_count, later=await self._needed(scene, later))

    async def of_segment(self, segment_id: int) -> Progress:
        """One version of a segment: a regeneration, most often."""
        segment = await self._store.segment(segment_id)
        if segment is None:
            raise NotFound(f"there is no segment {segment_id}")
        if segment.state.is_final:
            return ended(segment.state.value, _outcome_of(segment), done=int(segment.clip is not None), total=1)
        view = await self._queue.view(limit=LOOK_AHEAD)
        mine = [one for one in view.entries if one.row.segment_id == segment_id]
        return self._shown(view, mine, done=0, total=1)

    async def of_cascade(self, cascade_id: int) -> Progress:
        cascade = await self._store.cascade(cascade_id)
        if cascade is None:
            raise NotFound(f"there is no cascade {cascade_id}")
        rendered = await self._store.segments_of_cascade(cascade_id)
        done = sum(1 for segment in rendered if segment.state is SegmentState.GENERATED)
        if cascade.state is not CascadeState.RUNNING:
            return ended(cascade.state.value, cascade.reason, done=done, total=len(rendered))
        awaited = next((segment for segment in rendered if not segment.state.is_final), None)
        if awaited is None:
            return Progress(state=ProgressState.WAITING, done=done, total=len(rendered))
        seconds = await self._store.render_seconds(cascade.scene_id)
        timeline = await self._timelines.now(cascade.scene_id)
        plan = cascade_plan(timeline, awaited.position, overwrite=cascade.overwrite, seconds=seconds)
        view = await self._queue.view(limit=LOOK_AHEAD)
        mine = [one for one in view.entries if one.row.segment_id == awaited.id]
        later = [seconds.get(version.id) for version in plan.segments]
        return self._shown(view, mine, done=done, total=done + 1 + len(later), later=later)

    async def of_batch(self, batch_id: int) -> Progress:
        """Shots that failed or were cancelled are done too."""
        batch = await self._store.batch(batch_id)
        if batch is None:
            raise NotFound(f"there is no batch {batch_id}")
        done = batch.completed + batch.failed + batch.cancelled
        total = done + batch.rendering
        if not batch.rendering:
            told = f"{batch.completed} completed, {batch.failed} failed, {batch.cancelled} cancelled"
            outcome = SceneState.COMPLETED if batch.completed == total else SceneState.FAILED
            return ended(outcome.value, told, done=done, total=total)
        scenes = set(await self._store.open_scenes_of_batch(batch_id))
        view = await self._queue.view(limit=LOOK_AHEAD)
        mine = [one for one in view.entries if one.row.scene_id in scenes]
        shown = self._shown(view, mine, done=done, total=total)
        return shown if len(mine) == batch.rendering else replace(shown, finish_at=None)

    def _shown(
        self,
        view: QueueView,
        entries: Sequence[QueueEntry],
        *,
        done: int,
        total: int,
        later: Sequence[float | None] = (),
    ) -> Progress:
        now = self._now()
        first = entries[0] if entries else None
        runs = first is not None and first.state == "running"
        ends = last_of(end_of(one.starts_at, one.estimated_seconds, now) for one in entries)
        state, reason = _state(first, view)
        return Progress(
            state=state,
            reason=reason,
            done=done,
            total=total,
            running_since=first.starts_at if first is not None and runs else None,
            estimated_seconds=first.estimated_seconds if first is not None and runs else None,
            finish_at=after(ends, later),
        )

    async def _needed(self, scene: Scene, segments: Sequence[Segment]) -> list[float | None]:
        samples = await self._store.render_samples(workflow_version_id=scene.workflow_version_id, tier=scene.tier)
        return [expected_seconds(samples, segment.requested_parameters, scene.tier) for segment in segments]


def _state(entry: QueueEntry | None, view: QueueView) -> tuple[ProgressState, str]:
    """With the reason, where it is held."""
    if entry is None or entry.state == "sent":
        return ProgressState.WAITING, ""
    if entry.state == "running":
        return ProgressState.RENDERING, ""
    if entry.state == "paused":
        return ProgressState.HELD, f"scene {entry.row.scene_id} is paused"
    if view.problem is not None:
        return ProgressState.HELD, view.problem
    if entry.lacks:
        lacks = "; ".join(f"{server} lacks {', '.join(what)}" for server, what in sorted(entry.lacks.items()))
        return ProgressState.HELD, f"no render server that is ready can render it: {lacks}"
    if view.control.is_paused:
        return ProgressState.HELD, f"the queue is paused by {view.control.paused_by}"
    return ProgressState.WAITING, ""


def _outcome_of(segment: Segment) -> str:
    if segment.failure is not None:
        return Failure(**segment.failure).text
    return "" if segment.activation is None else str(segment.activation["reason"])
