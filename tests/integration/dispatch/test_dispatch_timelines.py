"""The real operations on a real database do what the pure model of a scene's versions does."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from services.dispatch.adapters.render_server import RenderServer
from services.dispatch.domain.errors import Conflict, LeaseLost
from services.dispatch.domain.jobs import Attempt, Failure
from services.dispatch.domain.repairs import Repair, RepairState
from services.dispatch.domain.scenes import Clip, Render, Scene, Segment, SegmentState
from services.dispatch.domain.timeline import Timeline
from services.dispatch.operations.assignments import Assignment
from services.dispatch.operations.events import generated_event
from services.dispatch.operations.scenes import NewScene
from shared.cause import Cause
from shared.contracts.boundary import BoundarySmoothed
from shared.contracts.scoring import SegmentScored
from shared.contracts.segment import ReviewDecision
from shared.media import MediaStore
from tests.support.boundaries import repaired, smoothed
from tests.support.dispatch import CHARACTER, SCENE_TYPE, WORKFLOW, Dispatch, FakeRenderServer, score
from tests.support.timelines import (
    POSITIONS,
    Act,
    PureScene,
    alike,
    frame,
    random_acts,
    repaired_frame,
    shape,
    which,
)

INTERLEAVINGS = 50
ACTS = 35

WISH = NewScene(
    name="harbour", character_id=CHARACTER, scene_type_id=SCENE_TYPE, workflow_id=WORKFLOW, segment_count=POSITIONS
)


class RealScene:
    """The same scene as `PureScene`, in PostgreSQL. Versions are named by position and number: ids differ."""

    def __init__(self, dispatch: Dispatch, scene: Scene) -> None:
        self.dispatch, self.scene, self.scene_id = dispatch, scene, scene.id
        self.claimed: dict[int, tuple[Assignment, Attempt]] = {}
        self._claiming = asyncio.Lock()
        self.repairs: list[BoundarySmoothed | None] = []
        """None: of a boundary where something is not rendered, which smoothing never says."""

    @classmethod
    async def start(cls, dispatch: Dispatch) -> "RealScene":
        scene = await dispatch.scenes.create(WISH, Cause.begin("grace"))
        real = cls(dispatch, scene)
        for number in (10, 20):
            await real.go_on(number)
        return real

    async def timeline(self) -> Timeline:
        store = self.dispatch.store
        return Timeline.of(await store.versions_now(self.scene_id), alike, await store.joined_now(self.scene_id))

    async def claim_all(self) -> None:
        """What another act is claiming meanwhile is written down, too, when this returns."""
        async with self._claiming:
            while (found := await self.dispatch.assignments.claim(server="fake", ready=["fake"])) is not None:
                attempt = await self.dispatch.renders.open_attempt(found, server="fake")
                self.claimed[found.segment.id] = (found, attempt)

    async def go_on(self, number: int) -> None:
        """The chain's own render comes back."""
        await self.claim_all()
        for version in (await self.timeline()).chain():
            if version.state is SegmentState.QUEUED:
                await self.arrive(version.id, number)
                return

    async def arrive(self, segment_id: int, number: int) -> None:
        assignment, attempt = self.claimed[segment_id]
        await self.dispatch.renders.adopt(assignment, attempt, render(assignment, number))

    async def do(self, act: Act, pure: PureScene) -> bool:
        """`pure` is asked which version the act means, before it does it itself. False when it was refused."""
        try:
            await self._do(act, pure)
        except (Conflict, LeaseLost):
            return False
        return True

    async def _do(self, act: Act, pure: PureScene) -> None:
        timeline = await self.timeline()
        current = timeline.current(act.position)
        assert current is not None
        ids = {(v.position, v.number): v.id for v in timeline.versions.values()}
        overwrite = frozenset({current.id}) if pure.overwrite(act) else frozenset[int]()
        people, cause = self.dispatch.regenerations, Cause.begin("grace")
        match act.verb:
            case "regenerate":
                await people.regenerate(current.id, changes={}, overwrite=overwrite, cause=cause)
            case "arrive" | "fail":
                await self._end(act, timeline)
            case "redeliver":
                await self._redeliver(act, timeline)
            case "revert":
                named = pure.named(act)
                await people.revert(ids[named.position, named.number], overwrite=overwrite, cause=cause)
            case "approve" | "reject":
                decision = ReviewDecision.APPROVED if act.verb == "approve" else ReviewDecision.REJECTED
                await self.dispatch.reviews.review(current.id, decision, "", cause)
            case "lock":
                await people.lock(current.id, cause)
            case "unlock":
                await people.unlock(current.id, cause)
            case "continue":
                await self.go_on(10 * act.position + act.choice)
            case "promote":
                await self._promote(10 + act.choice)
            case _:
                await self._repair(act, await self._sides(act, pure, timeline))

    async def _promote(self, number: int) -> None:
        """A new test shot that ends on this frame becomes the first segment."""
        shot = await self.dispatch.shots.create(replace(WISH, segment_count=1), Cause.begin("grace"))
        await self.claim_all()
        [segment] = await self.dispatch.store.segments_of(shot.render_scene_id)
        await self.arrive(segment.id, number)
        await self.dispatch.shots.promote(shot.id, self.scene_id, Cause.begin("grace"), override=True)

    async def _sides(self, act: Act, pure: PureScene, timeline: Timeline) -> tuple[Segment, Segment]:
        """The versions that `pure` means, as they are here."""
        ids = {(v.position, v.number): v.id for v in timeline.versions.values()}
        found = [await self.dispatch.store.segment(ids[v.position, v.number]) for v in pure.sides(act)]
        assert found[0] is not None and found[1] is not None
        return found[0], found[1]

    async def _propose(self, act: Act, sides: tuple[Segment, Segment]) -> None:
        """Raises Conflict when it was refused."""
        if any(side.clip is None for side in sides):
            self.repairs.append(None)
            raise Conflict("there is nothing that meets")
        previous, following = sides
        made = [
            (await repaired(self.dispatch.media, side)).model_copy(
                update={"last_frame_sha256": repaired_frame(side.position, act.choice)}
            )
            for side, is_repaired in ((previous, act.repairs_previous), (following, act.repairs_next))
            if is_repaired
        ]
        overwrite = (previous.id, following.id) if act.choice % 2 else ()
        event = smoothed(previous, following, *made, overwrite=overwrite)
        await self.dispatch.hear(event)
        self.repairs.append(event)
        await self.dispatch.repairs.propose(await self._known(event))
        if (await self._known(event)).state is not RepairState.SCORING:
            raise Conflict("it was refused")

    async def _repair(self, act: Act, sides: tuple[Segment, Segment]) -> None:
        if act.verb == "propose":
            await self._propose(act, sides)
            return
        event = self.repairs[which(act, len(self.repairs))] if self.repairs else None
        if event is None:
            if act.verb == "undo" and self.repairs:
                raise Conflict("there is nothing to undo")
        elif act.verb == "decide":
            await self._decide(event, is_better=act.is_better)
        else:
            versions = await self.dispatch.store.versions_now(self.scene_id)
            overwrite = frozenset(v.id for v in versions) if act.choice % 2 else frozenset[int]()
            await self.dispatch.undoing.undo(event.repair_id, overwrite=overwrite, cause=Cause.begin("grace"))

    async def _decide(self, event: BoundarySmoothed, *, is_better: bool) -> None:
        known = await self._known(event)
        if known.joined is None:
            return
        for segment_id in {event.previous.segment_id, event.next.segment_id, *known.joined}:
            segment = await self.dispatch.store.segment(segment_id)
            assert segment is not None
            await self.dispatch.hear(self._score(segment, is_bad=segment.is_candidate and not is_better))
        if known.state is RepairState.SCORING:
            await self.dispatch.repairs.decide(known)
            assert not (await self._known(event)).state.is_open

    def _score(self, segment: Segment, *, is_bad: bool) -> SegmentScored:
        told = generated_event(self.scene, segment).model_dump(mode="json")
        return score(told, verdict="fail" if is_bad else "pass")

    async def _known(self, event: BoundarySmoothed) -> Repair:
        known = await self.dispatch.store.repair(event.repair_id)
        assert known is not None
        return known

    async def _end(self, act: Act, timeline: Timeline) -> None:
        await self.claim_all()
        awaited = timeline.awaited(act.position)
        if awaited is None or awaited.id not in self.claimed:
            return
        if act.verb == "arrive":
            await self.arrive(awaited.id, 10 * act.position + act.choice)
            return
        assignment, attempt = self.claimed[awaited.id]
        failure = Failure(kind="node_error", message="no", permanent=True)
        await self.dispatch.renders.failed(assignment, attempt, failure)

    async def _redeliver(self, act: Act, timeline: Timeline) -> None:
        for event in filter(None, self.repairs):
            await self.dispatch.hear(event)
            if not (await self._known(event)).state.is_open:
                await self._decide(event, is_better=True)
        rendered = [v for v in timeline.versions.values() if v.position == act.position and v.id in self.claimed]
        rendered = [v for v in rendered if v.last is not None]
        if rendered:
            with pytest.raises(LeaseLost):
                await self.arrive(rendered[act.choice % len(rendered)].id, 99)


def render(assignment: Assignment, number: int) -> Render:
    clip = Clip(
        sha256=frame(1000 * assignment.segment.id + number),
        size_bytes=1,
        frame_digest=frame(number),
        last_frame_sha256=frame(number),
        width=64,
        height=64,
        frames=3,
        fps=12.0,
        duration_seconds=0.25,
    )
    return Render(
        clip=clip,
        parameters=assignment.segment.requested_parameters,
        environment={"engine": "Fake 1"},
        seed_image_sha256=assignment.seed_image_sha256,
        attempt=1,
        render_seconds=1.0,
    )


async def look(given: str, taken: str) -> float:
    return 0.99 if alike(given, taken) else 0.1


@pytest.fixture
async def dispatch(databases: Any, media: MediaStore) -> Dispatch:
    servers: list[RenderServer] = [FakeRenderServer()]
    dispatch = Dispatch(await databases("dispatch"), media, servers, look=look)
    await dispatch.ready()
    return dispatch


async def test_fifty_interleavings_of_the_model_come_out_the_same_on_postgresql(dispatch: Dispatch) -> None:
    for seed in range(INTERLEAVINGS):
        pure, real = PureScene(), await RealScene.start(dispatch)
        for act in random_acts(seed, ACTS):
            refused = not await real.do(act, pure)
            assert refused == (not pure.do(act)), (seed, act)
        pure.check()
        told, model = shape(await real.timeline()), shape(pure.timeline)
        first = pure.timeline.current(1)
        assert first is not None
        seed_image = (await dispatch.store.segments_of(real.scene_id))[0].seed_image_sha256
        assert {key: _without_image(value, seed_image) for key, value in told.items()} == {
            key: _without_image(value, frame(0)) for key, value in model.items()
        }, seed

    repairs = await dispatch.database.fetch("SELECT state, count(*) FROM repairs GROUP BY state")
    assert all(dict(repairs)[state] > 2 for state in ("accepted", "rejected", "undone")), repairs
    assert await dispatch.database.fetchval("SELECT count(*) FROM test_shots WHERE is_promoted") > 5


def _without_image(values: tuple[object, ...], image: str | None) -> tuple[object, ...]:
    """The first segments start from a real picture here, and from a number in the model."""
    return tuple("the source image" if value == image else value for value in values)


async def test_people_and_renders_at_the_same_time_leave_no_segment_fresh_that_is_not(dispatch: Dispatch) -> None:
    """Whichever comes first: what is written down afterwards is what the frames say."""
    for seed in range(10):
        pure, real = PureScene(), await RealScene.start(dispatch)
        for number in (30, 40):
            await real.go_on(number)
        for position in range(1, POSITIONS + 1):
            await real.do(Act("regenerate", position, 0), pure)
        await real.claim_all()
        acts = [act for act in random_acts(seed, 30) if act.verb not in ("continue", "redeliver", "fail")]
        await asyncio.gather(*(real.do(act, pure) for act in acts), return_exceptions=False)
        timeline = await real.timeline()
        for version in timeline.settled().chain():
            assert set(version.causes) <= set(timeline.version(version.id).causes), (seed, version.position)
        assert [v.position for v in timeline.chain()] == list(range(1, POSITIONS + 1))
