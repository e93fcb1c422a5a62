"""A server is given only what it can run; of those that can, the least loaded takes it."""

from typing import Any

import pytest

from services.dispatch.adapters.render_server import PermanentRenderError
from shared.contracts.types import AssetKind
from shared.contracts.workflow import NodeInput
from shared.media import MediaStore
from tests.support.dispatch import (
    BINDINGS,
    CHECKSUM,
    GRAPH,
    LORA,
    LORA_FILE,
    LORA_VERSION,
    WORKFLOW_VERSION,
    Dispatch,
    FakeRenderServer,
    generation_requested,
    said,
    version_published,
)
from tests.support.standin import CHECKPOINT

EVERY_CLASS: dict[str, Any] = {node["class_type"]: {} for node in GRAPH.values()} | {
    "CheckpointLoaderSimple": {"input": {"required": {"ckpt_name": [[CHECKPOINT], {}]}}}
}
NO_SAMPLER = {name: described for name, described in EVERY_CLASS.items() if name != "KSampler"}
OTHER_FILES = EVERY_CLASS | {"CheckpointLoaderSimple": {"input": {"required": {"ckpt_name": [["x.safetensors"], {}]}}}}


@pytest.fixture
async def farm() -> list[FakeRenderServer]:
    return [FakeRenderServer(name="a"), FakeRenderServer(name="b", node_descriptions=EVERY_CLASS)]


@pytest.fixture
async def dispatch(databases: Any, media: MediaStore, farm: list[FakeRenderServer]) -> Dispatch:
    return Dispatch(await databases("dispatch"), media, farm)


@pytest.mark.parametrize("lacking", [NO_SAMPLER, OTHER_FILES], ids=["a node class", "a model file"])
async def test_a_server_that_lacks_something_is_never_given_the_job(
    dispatch: Dispatch, farm: list[FakeRenderServer], lacking: dict[str, Any]
) -> None:
    farm[0].node_descriptions = lacking
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=3))
    assert not await dispatch.workers["a"].step()
    assert await dispatch.work() == 3
    assert farm[0].submitted == [] and len(farm[1].submitted) == 3


async def test_a_job_that_no_server_can_run_waits_with_the_reason_until_one_has_what_it_lacked(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    farm[0].node_descriptions, farm[1].node_descriptions = NO_SAMPLER, OTHER_FILES
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
    assert await dispatch.work() == 0
    job = await dispatch.only_job()
    assert (job.attempt, job.failed_attempts, job.lease_token) == (0, 0, None)
    assert (await dispatch.store.unfit())[job.needs_id] == {
        "a": ["node class KSampler"],
        "b": [f"file {CHECKPOINT} for CheckpointLoaderSimple.ckpt_name"],
    }
    farm[1].node_descriptions = EVERY_CLASS
    await dispatch.fleet.check()
    assert await dispatch.work() == 0, "a server is not asked at every look: its answer is large"
    dispatch.fleet.ask_again()
    await dispatch.fleet.check()
    assert await dispatch.work() == 1 and len(farm[1].submitted) == 1


async def test_the_only_server_that_can_takes_the_job_even_when_it_is_busier_than_one_that_cannot(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    farm[0].node_descriptions = NO_SAMPLER
    seed_image = await dispatch.ready()
    await farm[1].submit(prompt_id="somebody else's", graph={})
    farm[1].render_seconds = 0.2
    await dispatch.learn(generation_requested(seed_image, segments=1))
    await dispatch.fleet.check()
    assert await dispatch.work() == 1
    assert farm[0].submitted == []


async def test_the_file_of_the_lora_in_use_counts_not_the_one_written_in_the_graph(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    graph = GRAPH | {"3": {"class_type": "LoraLoaderModelOnly", "inputs": {"lora_name": "any.safetensors"}}}
    offers = {"LoraLoaderModelOnly": {"input": {"required": {"lora_name": [["any.safetensors"], {}]}}}}
    has_it = {"LoraLoaderModelOnly": {"input": {"required": {"lora_name": [[LORA_FILE], {}]}}}}
    farm[0].node_descriptions, farm[1].node_descriptions = EVERY_CLASS | offers, EVERY_CLASS | has_it
    seed_image = await dispatch.ready()
    plain = generation_requested(seed_image, segments=1)
    bound = BINDINGS.model_copy(update={"lora_name": NodeInput(node="3", input="lora_name")})
    version = plain.assets[0].model_copy(update={"version_id": WORKFLOW_VERSION + 1})
    lora = plain.assets[0].model_copy(
        update={"asset_id": LORA, "version_id": LORA_VERSION, "kind": AssetKind.LORA, "file_name": LORA_FILE}
    )
    await dispatch.learn(
        version_published(version_id=version.version_id, graph=graph, bindings=bound),
        version_published(
            version_id=LORA_VERSION, asset_id=LORA, kind=AssetKind.LORA, name="look", checksum=CHECKSUM,
            file_name=LORA_FILE, graph=None, bindings=None,
        ),
        generation_requested(seed_image, segments=1, assets=(version, lora)),
        generation_requested(seed_image, segments=1, assets=(version,)),
    )  # fmt: skip
    await dispatch.work()
    with_lora, without = sorted(await said(dispatch.database, "segment.generated"), key=lambda e: -len(e["assets"]))
    assert (with_lora["server"], without["server"]) == ("b", "a")


async def test_a_published_version_is_compared_with_every_server_at_once(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    farm[0].node_descriptions = NO_SAMPLER
    await dispatch.fleet.check()
    asked = []
    dispatch.facts._published = lambda: asked.append(True)
    await dispatch.learn(version_published())
    [lacks] = (await dispatch.store.unfit()).values()
    assert lacks == {"a": ["node class KSampler"]} and asked == [True]


async def test_what_a_server_lacks_is_known_before_it_is_given_anything(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    farm[0].node_descriptions = NO_SAMPLER
    farm[0].away = farm[1].away = True
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
    farm[0].away = False
    await dispatch.fleet.check()
    assert dispatch.fleet.ready == ["a"] and not await dispatch.workers["a"].step()


async def test_a_refusal_by_a_server_that_lost_a_file_is_no_mark_against_the_job(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    farm[0].node_descriptions = EVERY_CLASS
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
    farm[0].node_descriptions = OTHER_FILES
    farm[0].refuse = PermanentRenderError("Value not in list: ckpt_name", kind="invalid_graph")
    assert await dispatch.workers["a"].step()
    assert not await dispatch.workers["a"].step(), "it is not tried there again"
    await dispatch.work()
    [generated] = await said(dispatch.database, "segment.generated")
    job = await dispatch.only_job()
    assert (generated["server"], job.failed_attempts, job.repeated_renders) == ("b", 0, 0)


async def test_a_refusal_by_a_server_that_has_everything_ends_the_job(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    farm[0].node_descriptions = EVERY_CLASS
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
    farm[0].refuse = PermanentRenderError("Value 99 bigger than max", kind="invalid_graph")
    assert await dispatch.workers["a"].step()
    [failed] = await said(dispatch.database, "segment.failed")
    assert failed["failure"]["kind"] == "invalid_graph"


async def test_work_queued_before_needs_were_written_down_is_compared_when_the_service_starts(
    dispatch: Dispatch, farm: list[FakeRenderServer]
) -> None:
    farm[0].node_descriptions = NO_SAMPLER
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
    pool = dispatch.database.pool
    await pool.execute("UPDATE render_needs SET requirements = NULL")
    await pool.execute("DELETE FROM unfit_servers")
    dispatch.fleet.ask_again()
    await dispatch.fleet.check()
    assert [list(servers) for servers in (await dispatch.store.unfit()).values()] == [["a"]]
