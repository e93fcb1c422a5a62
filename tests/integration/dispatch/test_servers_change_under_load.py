"""A dispatch process and two stand-in processes: a server is added and another drained while work runs."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.auth import Role
from shared.media import MediaStore
from tests.support.dispatch import Dispatch, generation_requested
from tests.support.http import TestKeys
from tests.support.processes import Service, prompts_of, service_of
from tests.support.standin import HELD_SECONDS, StandInProcess, running_standin

CHAINS, SEGMENTS = 6, 2


@pytest.fixture
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StandInProcess, StandInProcess]]:
    with (
        running_standin(tmp_path_factory.mktemp("first")) as first,
        running_standin(tmp_path_factory.mktemp("second")) as second,
    ):
        yield first, second


@pytest.fixture
async def service(
    settings_of: Any,
    databases: Any,
    media: MediaStore,
    pair: tuple[StandInProcess, StandInProcess],
    tmp_path: Path,
) -> AsyncIterator[Service]:
    outside = Dispatch(await databases("dispatch"), media, [])
    with service_of(settings_of("dispatch"), outside, tmp_path / "dispatch.log", servers=[pair[0].url]) as service:
        yield service


async def test_an_added_server_takes_work_a_drained_one_only_ends_its_own_and_nothing_is_lost_or_doubled(
    service: Service, pair: tuple[StandInProcess, StandInProcess], keys: TestKeys
) -> None:
    first, second = pair
    first.faults(extra_seconds=HELD_SECONDS)
    service.start()
    request = await service.request(segments=SEGMENTS)
    seed_image = request.seed_image_sha256
    await service.outside.learn(*(generation_requested(seed_image, segments=SEGMENTS) for _ in range(CHAINS - 1)))
    await service.until_attempts(submitted=2)
    assert queued(first) == 2, "one runs and one waits behind it"

    await service.until_listening()
    signed_in = {"authorization": f"Bearer {keys.token(Role.ADMIN, name='root')}"}
    async with httpx.AsyncClient(base_url=service.url, headers=signed_in, timeout=60) as client:
        added = await client.post("/api/render-servers", json={"url": second.url})
        assert added.status_code == 201, added.text

        async def second_works() -> bool:
            return len(prompts_of(second)) >= 1

        await service.until(second_works)
        drained = await client.post("/api/render-servers/drain", json={"name": first.url.removeprefix("http://")})
        assert drained.status_code == 200, drained.text
        first.faults(extra_seconds=0)

    async def first_is_idle() -> bool:
        return queued(first) == 0

    await service.until(first_is_idle)
    ended_on_first = prompts_of(first)
    assert ended_on_first, "what ran there was not taken away, and held up the rest of its chain until now"
    generated = await service.until_generated(CHAINS * SEGMENTS)
    assert prompts_of(first) == ended_on_first, "a drained server takes nothing more"
    assert Counter((event["scene_id"], event["position"]) for event in generated).most_common(1)[0][1] == 1
    assert {event["prompt_id"] for event in generated} == prompts_of(first) | prompts_of(second)
    assert {event["server"] for event in generated} == {one.url.removeprefix("http://") for one in pair}
    repeated = await service.outside.database.fetchval("SELECT sum(repeated_renders) FROM generation_jobs")
    assert (len(generated), repeated) == (CHAINS * SEGMENTS, 0)


def queued(standin: StandInProcess) -> int:
    queue = standin.request("GET", "/queue")[1]
    return len(queue["queue_running"]) + len(queue["queue_pending"])
