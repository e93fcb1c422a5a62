"""Two dispatch processes on the same servers know each other's prompts: their leases are in one database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from shared.media import MediaStore
from tests.support.dispatch import PATIENCE, Dispatch, FakeRenderServer, generation_requested, said

Pair = tuple[Dispatch, Dispatch]


@pytest.fixture
async def farm() -> list[FakeRenderServer]:
    return [FakeRenderServer(name="a", render_seconds=60)]


@pytest.fixture
async def pair(databases: Any, media: MediaStore, farm: list[FakeRenderServer]) -> Pair:
    database = await databases("dispatch")
    return Dispatch(database, media, farm), Dispatch(database, media, farm)


@asynccontextmanager
async def sending(dispatch: Dispatch, server: FakeRenderServer) -> AsyncIterator[asyncio.Task[bool]]:
    """One more prompt of this process on the server."""
    before = len(server.submitted)
    step = asyncio.create_task(dispatch.workers[server.name].step())
    async with asyncio.timeout(60):
        while len(server.submitted) == before or not dispatch.fleet._watches:
            await asyncio.sleep(0.01)
    try:
        yield step
    finally:
        step.cancel()
        await asyncio.gather(step, return_exceptions=True)


async def queue(dispatch: Dispatch, chains: int) -> None:
    seed_image = await dispatch.ready()
    await dispatch.learn(*(generation_requested(seed_image, segments=1) for _ in range(chains)))


async def test_together_they_send_no_more_to_a_server_than_one_would(pair: Pair, farm: list[FakeRenderServer]) -> None:
    first, second = pair
    await queue(first, 3)
    async with sending(first, farm[0]):
        await second.fleet.check()
        async with sending(second, farm[0]):
            for dispatch in pair:
                await dispatch.fleet.check()
                assert dispatch.fleet.ours("a") == 2
                assert not await dispatch.workers["a"].step()
    assert len(farm[0].submitted) == 2


async def test_a_long_render_of_the_one_is_no_sign_of_a_stuck_server_to_the_other(
    pair: Pair, media: MediaStore, farm: list[FakeRenderServer]
) -> None:
    first, _ = pair
    second = Dispatch(first.database, media, farm, patience=replace(PATIENCE, queue=0.0))
    await queue(first, 1)
    async with sending(first, farm[0]):
        await second.fleet.check()
        assert second.fleet.ready == ["a"]
        assert [server.state for server in await second.store.servers()] == ["ready"]


async def test_what_the_one_leaves_behind_is_taken_up_by_the_other(pair: Pair, farm: list[FakeRenderServer]) -> None:
    first, second = pair
    await queue(first, 2)
    async with sending(first, farm[0]), sending(first, farm[0]):
        await second.fleet.check()
        assert not await second.workers["a"].step()
    await second.fleet.check()
    farm[0].render_seconds = 0.0
    assert await second.work() == 2
    assert len(farm[0].submitted) == 2, "nothing was rendered twice"
    assert len(await said(second.database, "segment.generated")) == 2


async def test_a_prompt_that_is_just_being_sent_is_counted_once(
    pair: Pair, farm: list[FakeRenderServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = pair
    await queue(first, 1)
    submit, counted = farm[0].submit, []

    async def submit_and_look(**asked: Any) -> None:
        await submit(**asked)
        await first.fleet.check()
        counted.append(first.fleet.ours("a"))

    monkeypatch.setattr(farm[0], "submit", submit_and_look)
    async with sending(first, farm[0]):
        assert counted == [1]
