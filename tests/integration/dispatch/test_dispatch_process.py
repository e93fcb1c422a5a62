"""Dispatch as its own process against the render stand-in as its own process, killed at the worst time."""

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from shared.contracts.generation import GenerationCancelRequested
from shared.media import MediaStore
from tests.support.dispatch import Dispatch, said
from tests.support.processes import Service, prompts_of, service_of
from tests.support.standin import HELD_SECONDS, StandInProcess, running_standin

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInProcess]:
    with running_standin(tmp_path_factory.mktemp("standin")) as process:
        yield process


@pytest.fixture
async def service(
    settings_of: Any, databases: Any, media: MediaStore, standin: StandInProcess, tmp_path: Path
) -> AsyncIterator[Service]:
    standin.request("DELETE", "/standin/faults")
    outside = Dispatch(await databases("dispatch"), media, [])
    with service_of(settings_of("dispatch"), outside, tmp_path / "dispatch.log", servers=[standin.url]) as service:
        yield service


async def test_the_same_request_twice_gives_the_same_frames_from_different_prompts(
    service: Service, standin: StandInProcess
) -> None:
    service.start()
    await service.request(segments=3)
    first = await service.until_generated(3)
    await service.request(segments=3)
    both = await service.until_generated(6)
    second = [event for event in both if event["scene_id"] != first[0]["scene_id"]]
    assert [e["clip"]["frame_digest"] for e in first] == [e["clip"]["frame_digest"] for e in second]
    assert len({e["prompt_id"] for e in both}) == 6 and {e["prompt_id"] for e in both} <= prompts_of(standin)
    assert [e["clip"]["frames"] for e in first] == [5, 5, 5] and first[0]["clip"]["width"] == 64
    assert first[0]["environment"]["engine"].startswith("ComfyUI")
    assert first[0]["render_seconds"] > 0


async def test_killed_while_its_prompt_runs_it_adopts_that_prompt_after_a_restart(
    service: Service, standin: StandInProcess
) -> None:
    before = prompts_of(standin)
    with standin.held():
        service.start()
        await service.request(segments=1)
        await service.until_attempts(submitted=1)
        service.kill()
        assert await service.generated() == []
        service.start()
    [generated] = await service.until_generated(1)
    assert generated["attempt"] == 1
    assert prompts_of(standin) - before == {generated["prompt_id"]}, "nothing was rendered twice"


async def test_a_stand_in_restart_that_loses_the_queue_costs_one_attempt(
    service: Service, standin: StandInProcess
) -> None:
    with standin.held():
        service.start()
        await service.request(segments=2)
        await service.until_attempts(submitted=1)
        standin.restart()
    generated = await service.until_generated(2)
    assert [(e["position"], e["attempt"]) for e in generated] == [(1, 2), (2, 1)]
    assert {e["prompt_id"] for e in generated} == prompts_of(standin)
    assert await service.outside.database.fetchval("SELECT sum(repeated_renders) FROM generation_jobs") == 1


async def test_a_dead_executor_is_noticed_and_the_work_is_done_after_the_servers_restart(
    service: Service, standin: StandInProcess
) -> None:
    """Somebody sends it a node without `inputs`: it answers as ever, and renders nothing more."""
    poison = {"1": {"class_type": "PreviewAny", "inputs": {"source": "x"}}, "2": {"class_type": "LoadImage"}}
    standin.request("POST", "/prompt", {"prompt": poison, "prompt_id": "poison"})
    service.environment["DISPATCH_QUEUE_TIMEOUT_SECONDS"] = "1"
    service.start()
    await service.request(segments=1)

    async def stuck() -> bool:
        problem = await service.outside.database.fetchval("SELECT problem FROM render_servers WHERE state = 'stuck'")
        return "poison" in str(problem)

    await service.until(stuck)
    assert await service.generated() == []
    standin.restart()
    await service.until_generated(1)
    assert await service.outside.database.fetchval("SELECT state FROM render_servers") == "ready"


async def test_an_accepted_prompt_whose_answer_is_lost_is_found_and_not_sent_again(
    service: Service, standin: StandInProcess
) -> None:
    before = prompts_of(standin)
    standin.faults(lose_next_replies=1)
    service.start()
    await service.request(segments=1)
    [generated] = await service.until_generated(1)
    assert prompts_of(standin) - before == {generated["prompt_id"]}


async def test_a_failing_node_is_named_in_the_event_that_ends_the_chain(
    service: Service, standin: StandInProcess
) -> None:
    standin.faults(fail_next_prompts=1, fail_class="KSampler", fail_kind="bad_value")
    service.start()
    await service.request(segments=2)

    async def failed() -> bool:
        return bool(await said(service.outside.database, "segment.failed"))

    await service.until(failed)
    [event] = await said(service.outside.database, "segment.failed")
    assert event["failure"]["kind"] == "node_error" and "KSampler" in event["failure"]["node"]


async def test_a_cancelled_request_leaves_the_render_server_idle(service: Service, standin: StandInProcess) -> None:
    standin.faults(extra_seconds=HELD_SECONDS)
    service.start()
    request = await service.request(segments=1)
    await service.until_attempts(submitted=1)
    await service.outside.learn(GenerationCancelRequested(request_id=request.request_id, reason="enough"))

    async def idle() -> bool:
        queue = standin.request("GET", "/queue")[1]
        return not queue["queue_running"] and not queue["queue_pending"]

    await service.until(idle)
    standin.request("DELETE", "/standin/faults")
    await service.request(segments=1)
    assert len(await service.until_generated(1)) == 1, "its place is free for the next job"


async def test_a_killed_dispatch_leaves_no_decoder_behind_and_a_stopped_one_gives_its_job_back(
    service: Service, standin: StandInProcess
) -> None:
    service.start()
    await service.request(segments=1)
    await service.until_generated(1)
    decoders = service.children()
    assert decoders
    service.kill()
    _, alive = psutil.wait_procs(decoders, timeout=60)
    assert alive == []

    standin.faults(extra_seconds=HELD_SECONDS)
    service.environment["RUSHES_DRAIN_SECONDS"] = "600"
    service.start()
    await service.request(segments=1)
    await service.until_attempts(submitted=2)
    service.kill(signal.SIGTERM)  # fails if it waits for the render: they go on without it
    assert await service.outside.database.fetchval("SELECT state FROM generation_jobs ORDER BY id DESC") == "queued"
