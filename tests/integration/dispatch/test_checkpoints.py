"""Each finished segment is a checkpoint: a scene that ended too early goes on at its first missing segment."""

import itertools
from typing import Any

import pytest

from services.dispatch.domain.errors import Conflict, NotFound
from services.dispatch.domain.scenes import Scene, SceneState, Segment
from services.dispatch.operations.scenes import NewScene
from shared.cause import Cause
from shared.media import MediaStore
from tests.support.dispatch import (
    CHARACTER,
    NODE_ERROR,
    SCENE_TYPE,
    WORKFLOW,
    Dispatch,
    FakeRenderServer,
    generation_requested,
    said,
)

WISH = NewScene(name="harbour", character_id=CHARACTER, scene_type_id=SCENE_TYPE, workflow_id=WORKFLOW)


@pytest.fixture
async def server() -> FakeRenderServer:
    return FakeRenderServer()


@pytest.fixture
async def dispatch(databases: Any, media: MediaStore, server: FakeRenderServer) -> Dispatch:
    dispatch = Dispatch(await databases("dispatch"), media, [server])
    await dispatch.ready()
    return dispatch


async def shown(dispatch: Dispatch, scene: Scene) -> tuple[SceneState, list[Segment]]:
    found = await dispatch.store.scene(scene.id)
    assert found is not None
    return found.state, await dispatch.store.segments_of(scene.id)


@pytest.mark.parametrize("finished", [0, 1, 2])
async def test_a_scene_that_failed_renders_what_is_missing_and_nothing_twice(
    dispatch: Dispatch, server: FakeRenderServer, cause: Cause, finished: int
) -> None:
    scene = await dispatch.scenes.create(WISH, cause)
    for _ in range(finished):
        await dispatch.workers["fake"].step()
    server.failures = [NODE_ERROR]
    await dispatch.work()
    state, before = await shown(dispatch, scene)
    assert state is SceneState.FAILED and len(server.submitted) == finished + 1

    resumed = await dispatch.queue.resume_scene(scene.id, cause)
    assert resumed.state is SceneState.RENDERING and resumed.finished_at is None
    assert await dispatch.work() == 3 - finished
    state, after = await shown(dispatch, scene)
    assert state is SceneState.COMPLETED
    assert [segment.clip for segment in after[:finished]] == [segment.clip for segment in before[:finished]]
    assert [segment.id for segment in after] == [segment.id for segment in before]
    assert after[0].seed_image_sha256 == scene.seed_image_sha256
    for one, following in itertools.pairwise(after):
        assert one.clip is not None and following.seed_image_sha256 == one.clip.last_frame_sha256
    assert len(await said(dispatch.database, "segment.generated")) == 3
    assert await dispatch.queue.resume_scene(scene.id, cause) is not None and await dispatch.work() == 0


async def test_a_cancelled_scene_goes_on_too(dispatch: Dispatch, server: FakeRenderServer, cause: Cause) -> None:
    scene = await dispatch.scenes.create(WISH, cause)
    await dispatch.workers["fake"].step()
    await dispatch.scenes.cancel(scene.id, cause)
    await dispatch.queue.resume_scene(scene.id, cause)
    assert await dispatch.work() == 2
    assert (await shown(dispatch, scene))[0] is SceneState.COMPLETED


async def test_a_scene_that_was_paused_and_then_cancelled_is_not_paused_any_more(
    dispatch: Dispatch, cause: Cause
) -> None:
    scene = await dispatch.scenes.create(WISH, cause)
    await dispatch.queue.pause_scene(scene.id, cause)
    await dispatch.scenes.cancel(scene.id, cause)
    assert not (await dispatch.queue.resume_scene(scene.id, cause)).is_paused
    assert await dispatch.work() == 3


async def test_what_others_asked_for_and_shots_are_asked_for_anew(
    dispatch: Dispatch, server: FakeRenderServer, cause: Cause
) -> None:
    request = generation_requested(await dispatch.ready(), segments=1)
    await dispatch.learn(request)
    shot = await dispatch.shots.create(WISH, cause)
    server.failures = [NODE_ERROR, NODE_ERROR]
    await dispatch.work()
    for scene_id in ((await dispatch.scene_of(request)).id, shot.render_scene_id):
        with pytest.raises(Conflict, match="ask for another one"):
            await dispatch.queue.resume_scene(scene_id, cause)
    with pytest.raises(NotFound):
        await dispatch.queue.resume_scene(999, cause)
