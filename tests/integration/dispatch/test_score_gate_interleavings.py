"""Whatever happens in whatever order, a scene that waits for scores always waits for something, and can be finished."""

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.dispatch.domain.errors import Conflict
from services.dispatch.domain.scenes import HoldState, PassingVerdict, Scene, SceneState, ScoreGate, Segment
from services.dispatch.domain.score_gate import passes
from services.dispatch.operations.scenes import NewScene
from shared.cause import Cause
from shared.clock import utc_now
from shared.contracts.segment import ReviewDecision
from shared.media import MediaStore
from tests.support.dispatch import (
    CHARACTER,
    NODE_ERROR,
    SCENE_TYPE,
    WORKFLOW,
    Dispatch,
    FakeRenderServer,
    said,
    score,
)

SEGMENTS, STEPS, RUNS = 3, 30, 12
GATE = ScoreGate(wait_for=PassingVerdict.WARN, retries=2)


class Play:
    """People, scoring, the clock and crashes, each acting on where the chain stands."""

    def __init__(self, dispatch: Dispatch, server: FakeRenderServer, scene: Scene, cause: Cause, dice: random.Random):
        self.dispatch, self.server, self.id, self.cause, self.dice = dispatch, server, scene.id, cause, dice
        self.now = utc_now()
        self.sequence = 0

    def clock(self) -> datetime:
        return self.now

    async def scene(self) -> Scene:
        found = await self.dispatch.store.scene(self.id)
        assert found is not None
        return found

    async def versions(self) -> list[Segment]:
        """Of the position that is held, or of the first."""
        hold = (await self.scene()).hold
        position = 1 if hold is None else hold.position
        chain = await self.dispatch.store.segments_of(self.id)
        return await self.dispatch.store.versions_of(chain[position - 1].id)

    async def current(self) -> Segment:
        return next(version for version in await self.versions() if version.is_current)

    async def render(self) -> None:
        await self.dispatch.workers[self.server.name].step()

    async def render_that_fails(self) -> None:
        self.server.failures = [NODE_ERROR]
        await self.render()
        self.server.failures = []

    async def score_one(self) -> None:
        segment = self.dice.choice(await self.versions())
        await self.scored(segment.id, self.dice.choice(["pass", "warn", "fail", "fail"]))

    async def scored(self, segment_id: int, verdict: str) -> None:
        for event in await said(self.dispatch.database, "segment.generated"):
            if event["segment_id"] == segment_id:
                self.sequence += 1
                await self.dispatch.hear(score(event, verdict=verdict, sequence=self.sequence))

    async def review(self) -> None:
        decision = self.dice.choice([ReviewDecision.APPROVED, ReviewDecision.REJECTED])
        await self.dispatch.reviews.review((await self.current()).id, decision, "", self.cause)

    async def regenerate(self) -> None:
        current = (await self.current()).id
        await self.dispatch.regenerations.regenerate(current, changes={}, overwrite=frozenset(), cause=self.cause)

    async def revert(self) -> None:
        version = self.dice.choice(await self.versions()).id
        await self.dispatch.regenerations.revert(version, overwrite=frozenset(), cause=self.cause)

    async def lock(self) -> None:
        current = (await self.current()).id
        await self.dice.choice([self.dispatch.regenerations.lock, self.dispatch.regenerations.unlock])(
            current, self.cause
        )

    async def time_passes(self) -> None:
        self.now += timedelta(seconds=600)
        await self.dispatch.upkeep.scores()

    async def resume(self) -> None:
        await self.dispatch.queue.resume_scene(self.id, self.cause)

    async def cancel(self) -> None:
        await self.dispatch.scenes.cancel(self.id, self.cause)

    async def restart(self) -> None:
        self.dispatch = Dispatch(self.dispatch.database, self.dispatch.media, [self.server], now=self.clock)
        await self.dispatch.fleet.check()

    async def act(self) -> str:
        """One of them happens; what is refused changes nothing."""
        ways: list[Callable[[], Awaitable[None]]] = [
            self.render, self.render, self.render, self.score_one, self.score_one, self.score_one, self.review,
            self.regenerate, self.revert, self.lock, self.time_passes, self.resume, self.cancel, self.restart,
            self.render_that_fails,
        ]  # fmt: skip
        way = self.dice.choice(ways)
        with suppress(Conflict):
            await way()
        return way.__name__

    async def check(self, after: str) -> None:
        scene = await self.scene()
        chain = await self.dispatch.store.segments_of(self.id)
        open_jobs = await self.dispatch.database.fetch(
            "SELECT segment_id FROM generation_jobs WHERE scene_id = $1 AND state IN ('queued', 'leased')", self.id
        )
        rendering = {row["segment_id"] for row in open_jobs}
        chain_jobs = {segment.id for segment in chain} & rendering
        if scene.state is not SceneState.RENDERING:
            assert scene.hold is None, after
            return
        assert bool(chain_jobs) != (scene.hold is not None), f"after {after} it waits for nothing, or goes on held"
        if scene.hold is not None:
            self.check_hold(scene, await self.versions(), rendering, after)

    def check_hold(self, scene: Scene, versions: list[Segment], rendering: set[int], after: str) -> None:
        assert scene.hold is not None
        current = next(version for version in versions if version.is_current)
        match scene.hold.state:
            case HoldState.WAITING:
                assert current.gates is None and scene.hold.until is not None, after
            case HoldState.RETRYING:
                assert {version.id for version in versions} & rendering, after
            case HoldState.PAUSED:
                assert scene.hold.reason and not (passes(GATE, current) and current.review.value == "none"), after

    async def finish(self) -> None:
        """A patient person and a scoring service that answers bring every scene to its end."""
        for _ in range(60):
            scene = await self.scene()
            if scene.state is SceneState.COMPLETED:
                return
            if scene.state is not SceneState.RENDERING or (scene.hold and scene.hold.state is HoldState.PAUSED):
                await self.dispatch.queue.resume_scene(self.id, self.cause)
            elif scene.hold is not None and scene.hold.state is HoldState.WAITING:
                await self.scored((await self.current()).id, "pass")
            else:
                await self.render()
        raise AssertionError(f"the scene never ends: {await self.scene()}")


@pytest.mark.parametrize("run", range(RUNS))
async def test_a_held_chain_never_waits_for_nothing_and_always_ends(
    databases: Any, media: MediaStore, cause: Cause, run: int
) -> None:
    server = FakeRenderServer()
    dispatch = Dispatch(await databases("dispatch"), media, [server])
    await dispatch.ready()
    wish = NewScene(
        name="dawn", character_id=CHARACTER, scene_type_id=SCENE_TYPE, workflow_id=WORKFLOW, segment_count=SEGMENTS,
        score_gate=GATE,
    )  # fmt: skip
    play = Play(dispatch, server, await dispatch.scenes.create(wish, cause), cause, random.Random(run))
    await play.restart()
    for _ in range(STEPS):
        await play.check(await play.act())
    await play.finish()
    await play.check("the end")
