"""A chain from request to clips, on a real database with a render server in memory."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from services.dispatch.domain.scenes import SceneState, SegmentState
from services.dispatch.operations.scenes import NewScene
from shared.cause import Cause
from shared.errors import AlreadyHandled, NotYetKnown
from shared.media import MediaStore
from tests.support.dispatch import (
    CHARACTER,
    NODE_ERROR,
    SCENE_TYPE,
    WORKFLOW,
    Dispatch,
    FakeRenderServer,
    facts,
    generation_requested,
    said,
    seed_image_bytes,
)
from tests.support.events import delivered

WISH = NewScene(name="harbour at dawn", character_id=CHARACTER, scene_type_id=SCENE_TYPE, workflow_id=WORKFLOW)


@pytest.fixture
async def server() -> FakeRenderServer:
    return FakeRenderServer()


@pytest.fixture
async def dispatch(databases: Any, media: MediaStore, server: FakeRenderServer) -> Dispatch:
    return Dispatch(await databases("dispatch"), media, [server])


async def test_a_scene_is_rendered_segment_by_segment_each_from_the_last_frame_before_it(
    dispatch: Dispatch, server: FakeRenderServer, cause: Cause
) -> None:
    seed_image = await dispatch.ready()
    scene = await dispatch.scenes.create(WISH, cause)
    assert await dispatch.work() == 3

    done = await dispatch.store.scene(scene.id)
    assert done is not None and done.state is SceneState.COMPLETED
    generated = await said(dispatch.database, "segment.generated")
    assert [event["position"] for event in generated] == [1, 2, 3]
    assert [event["prompt_id"] for event in generated] == server.submitted
    assert generated[0]["seed_image_sha256"] == seed_image
    assert generated[0]["previous_clip_sha256"] is None
    for before, after in pairwise(generated):
        assert after["seed_image_sha256"] == before["last_frame_sha256"]
        assert after["previous_clip_sha256"] == before["clip"]["sha256"]
    assert await dispatch.media.exists(generated[2]["clip"]["sha256"])
    assert len(await said(dispatch.database, "segment.activated")) == 3


async def test_the_configured_scene_says_every_parameter_of_every_segment(dispatch: Dispatch, cause: Cause) -> None:
    await dispatch.ready()
    scene = await dispatch.scenes.create(WISH, cause)
    [configured] = await said(dispatch.database, "scene.configured")
    assert configured["scene_id"] == scene.id
    seeds = [segment["parameters"]["seed"] for segment in configured["segments"]]
    assert seeds[0] == 42 and len(set(seeds)) == 3
    assert configured["segments"][0]["parameters"]["cfg"] == 6.0, "the graph's own constant is written down"
    assert configured["assets"][0]["version_id"] == 100


async def test_a_request_is_rendered_at_draft_tier_and_says_what_was_really_rendered(
    dispatch: Dispatch, server: FakeRenderServer
) -> None:
    seed_image = await dispatch.ready()
    request = generation_requested(seed_image, segments=1)
    await dispatch.learn(request)
    await dispatch.work()
    [generated] = await said(dispatch.database, "segment.generated")
    assert generated["request_id"] == str(request.request_id)
    assert generated["parameters"]["width"] == generated["expected"]["width"] == 64
    assert generated["environment"]["model_files"] == {"standin-base.safetensors": None}
    [graph] = server.graphs.values()
    assert graph["6"]["inputs"]["width"] == 64 and graph["7"]["inputs"]["seed"] == 7
    assert graph["1"]["inputs"]["image"].startswith(seed_image)


async def test_measured_renders_never_share_a_result_cache_and_scenes_may(
    dispatch: Dispatch, server: FakeRenderServer, cause: Cause
) -> None:
    seed_image = await dispatch.ready()
    await dispatch.learn(*(generation_requested(seed_image, segments=1) for _ in range(2)))
    await dispatch.work()
    first, second = (graph["1"]["inputs"]["image"] for graph in server.graphs.values())
    assert first != second
    server.graphs.clear()
    for _ in range(2):
        await dispatch.scenes.create(replace(WISH, segment_count=1), cause)
    await dispatch.work()
    assert {graph["1"]["inputs"]["image"] for graph in server.graphs.values()} == {f"{seed_image}.png"}


async def test_a_second_delivery_or_a_second_event_of_one_request_makes_no_second_chain(dispatch: Dispatch) -> None:
    request = generation_requested(await dispatch.ready())
    first = delivered(request)
    await dispatch.hear(request, first)
    with pytest.raises(AlreadyHandled):
        await dispatch.hear(request, first)
    await dispatch.hear(request)
    assert await dispatch.database.fetchval("SELECT count(*) FROM scenes") == 1


async def test_a_request_waits_for_a_workflow_version_that_has_not_arrived(dispatch: Dispatch) -> None:
    seed_image = await dispatch.media.put_bytes(seed_image_bytes())
    request = generation_requested(seed_image)
    with pytest.raises(NotYetKnown) as missing:
        await dispatch.learn(request)
    version = facts(seed_image)[3]
    assert missing.value.fact in version.establishes()
    await dispatch.learn(version, request)
    assert (await dispatch.scene_of(request)).state is SceneState.RENDERING


async def test_a_permanent_failure_ends_the_chain_with_one_event_that_says_why(
    dispatch: Dispatch, server: FakeRenderServer
) -> None:
    server.failures = [NODE_ERROR]
    request = generation_requested(await dispatch.ready(), segments=3)
    await dispatch.learn(request)
    await dispatch.work()
    [failed] = await said(dispatch.database, "segment.failed")
    assert failed["position"] == 1 and failed["attempts"] == 1
    assert failed["failure"] == {
        "kind": "node_error", "message": "ValueError: no", "node": "7 (KSampler)", "permanent": True
    }  # fmt: skip
    scene = await dispatch.scene_of(request)
    assert scene.state is SceneState.FAILED
    states = [segment.state for segment in await dispatch.store.segments_of(scene.id)]
    assert states == [SegmentState.FAILED, SegmentState.CANCELLED, SegmentState.CANCELLED]


async def test_a_clip_that_cannot_be_decoded_is_no_result(dispatch: Dispatch, server: FakeRenderServer) -> None:
    server._clip = b"not a video at all"
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
    for _ in range(20):
        await dispatch.work()
        await dispatch.database.pool.execute("UPDATE generation_jobs SET available_at = now() WHERE state = 'queued'")
    [failed] = await said(dispatch.database, "segment.failed")
    assert failed["failure"]["kind"] == "bad_output" and failed["attempts"] == 3
    assert await said(dispatch.database, "segment.generated") == []


async def test_a_file_that_is_no_clip_is_not_rendered_again_and_its_name_is_said(
    dispatch: Dispatch, server: FakeRenderServer
) -> None:
    server.suffix = ".png"
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
    await dispatch.work()
    [failed] = await said(dispatch.database, "segment.failed")
    assert (failed["failure"]["kind"], failed["attempts"]) == ("bad_output", 1)
    assert ".png, which is no clip" in failed["failure"]["message"]
