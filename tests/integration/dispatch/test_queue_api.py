"""The queue over HTTP: order, pauses, moves."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from services.dispatch.main import build
from services.dispatch.settings import Settings
from services.dispatch.store.queue import WAITING
from shared.auth import Role
from tests.support.dispatch import CHARACTER, SCENE_TYPE, WORKFLOW, Dispatch, FakeRenderServer, generation_requested
from tests.support.http import TestKeys, api_client

SCENE = {"name": "harbour", "character_id": CHARACTER, "scene_type_id": SCENE_TYPE, "workflow_id": WORKFLOW, "seed": 7}
SHOT = {"character_id": CHARACTER, "scene_type_id": SCENE_TYPE, "workflow_id": WORKFLOW}


@pytest.fixture
async def queue(settings_of: Any, keys: TestKeys) -> AsyncIterator[tuple[httpx.AsyncClient, Dispatch]]:
    server = FakeRenderServer()
    chassis = build(Settings(**settings_of("dispatch"), fact_patience_seconds=0), servers=[server])
    await chassis.database.open()
    dispatch = Dispatch(chassis.database, chassis.media, [server])
    await dispatch.ready()
    async with api_client(chassis.app, token=keys.token(Role.CREATOR, name="grace")) as client:
        yield client, dispatch
    await chassis.database.close()


async def scene_of(client: httpx.AsyncClient, **changes: Any) -> int:
    answer = await client.post("/api/scenes", json=SCENE | changes)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


async def order(client: httpx.AsyncClient, state: str = "waiting") -> list[int]:
    shown = (await client.get("/api/queue")).json()
    return [entry["scene_id"] for entry in shown["entries"] if entry["state"] == state]


async def step(dispatch: Dispatch) -> bool:
    return await dispatch.workers["fake"].step()


async def test_the_queue_is_shown_in_the_order_in_which_it_is_worked_off(
    queue: tuple[httpx.AsyncClient, Dispatch],
) -> None:
    client, dispatch = queue
    seed_image = await dispatch.ready()
    await dispatch.learn(generation_requested(seed_image, segments=1))
    plain, urgent = await scene_of(client, segment_count=1), await scene_of(client, segment_count=1, priority=5)
    shot = (await client.post("/api/test-shots", json=SHOT)).json()["render_scene_id"]
    entries = (await client.get("/api/queue")).json()["entries"]
    assert [entry["kind"] for entry in entries] == ["test_shot", "scene", "scene", "regression"]
    assert [entry["scene_id"] for entry in entries[:3]] == [shot, urgent, plain]
    assert entries[0]["owner"] == "grace" and entries[0]["starts_at"] is not None
    finished = []
    for entry in entries:
        assert await step(dispatch)
        finished.append((await client.get(f"/api/scenes/{entry['scene_id']}")).json()["state"])
    assert finished == ["completed"] * 4


async def test_estimates_come_from_what_such_renders_took_apart_from_their_wait(
    queue: tuple[httpx.AsyncClient, Dispatch],
) -> None:
    client, dispatch = queue
    await scene_of(client, segment_count=1)
    await dispatch.work()
    await dispatch.database.pool.execute(
        """
        UPDATE segments SET render_seconds = 30, queued_seconds = 500, width = 64, height = 64, frames = 5,
            parameters = parameters || '{"steps": 2}'
        """
    )
    for _ in range(2):
        await scene_of(client, segment_count=1)
    first, second = (await client.get("/api/queue")).json()["entries"]
    assert first["estimated_seconds"] == second["estimated_seconds"] == pytest.approx(30)
    assert first["starts_at"] < second["starts_at"]


async def test_what_waits_behind_a_running_prompt_is_shown_apart_and_starts_when_that_ends(
    queue: tuple[httpx.AsyncClient, Dispatch],
) -> None:
    client, dispatch = queue
    await scene_of(client, segment_count=1)
    await dispatch.work()
    pool = dispatch.database.pool
    await pool.execute("UPDATE segments SET render_seconds = 40, width = 64, height = 64, frames = 5")
    for _ in range(3):
        await scene_of(client, segment_count=1)
    for seconds in (10, None):
        claimed = await dispatch.assignments.claim(server="fake", ready=["fake"])
        assert claimed is not None
        attempt = await dispatch.renders.open_attempt(claimed, server="fake")
        await dispatch.renders.submitted(claimed, attempt)
        if seconds is not None:
            await dispatch.renders.began(claimed, attempt, say=False)
            await pool.execute("UPDATE generation_attempts SET began_at = now() - interval '10 seconds'")
    entries = (await client.get("/api/queue")).json()["entries"]
    assert [entry["state"] for entry in entries] == ["running", "sent", "waiting"]
    running, *others = [datetime.fromisoformat(entry["starts_at"]) for entry in entries]
    after = [(other - running).total_seconds() for other in others]
    assert after == pytest.approx([40, 80], abs=0.001), "the running one began 10 s ago and takes 40"


async def test_what_no_ready_server_can_run_is_shown_with_what_each_of_them_lacks(
    queue: tuple[httpx.AsyncClient, Dispatch],
) -> None:
    client, dispatch = queue
    server = dispatch.fleet.servers["fake"]
    assert isinstance(server, FakeRenderServer)
    server.node_descriptions = {"LoadImage": {}}
    dispatch.fleet.ask_again()
    await dispatch.fleet.check()
    await scene_of(client, segment_count=1)
    [entry] = (await client.get("/api/queue")).json()["entries"]
    [lacks] = entry["lacks"]
    assert lacks["server"] == "fake" and "node class KSampler" in lacks["lacks"]
    assert entry["starts_at"] is None
    assert (await client.get(f"/api/jobs/{entry['job_id']}")).json()["lacks"] == [lacks]


async def test_a_paused_queue_starts_nothing_until_it_is_resumed(queue: tuple[httpx.AsyncClient, Dispatch]) -> None:
    client, dispatch = queue
    await scene_of(client, segment_count=1)
    paused = (await client.put("/api/queue", json={"is_paused": True})).json()
    assert paused["is_paused"] and paused["paused_by"] == "grace"
    assert not await step(dispatch)
    entries = (await client.get("/api/queue")).json()["entries"]
    assert [entry["starts_at"] for entry in entries] == [None]
    assert not (await client.put("/api/queue", json={"is_paused": False})).json()["is_paused"]
    assert await step(dispatch)


async def test_a_paused_scene_finishes_what_runs_and_goes_on_when_it_is_resumed(
    queue: tuple[httpx.AsyncClient, Dispatch],
) -> None:
    client, dispatch = queue
    scene = await scene_of(client)
    await step(dispatch)
    assert (await client.post(f"/api/scenes/{scene}/pause")).json()["is_paused"]
    assert await order(client, "paused") == [scene] and await order(client) == []
    assert not await step(dispatch)
    await client.post(f"/api/scenes/{scene}/resume")
    assert await dispatch.work() == 2
    assert (await client.post(f"/api/scenes/{scene}/pause")).status_code == 409
    assert (await client.post("/api/scenes/999/pause")).status_code == 404


async def test_a_scene_planned_paused_takes_a_promoted_shot_before_anything_of_it_was_rendered(
    queue: tuple[httpx.AsyncClient, Dispatch],
) -> None:
    client, dispatch = queue
    scene = await scene_of(client, paused=True)
    shot = (await client.post(f"/api/scenes/{scene}/test-shot", json={})).json()["id"]
    assert await dispatch.work() == 1
    promoted = await client.post(f"/api/test-shots/{shot}/promote", json={"scene_id": scene})
    assert promoted.status_code == 200, promoted.text
    assert not await step(dispatch)
    await client.post(f"/api/scenes/{scene}/resume")
    assert await dispatch.work() == 2


async def test_a_moved_scene_and_all_its_later_segments_are_first_or_last(
    queue: tuple[httpx.AsyncClient, Dispatch],
) -> None:
    client, dispatch = queue
    a, b, c = [await scene_of(client) for _ in range(3)]
    assert await order(client) == [a, b, c]
    await client.post(f"/api/scenes/{c}/move", json={"to": "front"})
    await client.post(f"/api/scenes/{a}/move", json={"to": "back"})
    assert await order(client) == [c, b, a]
    await step(dispatch)
    assert await order(client) == [c, b, a], "its second segment is where the first was"
    assert (await client.post(f"/api/scenes/{a}/move", json={"to": "up"})).status_code == 422


async def test_the_first_of_a_long_queue_are_found_without_reading_all_of_it(
    queue: tuple[httpx.AsyncClient, Dispatch],
) -> None:
    client, dispatch = queue
    await scene_of(client)
    pool = dispatch.database.pool
    await pool.execute(
        """
        INSERT INTO segments (scene_id, position, regeneration_count, is_current, state, requested_parameters)
        SELECT (SELECT min(id) FROM scenes), 1, n, false, 'planned', '{}' FROM generate_series(1, 5000) AS n
        """
    )
    await pool.execute(
        """
        INSERT INTO generation_jobs (uid, scene_id, segment_id, turn, priority, remaining, requested_at, available_at,
            queued_at, needs_id)
        SELECT gen_random_uuid(), scene_id, id, id % 7, 0, 1 + id % 5, now(), now(), now(),
            (SELECT min(id) FROM render_needs)
        FROM segments WHERE NOT is_current
        """
    )
    await pool.execute("ANALYZE generation_jobs")
    rows = await dispatch.database.fetch("EXPLAIN " + WAITING, 50)
    plan = "\n".join(row[0] for row in rows)
    assert "idx_generation_jobs_claim" in plan and "Seq Scan on generation_jobs" not in plan, plan
    shown = (await client.get("/api/queue", params={"limit": 50})).json()
    assert shown["waiting_total"] == 5001 and len(shown["entries"]) == 50


async def test_viewers_look_and_change_nothing(
    queue: tuple[httpx.AsyncClient, Dispatch], keys: TestKeys, settings_of: Any
) -> None:
    client, _ = queue
    scene = await scene_of(client)
    client.headers["authorization"] = f"Bearer {keys.token(Role.VIEWER)}"
    assert (await client.get("/api/queue")).status_code == 200
    assert (await client.put("/api/queue", json={"is_paused": True})).status_code == 403
    for path in (f"/api/scenes/{scene}/pause", f"/api/scenes/{scene}/resume"):
        assert (await client.post(path)).status_code == 403
