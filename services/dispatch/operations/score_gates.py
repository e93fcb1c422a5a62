"""Chains that wait for the score of each segment before they go on."""

from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from services.dispatch.domain.scenes import Hold, HoldState, Scene, Segment, first_unfinished
from services.dispatch.domain.score_gate import Course, Decision, asked_for, decide, overdue, retries_made, retry_seed
from services.dispatch.metrics import SCORE_GATES
from services.dispatch.operations.chains import Chains
from services.dispatch.operations.parameters import workflow_of
from services.dispatch.operations.replacements import Replacements
from services.dispatch.operations.timelines import Timelines
from services.dispatch.store import Store
from shared.cause import Cause
from shared.clock import Clock, utc_now
from shared.contracts.scene import ScenePaused
from shared.contracts.types import ProjectId, SceneId, SegmentId
from shared.postgres import Transaction

ACTOR = "service:dispatch"


class ScoreGates:
    """Every method that takes a transaction expects the scene to be locked by the caller.

    `patience_seconds`: how long a score is waited for.
    """

    def __init__(self, *, store: Store, timelines: Timelines, patience_seconds: float, now: Clock = utc_now) -> None:
        self._store = store
        self._timelines = timelines
        self._chains = Chains(store)
        self._replacements = Replacements(store=store, timelines=timelines)
        self._patience_seconds = patience_seconds
        self._now = now

    async def arrived(self, tx: Transaction, scene: Scene, segment: Segment) -> None:
        """The segment at the end of the chain has its clip: the chain goes on, or is held until its score is here."""
        if scene.score_gate is None:
            await self._chains.go_on(tx, scene, segment, self._now())
            return
        await self._store.hold_chain(tx, scene.id, self._waiting(segment))
        await self.settle(tx, scene.id)

    async def take_up(self, tx: Transaction, scene: Scene) -> None:
        """A scene that failed or was cancelled goes on at its first missing segment; every finished one is kept."""
        await self._store.plan_missing(tx, scene.id)
        await self._store.reopen_scene(tx, scene.id)
        chain = await self._store.chain(tx, scene.id)
        finished = [segment for segment in chain if segment.position < _first_missing(chain)]
        if finished:
            await self.arrived(tx, scene, finished[-1])
            return
        await self._chains.queue(
            tx,
            scene,
            chain[0],
            seed_image_sha256=scene.seed_image_sha256,
            previous_clip_sha256=None,
            now=self._now(),
        )

    async def settle(self, tx: Transaction, scene_id: int) -> None:
        """Something happened in the scene: work out anew what its chain does, if it is held. Safe to repeat."""
        scene = await self._store.lock_scene(tx, scene_id)
        if scene is None or scene.hold is None:
            return
        versions = await self._store.versions_at(tx, scene_id, scene.hold.position)
        await self._follow(tx, scene, scene.hold, versions, await self._decide(scene, versions))

    async def resume(self, tx: Transaction, scene: Scene) -> None:
        """A person goes on with the segment as it is. Nothing happens unless the gate has paused the scene."""
        if scene.hold is None or scene.hold.state is not HoldState.PAUSED:
            return
        versions = await self._store.versions_at(tx, scene.id, scene.hold.position)
        await self._open(tx, scene, _current(versions))

    async def pause_overdue(self) -> int:
        """Scenes whose score did not come in time are paused, with that reason. Returns how many were looked at."""
        scenes = await self._store.overdue_holds(self._now())
        for scene_id in scenes:
            async with self._store.transaction(Cause.begin(ACTOR)) as tx:
                await self._pause_overdue(tx, scene_id)
        return len(scenes)

    async def _pause_overdue(self, tx: Transaction, scene_id: int) -> None:
        scene = await self._store.lock_scene(tx, scene_id)
        if scene is None or scene.hold is None or scene.hold.until is None or scene.hold.until > self._now():
            return
        versions = await self._store.versions_at(tx, scene_id, scene.hold.position)
        decision = await self._decide(scene, versions)
        if decision.course is Course.AWAIT_SCORE:
            reason = overdue(_current(versions), self._patience_seconds)
            decision = Decision(course=Course.PAUSE, reason=reason)
        await self._follow(tx, scene, scene.hold, versions, decision)

    async def _decide(self, scene: Scene, versions: list[Segment]) -> Decision:
        assert scene.score_gate is not None  # only a scene with a gate is held: the table checks it
        workflow = await self._store.asset_version(scene.workflow_version_id)
        assert workflow is not None  # it was rendered with it, and versions stay
        return decide(scene.score_gate, versions, binds_seed="seed" in workflow_of(workflow).inputs)

    async def _follow(
        self, tx: Transaction, scene: Scene, hold: Hold, versions: list[Segment], decision: Decision
    ) -> None:
        current = _current(versions)
        here = replace(hold, segment_id=current.id, until=None)
        match decision.course:
            case Course.GO_ON:
                SCORE_GATES.labels("passed").inc()
                await self._open(tx, scene, current)
            case Course.AWAIT_SCORE:
                if hold.segment_id != current.id or hold.state is HoldState.RETRYING:
                    await self._store.hold_chain(tx, scene.id, self._waiting(current))
            case Course.AWAIT_RENDER:
                await self._store.hold_chain(tx, scene.id, replace(here, state=HoldState.RETRYING))
            case Course.RETRY:
                SCORE_GATES.labels("retried").inc()
                await self._retry(tx, scene, versions)
                retrying = replace(here, state=HoldState.RETRYING, reason=decision.reason)
                await self._store.hold_chain(tx, scene.id, retrying)
            case Course.PAUSE:
                if hold.state is not HoldState.PAUSED:
                    SCORE_GATES.labels("paused").inc()
                    await tx.emit(self._paused_event(scene, current, decision.reason))
                paused = replace(here, state=HoldState.PAUSED, reason=decision.reason)
                await self._store.hold_chain(tx, scene.id, paused)
            case _:
                assert_never(decision.course)

    async def _retry(self, tx: Transaction, scene: Scene, versions: list[Segment]) -> None:
        """Another version with another seed and nothing else changed; the old one keeps its score."""
        current, first = _current(versions), asked_for(versions)
        seed = retry_seed(first.requested_parameters["seed"], retry=retries_made(versions) + 1)
        await self._replacements.ask(
            tx,
            scene,
            await self._timelines.load(tx, scene.id),
            current,
            overwrite=frozenset(),
            parameters={**current.requested_parameters, "seed": seed},
            cascade_id=None,
            now=self._now(),
            is_retry=True,
        )

    async def _open(self, tx: Transaction, scene: Scene, segment: Segment) -> None:
        await self._store.hold_chain(tx, scene.id, None)
        await self._chains.go_on(tx, scene, segment, self._now())

    def _paused_event(self, scene: Scene, segment: Segment, reason: str) -> ScenePaused:
        return ScenePaused(
            scene_id=SceneId(scene.id),
            project_id=ProjectId(scene.project_id),
            name=scene.name,
            segment_id=SegmentId(segment.id),
            position=segment.position,
            reason=reason,
            paused_at=self._now(),
        )

    def _waiting(self, segment: Segment) -> Hold:
        return Hold(
            state=HoldState.WAITING,
            segment_id=segment.id,
            position=segment.position,
            reason="",
            until=self._now() + timedelta(seconds=self._patience_seconds),
        )


def _current(versions: list[Segment]) -> Segment:
    return next(version for version in versions if version.is_current)


def _first_missing(chain: list[Segment]) -> int:
    """A position; the one after the last when nothing is missing."""
    missing = first_unfinished(chain)
    return len(chain) + 1 if missing is None else missing.position
