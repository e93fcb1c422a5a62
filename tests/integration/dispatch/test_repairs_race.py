"""Decisions on repairs, people and renders at the same time, on a real database."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

import pytest

from services.dispatch.domain.errors import Conflict
from services.dispatch.domain.repairs import RepairState
from services.dispatch.domain.scenes import Segment
from services.dispatch.operations.scenes import NewScene
from shared.cause import Cause
from shared.contracts.boundary import BoundarySmoothed
from shared.contracts.segment import ReviewDecision
from shared.media import MediaStore
from tests.support.boundaries import repaired, smoothed
from tests.support.dispatch import CHARACTER, SCENE_TYPE, WORKFLOW, Dispatch, FakeRenderServer, said, score

WISH = NewScene(name="dawn", character_id=CHARACTER, scene_type_id=SCENE_TYPE, workflow_id=WORKFLOW, segment_count=4)
RACES = 12


@pytest.fixture
async def dispatch(databases: Any, media: MediaStore) -> Dispatch:
    dispatch = Dispatch(await databases("dispatch"), media, [FakeRenderServer()])
    await dispatch.ready()
    return dispatch


async def scored_scene(dispatch: Dispatch, cause: Cause) -> list[Segment]:
    scene = await dispatch.scenes.create(WISH, cause)
    await dispatch.work()
    await score_all(dispatch, scene.id)
    return await dispatch.store.segments_of(scene.id)


async def score_all(dispatch: Dispatch, scene_id: int) -> None:
    for event in await said(dispatch.database, "segment.generated"):
        if event["scene_id"] == scene_id:
            await dispatch.hear(score(event))


async def decide(dispatch: Dispatch, event: BoundarySmoothed) -> None:
    known = await dispatch.store.repair(event.repair_id)
    if known is not None and known.state is RepairState.SCORING:
        await dispatch.repairs.decide(known)


async def tried(act: Callable[[], Awaitable[Any]]) -> None:
    with suppress(Conflict):
        await act()


async def test_all_of_a_repair_becomes_current_or_none_and_it_is_answered_once(
    dispatch: Dispatch, media: MediaStore, cause: Cause
) -> None:
    ends = set()
    for seed in range(RACES):
        chain = await scored_scene(dispatch, cause)
        _, two, three, four = chain
        event = smoothed(two, three, await repaired(media, two), await repaired(media, three))
        neighbour = smoothed(three, four, await repaired(media, three), await repaired(media, four))
        for proposal in (event, neighbour):
            await dispatch.hear(proposal)
            await dispatch.repairing.step()
        await score_all(dispatch, two.scene_id)
        people = dispatch.regenerations
        acts: list[Callable[[], Awaitable[Any]]] = [
            partial(people.regenerate, three.id, changes={}, overwrite=frozenset(), cause=cause),
            partial(people.lock, two.id, cause),
            partial(dispatch.reviews.review, three.id, ReviewDecision.APPROVED, "", cause),
            partial(dispatch.undoing.undo, event.repair_id, overwrite=frozenset(), cause=cause),
        ]
        racing = [decide(dispatch, event), decide(dispatch, event), decide(dispatch, neighbour)]
        racing += [tried(act) for act in Random(seed).sample(acts, 2)]
        Random(seed).shuffle(racing)
        await asyncio.gather(*racing)
        ends |= {await answer(dispatch, proposal) for proposal in (event, neighbour)}
        await consistent(dispatch, two.scene_id)
    assert ends == {"repaired", "rejected"}


async def answer(dispatch: Dispatch, event: BoundarySmoothed) -> str:
    """Both of its clips were made current together, once; or it was refused, once, and neither ever was."""
    mine = str(event.repair_id)
    activated = [e for e in await said(dispatch.database, "segment.activated") if e["repair_id"] == mine]
    rejected = [e for e in await said(dispatch.database, "boundary.repair_rejected") if e["repair_id"] == mine]
    repairs = [e for e in activated if e["reason"] == "repaired"]
    assert (len(repairs), len(rejected)) in ((2, 0), (0, 1))
    assert len({e["sequence"] for e in repairs}) <= 1
    if rejected:
        assert not activated
        return "rejected"
    for side in (event.previous, event.next):
        replaced = await dispatch.store.segment(side.segment_id)
        assert replaced is not None and not (replaced.is_locked or replaced.review == "approved")
    return "repaired"


async def consistent(dispatch: Dispatch, scene_id: int) -> None:
    timeline = await dispatch.timelines.now(scene_id)
    assert [v.position for v in timeline.chain()] == [1, 2, 3, 4]
    for version in timeline.settled().chain():
        assert set(version.causes) <= set(timeline.version(version.id).causes)
