"""Batches of test shots over HTTP: the plan first, then each valid cell exactly once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.dispatch.main import build
from services.dispatch.settings import Settings
from services.dispatch.store import Store
from shared.auth import Role
from shared.contracts.types import AssetId, AssetVersionId
from tests.support.dispatch import (
    CHARACTER,
    NODE_ERROR,
    SCENE_TYPE,
    WORKFLOW,
    Dispatch,
    FakeRenderServer,
    asset_updated,
    character_updated,
    seed_image_bytes,
    version_published,
)
from tests.support.http import TestKeys, api_client
from tests.support.standin import image_to_video_graph

CONFIGURATIONS = [
    {"name": "soft", "workflow_id": WORKFLOW, "parameters": {"cfg": 3.0}},
    {"name": "hard", "workflow_id": WORKFLOW, "parameters": {"cfg": 8.0}},
]
BATCH = {"scene_type_id": SCENE_TYPE, "character_ids": [CHARACTER, 21, 22], "configurations": CONFIGURATIONS}


@pytest.fixture
def fakes() -> list[FakeRenderServer]:
    return [FakeRenderServer(name="one"), FakeRenderServer(name="two")]


@pytest.fixture
async def batches(
    settings_of: Any, fakes: list[FakeRenderServer], keys: TestKeys
) -> AsyncIterator[tuple[httpx.AsyncClient, Dispatch]]:
    chassis = build(Settings(**settings_of("dispatch"), fact_patience_seconds=0), servers=list(fakes))
    await chassis.database.open()
    dispatch = Dispatch(chassis.database, chassis.media, fakes)
    await dispatch.ready()
    image = await dispatch.media.put_bytes(seed_image_bytes(80))
    await dispatch.learn(*(character_updated(image, character_id=n, name=f"c{n}") for n in (21, 22)))
    async with api_client(chassis.app, token=keys.token(Role.CREATOR, name="grace")) as client:
        yield client, dispatch
    await chassis.database.close()


async def sent(client: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post("/api/test-shots/batch", json=body)
    assert answer.status_code == 201, answer.text
    plan: dict[str, Any] = answer.json()
    return plan


async def test_a_batch_answers_with_its_plan_and_renders_every_cell_on_all_servers(
    batches: tuple[httpx.AsyncClient, Dispatch], fakes: list[FakeRenderServer]
) -> None:
    client, dispatch = batches
    plan = await sent(client, BATCH)
    assert len(plan["cells"]) == 6 and not plan["skipped"] and plan["unknown_cells"] == 6
    assert plan["finish_at"] is None, "nothing was rendered yet that could tell"
    await dispatch.work()
    progress = (await client.get(f"/api/test-shots/batches/{plan['batch_id']}")).json()
    assert progress["completed"] == 6 and progress["rendering"] == 0
    assert all(fake.submitted for fake in fakes)
    shots = (await client.get("/api/test-shots/gallery")).json()["items"]
    seeds = {(shot["character_id"], shot["parameters"]["seed"]) for shot in shots}
    assert len(seeds) == 3, "one seed per character, the same in every configuration"
    assert {(shot["character_id"], shot["cell_name"]) for shot in shots} == {
        (character, name) for character in (CHARACTER, 21, 22) for name in ("soft", "hard")
    }


async def test_a_plan_alone_renders_nothing(batches: tuple[httpx.AsyncClient, Dispatch]) -> None:
    client, dispatch = batches
    plan = await sent(client, BATCH | {"only_plan": True})
    assert plan["batch_id"] is None and len(plan["cells"]) == 6
    assert await dispatch.database.fetchval("SELECT count(*) FROM test_shots") == 0


async def test_a_batch_sent_again_skips_what_is_done_or_on_its_way_and_adds_what_failed_or_is_new(
    batches: tuple[httpx.AsyncClient, Dispatch], fakes: list[FakeRenderServer]
) -> None:
    client, dispatch = batches
    first = await sent(client, BATCH)
    fakes[0].failures = [NODE_ERROR]
    await dispatch.workers["one"].step()
    again = await sent(client, BATCH)
    assert len(again["cells"]) == 1 and len(again["skipped"]) == 5
    known = {cell["shot_id"] for cell in first["cells"]}
    assert {one["shot_id"] for one in again["skipped"]} < known
    assert all("same fingerprint" in one["reason"] for one in again["skipped"])
    await dispatch.work()
    states = await dispatch.database.fetch("SELECT state, count(*) FROM test_shots GROUP BY state ORDER BY state")
    assert [tuple(row) for row in states] == [("completed", 6), ("failed", 1)]
    assert (await sent(client, BATCH))["cells"] == []


async def test_the_same_batch_sent_at_the_same_time_makes_each_cell_once(
    batches: tuple[httpx.AsyncClient, Dispatch],
) -> None:
    client, dispatch = batches
    plans = await asyncio.gather(*(sent(client, BATCH) for _ in range(4)))
    assert sorted(len(plan["cells"]) for plan in plans) == [0, 0, 0, 6]
    assert await dispatch.database.fetchval("SELECT count(DISTINCT fingerprint) FROM test_shots") == 6
    assert await dispatch.database.fetchval("SELECT count(*) FROM test_shots") == 6


@pytest.mark.parametrize("write", ["add_batch", "add_scene", "add_shot", "queue_segment", "add_job"])
@pytest.mark.parametrize("at", [1, 6])
async def test_a_batch_that_breaks_off_at_any_write_leaves_nothing_and_is_whole_when_sent_again(
    batches: tuple[httpx.AsyncClient, Dispatch], monkeypatch: pytest.MonkeyPatch, write: str, at: int
) -> None:
    client, dispatch = batches
    original, calls = getattr(Store, write), 0

    async def dies(self: Store, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            raise RuntimeError("killed")
        return await original(self, *args, **kwargs)

    monkeypatch.setattr(Store, write, dies)
    answer = await client.post("/api/test-shots/batch", json=BATCH)
    if write == "add_batch" and at > 1:
        assert answer.status_code == 201, "a batch is written once"
        return
    assert answer.status_code == 500
    for table in ("test_shots", "test_shot_batches", "scenes", "generation_jobs"):
        assert await dispatch.database.fetchval(f"SELECT count(*) FROM {table}") == 0
    monkeypatch.undo()
    assert len((await sent(client, BATCH))["cells"]) == 6


async def died_while_working(dispatch: Dispatch, fake: FakeRenderServer, *, stage: str) -> None:
    """A worker took a cell and its process was killed at this stage; its lease has run out since."""
    assignment = await dispatch.assignments.claim(server=fake.name, ready=["one", "two"])
    assert assignment is not None
    if stage != "claimed":
        attempt = await dispatch.renders.open_attempt(assignment, server=fake.name)
        if stage != "written down":
            await fake.submit(prompt_id=str(attempt.prompt_id), graph={})
        if stage == "acknowledged":
            await dispatch.renders.submitted(assignment, attempt)
    await dispatch.database.pool.execute(
        "UPDATE generation_jobs SET leased_until = now() - interval '1 second' WHERE state = 'leased'"
    )


async def test_a_batch_killed_anywhere_while_it_renders_and_sent_again_has_each_cell_exactly_once(
    batches: tuple[httpx.AsyncClient, Dispatch], fakes: list[FakeRenderServer]
) -> None:
    """After each kill another process takes over, and the person who saw it die sends the batch again."""
    client, dispatch = batches
    await sent(client, BATCH)
    for stage in ("claimed", "written down", "sent", "acknowledged", "sent", "claimed"):
        await died_while_working(dispatch, fakes[0], stage=stage)
        dispatch = Dispatch(dispatch.database, dispatch.media, fakes)
        await dispatch.fleet.check()
        await dispatch.upkeep.leases()
        assert (await sent(client, BATCH))["cells"] == []
        assert await dispatch.workers["one"].step()
    await dispatch.work()
    rows = await dispatch.database.fetch("SELECT fingerprint, state FROM test_shots")
    assert len(rows) == len({row["fingerprint"] for row in rows}) == 6
    assert {row["state"] for row in rows} == {"completed"}
    assert await dispatch.database.fetchval("SELECT count(*) FROM segments WHERE state = 'generated'") == 6
    assert sum(len(fake.submitted) for fake in fakes) == 6, "and nothing was rendered twice"


async def test_cells_that_cannot_be_are_skipped_with_the_reason(
    batches: tuple[httpx.AsyncClient, Dispatch], fakes: list[FakeRenderServer]
) -> None:
    client, dispatch = batches
    graph = image_to_video_graph(image="placeholder.png")
    graph["99"] = {"class_type": "RareNode", "inputs": {}}
    rare = AssetId(30)
    await dispatch.learn(
        version_published(version_id=AssetVersionId(300), asset_id=rare, name="rare", graph=graph),
        asset_updated(asset_id=rare, name="rare", version_id=AssetVersionId(300)),
    )
    for fake in fakes:
        fake.node_descriptions = {node["class_type"]: {} for node in image_to_video_graph(image="x").values()}
        dispatch.fleet.is_away(fake.name)
    await dispatch.fleet.check()
    plan = await sent(
        client,
        BATCH
        | {
            "character_ids": [CHARACTER, 999],
            "configurations": [
                CONFIGURATIONS[0],
                CONFIGURATIONS[0] | {"name": "the same"},
                {"name": "rare", "workflow_id": rare},
                {"name": "unbound", "workflow_id": WORKFLOW, "parameters": {"negative_prompt": "blur"}},
            ],
        },
    )
    assert [(cell["character_id"], cell["configuration"]) for cell in plan["cells"]] == [(CHARACTER, "soft")]
    reasons = {(one["character_id"], one["configuration"]): one["reason"] for one in plan["skipped"]}
    assert "one lacks node class RareNode; two lacks node class RareNode" in reasons[CHARACTER, "rare"]
    assert "the same as configuration 'soft'" in reasons[CHARACTER, "the same"]
    assert "no binding for negative_prompt" in reasons[CHARACTER, "unbound"]
    assert "character 999 is not known here" in reasons[999, "soft"]
    fitness = (await client.get("/api/asset-versions/300/fitness")).json()["items"]
    assert fitness == [
        {"server": name, "state": "ready", "is_known": True, "lacks": ["node class RareNode"]}
        for name in ("one", "two")
    ]
    assert (await client.get("/api/asset-versions/999/fitness")).status_code == 404


async def test_render_minutes_come_from_what_the_workflow_took_before(
    batches: tuple[httpx.AsyncClient, Dispatch],
) -> None:
    client, dispatch = batches
    await sent(client, BATCH | {"character_ids": [CHARACTER]})
    await dispatch.work()
    await dispatch.database.pool.execute(
        "UPDATE segments SET render_seconds = 60, width = 64, height = 64, frames = 24 WHERE state = 'generated'"
    )
    await dispatch.database.pool.execute(
        """UPDATE segments SET parameters = parameters || '{"steps": 2}' WHERE state = 'generated'"""
    )
    body = BATCH | {"character_ids": [21, 22], "only_plan": True}
    plan = await sent(client, body)
    frames = await dispatch.database.fetchval("SELECT (parameters ->> 'frames')::int FROM test_shots LIMIT 1")
    assert plan["unknown_cells"] == 0 and plan["finish_at"] is not None
    assert plan["render_minutes"] == pytest.approx(4 * frames / 24, rel=1e-3)


async def test_fifty_characters_with_four_configurations_are_a_normal_batch(
    batches: tuple[httpx.AsyncClient, Dispatch],
) -> None:
    client, dispatch = batches
    image = await dispatch.media.put_bytes(seed_image_bytes(80))
    ids = range(1000, 1050)
    await dispatch.learn(*(character_updated(image, character_id=n, name=f"c{n}") for n in ids))
    configurations = [
        {"name": f"cfg {n}", "workflow_id": WORKFLOW, "parameters": {"cfg": float(n)}} for n in (1, 2, 3, 4)
    ]
    plan = await sent(client, BATCH | {"character_ids": list(ids), "configurations": configurations})
    assert len(plan["cells"]) == 200
    assert await dispatch.database.fetchval("SELECT count(*) FROM generation_jobs WHERE state = 'queued'") == 200


@pytest.mark.parametrize(
    "change",
    [
        {"character_ids": []},
        {"character_ids": [CHARACTER, CHARACTER]},
        {"configurations": []},
        {"configurations": [CONFIGURATIONS[0], CONFIGURATIONS[0]]},
        {"character_ids": list(range(1, 502))},
    ],
)
async def test_a_batch_that_makes_no_sense_is_refused(
    batches: tuple[httpx.AsyncClient, Dispatch], change: dict[str, Any]
) -> None:
    assert (await batches[0].post("/api/test-shots/batch", json=BATCH | change)).status_code == 422
