"""One prompt waits on a server behind the one that runs there, and comes back when it should not wait there."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from services.dispatch.domain.jobs import AttemptState, JobState
from services.dispatch.domain.pace import Pace
from shared.contracts.generation import GenerationCancelRequested
from shared.media import MediaStore
from tests.support.dispatch import PATIENCE, Dispatch, FakeRenderServer, generation_requested, said


@pytest.fixture
async def farm() -> list[FakeRenderServer]:
    return [FakeRenderServer(name="a", render_seconds=60), FakeRenderServer(name="b", away=True)]


@pytest.fixture
async def dispatch(databases: Any, media: MediaStore, farm: list[FakeRenderServer]) -> Dispatch:
    return Dispatch(await databases("dispatch"), media, farm)


async def until(happened: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not happened():
            await asyncio.sleep(0.01)


def _has(server: FakeRenderServer, count: int) -> bool:
    return len(server.submitted) == count


def _more(spoken: list[float], than: int) -> bool:
    return len(spoken) > than


@asynccontextmanager
async def sent(dispatch: Dispatch, server: FakeRenderServer) -> AsyncIterator[list[asyncio.Task[bool]]]:
    """Two chains of one segment: the first runs on the server, the second waits behind it."""
    seed_image = await dispatch.ready()
    await dispatch.learn(*(generation_requested(seed_image, segments=1) for _ in range(2)))
    steps = []
    for count in (1, 2):
        steps.append(asyncio.create_task(dispatch.workers[server.name].step()))
        await until(partial(_has, server, count))
    await until(lambda: any(watch.waits for watch in dispatch.fleet._watches.values()))
    try:
        yield steps
    finally:
        for step in steps:
            step.cancel()
        await asyncio.gather(*steps, return_exceptions=True)


async def states(dispatch: Dispatch) -> list[AttemptState]:
    rows = await dispatch.database.fetch("SELECT state FROM generation_attempts ORDER BY job_id, attempt")
    return [AttemptState(row["state"]) for row in rows]


async def test_one_prompt_waits_behind_the_running_one_and_not_two(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    async with sent(dispatch, farm[0]):
        await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
        assert not await dispatch.workers["a"].step()
        assert len(farm[0].submitted) == 2


async def test_without_prefetch_nothing_is_sent_to_a_server_that_runs_something(
    databases: Any, media: MediaStore, farm: list[FakeRenderServer]
) -> None:
    dispatch = Dispatch(await databases("dispatch"), media, farm, prefetch=0)
    seed_image = await dispatch.ready()
    await dispatch.learn(*(generation_requested(seed_image, segments=1) for _ in range(2)))
    step = asyncio.create_task(dispatch.workers["a"].step())
    await until(lambda: farm[0].submitted)
    assert not await dispatch.workers["a"].step()
    step.cancel()
    await asyncio.gather(step, return_exceptions=True)


async def test_the_wait_behind_another_prompt_is_queue_time_and_not_render_time(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    async with sent(dispatch, farm[0]) as steps:
        seconds = farm[0].running_seconds + 0.6
        farm[0].render_seconds = seconds
        await asyncio.gather(*steps)
    told = {event["prompt_id"]: event for event in await said(dispatch.database, "segment.generated")}
    first, second = (told[prompt_id] for prompt_id in farm[0].submitted)
    assert [first["render_seconds"], second["render_seconds"]] == pytest.approx([seconds] * 2, abs=0.001)
    assert second["queued_seconds"] > seconds - 0.001, "it was queued before the first began, and waited for its end"
    rows = await dispatch.database.fetch(
        "SELECT began_at - submitted_at AS waited FROM generation_attempts ORDER BY job_id"
    )
    assert rows[1]["waited"].total_seconds() > 0.2, "it began when the first had ended, not when it was sent"


async def test_progress_says_running_only_when_it_runs(dispatch: Dispatch, farm: list[FakeRenderServer]) -> None:
    async with sent(dispatch, farm[0]):
        for watch in dispatch.fleet._watches.values():
            watch.fraction = 0.5
        await asyncio.sleep(5 * PATIENCE.poll)
        jobs = await dispatch.store.jobs_page(before=None, limit=2, state=None, scene_id=None)
        news = await said(dispatch.database, "generation.progressed")
        assert {told["state"] for told in news if told["job_id"] == max(job.id for job in jobs)} == {"submitted"}


async def test_progress_keeps_its_pace_however_often_the_server_speaks(
    dispatch: Dispatch, farm: list[FakeRenderServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken: list[float] = []

    def not_yet(_: Pace, now: float) -> bool:
        spoken.append(now)
        return False

    monkeypatch.setattr(Pace, "may_speak", not_yet)
    async with sent(dispatch, farm[0]):
        asked = len(spoken)
        for fraction in (0.2, 0.4, 0.6):
            for watch in dispatch.fleet._watches.values():
                watch.fraction = fraction
            await until(partial(_more, spoken, len(spoken)))
        assert len(spoken) > asked
        news = await said(dispatch.database, "generation.progressed")
        assert {told["state"] for told in news} == {"submitted"}, "nothing is said that the pace does not allow"


async def test_a_server_that_has_nothing_to_do_gets_the_prompt_that_waits_elsewhere(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    async with sent(dispatch, farm[0]) as steps:
        farm[1].away = False
        await dispatch.fleet.check()
        assert not await dispatch.workers["b"].step(), "nothing is queued: it asks for what waits"
        assert await steps[1]
        assert await dispatch.workers["b"].step()
        assert len(await farm[0].queue_ids()) == 1
    [generated] = await said(dispatch.database, "segment.generated")
    assert generated["server"] == "b" and generated["attempt"] == 2
    job = await dispatch.store.job(generated["job_id"])
    assert job is not None and (job.failed_attempts, job.repeated_renders) == (0, 0)
    assert AttemptState.WITHDRAWN in await states(dispatch)


async def test_a_drained_server_keeps_what_runs_and_gives_back_what_waits(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    async with sent(dispatch, farm[0]) as steps:
        dispatch.fleet.drain({"a"})
        assert await steps[1]
        assert not steps[0].done() and farm[0].cancelled == []
        assert await farm[0].queue_ids() == farm[0].submitted[:1]
        assert (await dispatch.only_job()).state is JobState.QUEUED


async def test_what_waits_comes_back_when_the_queue_is_paused(dispatch: Dispatch, farm: list[FakeRenderServer]) -> None:
    async with sent(dispatch, farm[0]) as steps:
        await dispatch.database.pool.execute(
            "UPDATE queue_control SET is_paused = true, paused_by = 'grace', paused_at = now()"
        )
        await dispatch.fleet.check()
        assert await steps[1]
        assert await farm[0].queue_ids() == farm[0].submitted[:1] and not steps[0].done()


async def test_a_prompt_that_began_before_it_could_be_taken_back_is_finished(
    dispatch: Dispatch, farm: list[FakeRenderServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sent(dispatch, farm[0]) as steps:
        withdraw = farm[0].withdraw

        async def too_late(prompt_id: str) -> Any:
            farm[0].render_seconds = 0
            return await withdraw(prompt_id)

        monkeypatch.setattr(farm[0], "withdraw", too_late)
        dispatch.fleet.recall_waiting()
        await asyncio.gather(*steps)
    assert len(await said(dispatch.database, "segment.generated")) == 2
    assert set(await states(dispatch)) == {AttemptState.ADOPTED}


async def test_a_prompt_that_waits_can_be_cancelled(dispatch: Dispatch, farm: list[FakeRenderServer]) -> None:
    async with sent(dispatch, farm[0]) as steps:
        job = await dispatch.only_job()
        scene = await dispatch.store.scene(job.scene_id)
        assert scene is not None and scene.request_id is not None
        await dispatch.learn(GenerationCancelRequested(request_id=scene.request_id, reason="enough"))
        await dispatch.upkeep.abandoned()
        assert await steps[1]
        assert farm[0].cancelled == farm[0].submitted[1:] and not steps[0].done()


async def test_when_a_server_dies_what_ran_and_what_waited_goes_to_another_once(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    async with sent(dispatch, farm[0]) as steps:
        farm[0].away, farm[1].away = True, False
        await asyncio.gather(*steps)
        await dispatch.fleet.check()
        await dispatch.database.pool.execute("UPDATE generation_jobs SET available_at = now() WHERE state = 'queued'")
        await dispatch.work()
    assert [event["server"] for event in await said(dispatch.database, "segment.generated")] == ["b", "b"]


async def test_an_idle_server_comes_before_a_second_prompt_on_a_busy_one(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    farm[1].away = False
    seed_image = await dispatch.ready()
    await dispatch.learn(*(generation_requested(seed_image, segments=1) for _ in range(2)))
    step = asyncio.create_task(dispatch.workers["a"].step())
    await until(lambda: farm[0].submitted)
    assert not await dispatch.workers["a"].step(), "b is idle"
    assert await dispatch.workers["b"].step()
    step.cancel()
    await asyncio.gather(step, return_exceptions=True)
