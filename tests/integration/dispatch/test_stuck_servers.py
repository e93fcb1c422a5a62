"""A server whose executor has died answers as ever: dispatch notices, says so, and has the work done elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.dispatch.domain.jobs import AttemptState
from services.dispatch.domain.watchdog import LEAST_SECONDS
from shared.contracts.generation import GenerationCancelRequested
from shared.media import MediaStore
from tests.support.dispatch import PATIENCE, Dispatch, FakeRenderServer, generation_requested, said

IMPATIENT = replace(PATIENCE, render=0.3, queue=0.3)


@pytest.fixture
async def farm() -> list[FakeRenderServer]:
    """The first has a dead executor, the second is away at first."""
    return [FakeRenderServer(name="a", dead=True), FakeRenderServer(name="b", away=True)]


@pytest.fixture
async def dispatch(databases: Any, media: MediaStore, farm: list[FakeRenderServer]) -> Dispatch:
    return Dispatch(await databases("dispatch"), media, farm, patience=IMPATIENT)


async def until(happened: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not happened():
            await asyncio.sleep(0.01)


async def states(dispatch: Dispatch) -> dict[str, tuple[str, str | None]]:
    """By server: how people see it."""
    return {server.name: (server.state, server.problem) for server in await dispatch.store.servers()}


@asynccontextmanager
async def working(dispatch: Dispatch, *names: str) -> AsyncIterator[None]:
    """The workers of these servers, over and over, as the service runs them."""

    async def repeat(name: str) -> None:
        while True:
            if not await dispatch.workers[name].step():
                await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(repeat(name)) for name in names for _ in range(2)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def both_are_back(dispatch: Dispatch) -> None:
    """In the queue, and leased by nobody."""
    async with asyncio.timeout(60):
        while await dispatch.database.fetchval("SELECT count(*) FROM generation_jobs WHERE state = 'queued'") < 2:
            await asyncio.sleep(0.01)


async def generated_after(dispatch: Dispatch, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(60):
        while len(found := await said(dispatch.database, "segment.generated")) < count:
            await asyncio.sleep(0.01)
    return found


async def test_a_render_that_neither_ends_nor_stops_is_done_by_another_server_and_the_first_is_said_to_be_stuck(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
    async with working(dispatch, "a", "b"):
        await until(lambda: farm[0].cancelled)
        farm[1].away = False
        await dispatch.fleet.check()
        [generated] = await generated_after(dispatch, 1)
    assert (generated["server"], generated["attempt"]) == ("b", 2)
    state, problem = (await states(dispatch))["a"]
    assert state == "stuck" and farm[0].submitted[0] in str(problem) and "restart ComfyUI" in str(problem)
    job = await dispatch.only_job()
    assert job.failure is not None and job.failure["kind"] == "timeout"
    assert "did not stop" in job.failure["message"]


async def test_a_stuck_server_gets_nothing_until_it_was_restarted(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    seed_image = await dispatch.ready()
    await dispatch.learn(generation_requested(seed_image, segments=1))
    async with working(dispatch, "a"):
        await until(lambda: dispatch.fleet.ready == [])
        await dispatch.learn(generation_requested(seed_image, segments=1))
        await dispatch.fleet.check()
        assert "told to stop" in str(await dispatch.fleet.problem())
        assert len(farm[0].submitted) == 1
        farm[0].restart()
        await dispatch.fleet.check()
        assert (await states(dispatch))["a"] == ("ready", None)
        assert await dispatch.fleet.problem() is None
        await generated_after(dispatch, 2)


async def test_what_waits_behind_a_render_that_does_not_stop_comes_back_without_a_mark(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    seed_image = await dispatch.ready()
    await dispatch.learn(*(generation_requested(seed_image, segments=1) for _ in range(2)))
    async with working(dispatch, "a"):
        await until(lambda: len(farm[0].submitted) == 2)
        await both_are_back(dispatch)
    rows = await dispatch.database.fetch(
        """
        SELECT a.prompt_id, a.state, j.failed_attempts
        FROM generation_attempts AS a JOIN generation_jobs AS j ON j.id = a.job_id
        """
    )
    assert {str(row["prompt_id"]): (row["state"], row["failed_attempts"]) for row in rows} == {
        farm[0].submitted[0]: (AttemptState.FAILED, 1),
        farm[0].submitted[1]: (AttemptState.WITHDRAWN, 0),
    }, "two prompts on their way at the same time arrive in either order; the first of them is rendered"


async def test_work_behind_somebody_elses_prompt_that_never_ends_is_taken_elsewhere(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    await farm[0].submit(prompt_id="theirs", graph={})
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
    async with working(dispatch, "a", "b"):
        await until(lambda: len(farm[0].submitted) == 2)
        farm[1].away = False
        while (await states(dispatch))["a"][0] != "stuck":
            await dispatch.fleet.check()
        [generated] = await generated_after(dispatch, 1)
    assert generated["server"] == "b"
    assert "theirs" in str((await states(dispatch))["a"][1])
    assert "theirs" not in farm[0].cancelled, "what other people do is theirs to stop"
    assert (await dispatch.only_job()).failed_attempts == 0


async def test_a_cancellation_that_has_no_effect_shows_that_a_server_is_stuck(
    databases: Any, media: MediaStore, farm: list[FakeRenderServer]
) -> None:
    dispatch = Dispatch(await databases("dispatch"), media, farm)
    request = generation_requested(await dispatch.ready(), segments=1)
    await dispatch.learn(request)
    async with working(dispatch, "a"):
        await until(lambda: farm[0].submitted)
        await dispatch.learn(GenerationCancelRequested(request_id=request.request_id, reason="changed my mind"))
    await dispatch.upkeep.abandoned()
    await dispatch.fleet.check()
    assert (await states(dispatch))["a"][0] == "stuck"


async def test_the_time_of_a_render_goes_on_while_dispatch_is_away(
    databases: Any, media: MediaStore, farm: list[FakeRenderServer]
) -> None:
    database = await databases("dispatch")
    first = Dispatch(database, media, farm)
    await first.learn(generation_requested(await first.ready(), segments=1))
    async with working(first, "a"):
        await until(lambda: farm[0].submitted)
    await database.pool.execute(
        "UPDATE generation_attempts SET began_at = $1", datetime.now(UTC) - timedelta(seconds=PATIENCE.render + 1)
    )
    second = Dispatch(database, media, farm)
    await second.fleet.check()
    async with working(second, "a"):
        await until(lambda: farm[0].cancelled)


async def test_a_prompt_may_run_for_what_its_like_took_many_times_over(
    databases: Any, media: MediaStore, farm: list[FakeRenderServer]
) -> None:
    farm[0].dead = False
    farm[0].render_seconds = 0.02
    dispatch = Dispatch(await databases("dispatch"), media, farm)
    seed_image = await dispatch.ready()
    limits = []
    for _ in range(2):
        await dispatch.learn(generation_requested(seed_image, segments=1))
        assignment = await dispatch.assignments.claim(server="a", ready=["a"], only=None)
        assert assignment is not None
        limits.append(await dispatch.renders.time_limit(assignment, most=3600))
        await dispatch.assignments.give_back(assignment)
        await dispatch.work()
    assert limits == [3600, LEAST_SECONDS]
