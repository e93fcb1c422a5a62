"""Whoever watches renders hears how each of them ended: nothing that is over is "going on now"."""

import asyncio
from typing import Any

import pytest

from services.dispatch.adapters.render_server import TransientRenderError
from services.dispatch.operations.scenes import NewScene
from shared.cause import Cause
from shared.media import MediaStore
from tests.support.dispatch import CHARACTER, NODE_ERROR, SCENE_TYPE, WORKFLOW, Dispatch, FakeRenderServer, said

WISH = NewScene(name="dawn", character_id=CHARACTER, scene_type_id=SCENE_TYPE, workflow_id=WORKFLOW, segment_count=2)


@pytest.fixture
async def server() -> FakeRenderServer:
    return FakeRenderServer()


@pytest.fixture
async def dispatch(databases: Any, media: MediaStore, server: FakeRenderServer) -> Dispatch:
    dispatch = Dispatch(await databases("dispatch"), media, [server])
    await dispatch.ready()
    return dispatch


async def told(dispatch: Dispatch) -> dict[int, list[str]]:
    """What was said of each position, without how far it is."""
    news: dict[int, list[str]] = {}
    for event in await said(dispatch.database, "generation.progressed"):
        if event["state"] != "running":
            news.setdefault(event["position"], []).append(event["state"])
    return news


async def rendering(dispatch: Dispatch, server: FakeRenderServer) -> asyncio.Task[bool]:
    """The first segment is on the server, and stays there."""
    server.render_seconds = 60
    step = asyncio.create_task(dispatch.workers[server.name].step())
    async with asyncio.timeout(20):
        while not dispatch.fleet._watches:
            await asyncio.sleep(0.01)
    return step


async def test_a_render_that_went_well_is_done(dispatch: Dispatch, cause: Cause) -> None:
    await dispatch.scenes.create(WISH, cause)
    await dispatch.work()
    news = await told(dispatch)
    assert {position: states[-1] for position, states in news.items()} == {1: "done", 2: "done"}
    assert [e["fraction"] for e in await said(dispatch.database, "generation.progressed") if e["state"] == "done"] == [
        1.0,
        1.0,
    ]


async def test_one_that_will_not_happen_has_failed(dispatch: Dispatch, server: FakeRenderServer, cause: Cause) -> None:
    server.failures = [NODE_ERROR]
    await dispatch.scenes.create(WISH, cause)
    await dispatch.work()
    assert await told(dispatch) == {1: ["submitted", "failed"]}


async def test_one_that_is_tried_again_is_in_the_queue_until_then(
    dispatch: Dispatch, server: FakeRenderServer, cause: Cause
) -> None:
    server.failures = [TransientRenderError("CUDA out of memory", kind="out_of_memory")]
    await dispatch.scenes.create(WISH, cause)
    await dispatch.work()
    assert (await told(dispatch))[1] == ["submitted", "queued", "submitted", "done"]


async def test_one_that_is_cancelled_with_its_scene_is_told_so_and_one_that_was_never_sent_is_not_mentioned(
    dispatch: Dispatch, server: FakeRenderServer, cause: Cause
) -> None:
    scene, waiting = await dispatch.scenes.create(WISH, cause), await dispatch.scenes.create(WISH, cause)
    step = await rendering(dispatch, server)
    await dispatch.scenes.cancel(waiting.id, cause)
    await dispatch.scenes.cancel(scene.id, cause)
    step.cancel()
    await asyncio.gather(step, return_exceptions=True)
    news = await said(dispatch.database, "generation.progressed")
    assert {event["scene_id"] for event in news} == {scene.id}
    assert (news[0]["state"], news[-1]["state"]) == ("submitted", "cancelled")


async def test_a_regeneration_that_is_cancelled_alone_is_told_so(
    dispatch: Dispatch, server: FakeRenderServer, cause: Cause
) -> None:
    scene = await dispatch.scenes.create(WISH, cause)
    await dispatch.work()
    [first, _] = await dispatch.store.segments_of(scene.id)
    asked, _ = await dispatch.regenerations.regenerate(first.id, changes={}, overwrite=frozenset(), cause=cause)
    step = await rendering(dispatch, server)
    await dispatch.regenerations.cancel(asked.id, cause)
    step.cancel()
    await asyncio.gather(step, return_exceptions=True)
    assert (await told(dispatch))[1][-1] == "cancelled"
