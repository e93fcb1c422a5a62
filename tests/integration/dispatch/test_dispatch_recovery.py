"""What crashes, restarts and absences do to a render: nothing is lost, nothing counts twice."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.dispatch.adapters.render_server import TransientRenderError
from services.dispatch.domain.errors import LeaseLost
from services.dispatch.domain.jobs import Failure, JobState, prompt_id_of
from services.dispatch.domain.scenes import Clip, Render, SceneState
from services.dispatch.operations.assignments import Assignment
from shared.contracts.generation import GenerationCancelRequested
from shared.errors import TransientError
from shared.media import MediaStore
from tests.support.dispatch import PATIENCE, Dispatch, FakeRenderServer, generation_requested, said

A_RENDER = Render(
    clip=Clip(
        sha256="a" * 64,
        size_bytes=1,
        frame_digest="a" * 64,
        last_frame_sha256="a" * 64,
        width=64,
        height=64,
        frames=1,
        fps=12.0,
        duration_seconds=0.1,
    ),
    parameters={"seed": 1},
    environment={"engine": "Fake 1"},
    seed_image_sha256="a" * 64,
    attempt=1,
    render_seconds=1.0,
)


@pytest.fixture
async def farm() -> list[FakeRenderServer]:
    return [FakeRenderServer(name="a"), FakeRenderServer(name="b")]


@pytest.fixture
async def dispatch(databases: Any, media: MediaStore, farm: list[FakeRenderServer]) -> Dispatch:
    return Dispatch(await databases("dispatch"), media, farm)


async def claimed(dispatch: Dispatch, server: str = "a") -> Assignment:
    assignment = await dispatch.assignments.claim(server=server, ready=["a", "b"])
    assert assignment is not None
    return assignment


async def killed_after_sending(dispatch: Dispatch, server: FakeRenderServer) -> Assignment:
    """A worker claimed a job, sent its prompt and died: its lease has run out."""
    assignment = await claimed(dispatch, server.name)
    attempt = await dispatch.renders.open_attempt(assignment, server=server.name)
    await server.submit(prompt_id=str(attempt.prompt_id), graph={})
    await dispatch.renders.submitted(assignment, attempt)
    await expire_leases(dispatch)
    return assignment


async def expire_leases(dispatch: Dispatch) -> None:
    await dispatch.database.pool.execute(
        "UPDATE generation_jobs SET leased_until = now() - interval '1 second' WHERE state = 'leased'"
    )
    await dispatch.upkeep.leases()


async def test_a_prompt_that_finished_while_the_worker_was_dead_is_adopted_without_another_render(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
    await killed_after_sending(dispatch, farm[0])
    await dispatch.work()
    [generated] = await said(dispatch.database, "segment.generated")
    assert [generated["prompt_id"]] == farm[0].submitted and farm[1].submitted == []
    assert generated["attempt"] == 1
    assert (await dispatch.only_job()).repeated_renders == 0


async def test_a_prompt_that_still_runs_is_waited_for(dispatch: Dispatch, farm: list[FakeRenderServer]) -> None:
    farm[0].render_seconds = 0.3
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
    await killed_after_sending(dispatch, farm[0])
    await dispatch.work()
    assert len(farm[0].submitted) == 1 and len(await said(dispatch.database, "segment.generated")) == 1


async def test_a_server_that_lost_its_queue_gets_a_second_attempt_under_another_prompt_id(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
    assignment = await killed_after_sending(dispatch, farm[0])
    farm[0].restart()
    await dispatch.work()
    [generated] = await said(dispatch.database, "segment.generated")
    assert generated["attempt"] == 2 and generated["prompt_id"] == str(prompt_id_of(assignment.job.uid, 2))
    job = await dispatch.only_job()
    assert (job.state, job.failed_attempts, job.repeated_renders) == (JobState.DONE, 1, 1)


async def test_a_prompt_written_down_but_never_sent_costs_the_job_nothing(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
    await dispatch.renders.open_attempt(await claimed(dispatch), server="a")
    await expire_leases(dispatch)
    await dispatch.work()
    job = await dispatch.only_job()
    assert (job.state, job.attempt, job.failed_attempts) == (JobState.DONE, 2, 0)


async def test_a_server_that_goes_away_gives_its_job_to_another_without_a_mark(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    farm[0].render_seconds = 60
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
    stepping = asyncio.create_task(dispatch.workers["a"].step())
    while not farm[0].submitted:
        await asyncio.sleep(0.01)
    farm[0].away = True
    await stepping
    await dispatch.database.pool.execute("UPDATE generation_jobs SET available_at = now()")
    assert dispatch.fleet.ready == ["b"]
    await dispatch.work()
    [generated] = await said(dispatch.database, "segment.generated")
    assert generated["server"] == "b"
    assert (await dispatch.only_job()).failed_attempts == 0

    farm[0].away = False
    await dispatch.fleet.check()
    await dispatch.upkeep.abandoned()
    assert farm[0].cancelled == farm[0].submitted, "what nobody waits for is cancelled when its server is back"


async def test_of_two_workers_with_one_job_only_the_holder_of_the_lease_can_adopt(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
    late = await killed_after_sending(dispatch, farm[0])
    await dispatch.work()
    with pytest.raises(LeaseLost):
        await dispatch.renders.open_attempt(late, server="a")
    with pytest.raises(LeaseLost):
        await dispatch.renders.lost(late, [])
    [attempt] = await dispatch.store.attempts_of(late.job.id)
    with pytest.raises(LeaseLost):
        await dispatch.renders.adopt(late, attempt, A_RENDER)
    with pytest.raises(LeaseLost):
        await dispatch.renders.failed(late, attempt, Failure(kind="timeout", message="late", permanent=True))
    assert await said(dispatch.database, "segment.failed") == []
    assert len(await said(dispatch.database, "segment.generated")) == 1


async def test_a_worker_stops_when_its_job_is_cancelled_and_the_prompt_is_stopped_on_the_server(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    farm[0].render_seconds = 60
    hasty = Dispatch(dispatch.database, dispatch.media, farm, patience=replace(PATIENCE, lease=0.4))
    request = generation_requested(await hasty.ready(), segments=2)
    await hasty.learn(request)
    stepping = asyncio.create_task(hasty.workers["a"].step())
    while not farm[0].submitted:
        await asyncio.sleep(0.01)
    scene = await hasty.scene_of(request)
    assert scene.request_id is not None
    await hasty.learn(cancel_requested(scene.request_id))
    assert await asyncio.wait_for(stepping, timeout=60)
    await hasty.upkeep.abandoned()
    assert farm[0].cancelled == farm[0].submitted
    [failed] = await said(hasty.database, "segment.failed")
    assert failed["failure"]["kind"] == "cancelled" and failed["position"] == 1


def cancel_requested(request_id: UUID) -> GenerationCancelRequested:
    return GenerationCancelRequested(request_id=request_id, reason="superseded")


async def test_a_request_cancelled_before_it_came_is_answered_at_once(dispatch: Dispatch) -> None:
    request = generation_requested(await dispatch.ready())
    await dispatch.learn(cancel_requested(request.request_id), request)
    [failed] = await said(dispatch.database, "segment.failed")
    assert failed["request_id"] == str(request.request_id) and failed["failure"]["kind"] == "cancelled"
    assert await dispatch.work() == 0


async def test_transient_failures_end_the_chain_after_the_last_allowed_attempt(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    for server in farm:
        server.failures = [TransientRenderError("CUDA out of memory", kind="out_of_memory") for _ in range(5)]
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
    for _ in range(10):
        await dispatch.work()
        await dispatch.database.pool.execute("UPDATE generation_jobs SET available_at = now() WHERE state = 'queued'")
    [failed] = await said(dispatch.database, "segment.failed")
    assert failed["attempts"] == 3 and failed["failure"]["kind"] == "out_of_memory"


async def test_an_error_nobody_thought_of_ends_the_job_instead_of_coming_again_for_ever(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    for server in farm:
        server.defect = RuntimeError("a defect of ours")
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
    for _ in range(10):
        await dispatch.work()
        await dispatch.database.pool.execute("UPDATE generation_jobs SET available_at = now() WHERE state = 'queued'")
    [failed] = await said(dispatch.database, "segment.failed")
    assert "a defect of ours" in failed["failure"]["message"]


async def test_a_media_store_that_is_away_costs_the_job_nothing(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    farm[0].defect = TransientError("the media store is away")
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
    with pytest.raises(TransientError):
        await dispatch.workers["a"].step()
    job = await dispatch.only_job()
    assert (job.state, job.failed_attempts) == (JobState.QUEUED, 0)


async def test_a_request_whose_deadline_passes_while_no_server_is_there_ends_with_a_timeout(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    for server in farm:
        server.away = True
    deadline = datetime.now(UTC) - timedelta(seconds=1)
    request = generation_requested(await dispatch.ready(), deadline_at=deadline)
    await dispatch.learn(request)
    assert await dispatch.upkeep.leases()
    [failed] = await said(dispatch.database, "segment.failed")
    assert failed["failure"]["kind"] == "timeout"
    assert (await dispatch.scene_of(request)).state is SceneState.FAILED
    assert not await dispatch.upkeep.leases()
