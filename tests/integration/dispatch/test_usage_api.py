"""What was rendered and what was saved, over HTTP, from a ledger that outlives scenes."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from services.dispatch.main import build
from services.dispatch.settings import Settings
from services.dispatch.store.usage import USAGE
from shared.auth import Role
from shared.clock import utc_now
from shared.contracts.character import CharacterDeleted
from tests.support.dispatch import (
    CHARACTER,
    PROJECT,
    SCENE_TYPE,
    WORKFLOW,
    Dispatch,
    FakeRenderServer,
    generation_requested,
    said,
    score,
)
from tests.support.http import TestKeys, api_client

SCENE = {"name": "harbour", "character_id": CHARACTER, "scene_type_id": SCENE_TYPE, "workflow_id": WORKFLOW, "seed": 7}
SHOT = {"character_id": CHARACTER, "scene_type_id": SCENE_TYPE, "workflow_id": WORKFLOW}
Studio = tuple[httpx.AsyncClient, Dispatch]


@pytest.fixture
async def studio(settings_of: Any, keys: TestKeys) -> AsyncIterator[Studio]:
    server = FakeRenderServer()
    chassis = build(Settings(**settings_of("dispatch"), fact_patience_seconds=0), servers=[server])
    await chassis.database.open()
    dispatch = Dispatch(chassis.database, chassis.media, [server])
    await dispatch.ready()
    async with api_client(chassis.app, token=keys.token(Role.CREATOR, name="grace")) as client:
        yield client, dispatch
    await chassis.database.close()


async def rendered_scene(studio: Studio, **changes: Any) -> dict[str, Any]:
    """A finished scene whose segment n took n * 10 seconds, as the ledger has it too."""
    client, dispatch = studio
    made = await client.post("/api/scenes", json=SCENE | changes)
    assert made.status_code == 201, made.text
    await dispatch.work()
    for table in ("segments", "usage_entries"):
        column = "id" if table == "segments" else "segment_id"
        await dispatch.database.pool.execute(
            f"""
            UPDATE {table} AS target SET render_seconds = 10 * segment.position, queued_seconds = 1
            FROM segments AS segment WHERE segment.id = target.{column} AND segment.scene_id = $1
            """,
            made.json()["id"],
        )
    found: dict[str, Any] = (await client.get(f"/api/scenes/{made.json()['id']}")).json()
    return found


async def usage(studio: Studio, **query: Any) -> dict[str, Any]:
    answer = await studio[0].get("/api/usage", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def by_kind(found: dict[str, Any]) -> dict[str, int]:
    return {row["kind"]: row["segments"] for row in found["rendered"] if row["segments"]}


async def test_every_kind_of_work_is_told_apart(studio: Studio) -> None:
    client, dispatch = studio
    scene = await rendered_scene(studio)
    await client.post(f"/api/segments/{scene['segments'][2]['id']}/regenerate")
    await client.post("/api/test-shots", json=SHOT)
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=2))
    await dispatch.work()
    found = await usage(studio)
    assert by_kind(found) == {"scene": 3, "regeneration": 1, "test_shot": 1, "regression": 2}
    assert [row["kind"] for row in found["rendered"]] == ["test_shot", "regeneration", "retry", "scene", "regression"]
    in_scene = next(row for row in found["rendered"] if row["kind"] == "scene")
    assert (in_scene["render_seconds"], in_scene["queued_seconds"]) == (60, 3)


async def test_a_retry_under_another_seed_is_counted_as_one(studio: Studio) -> None:
    client, dispatch = studio
    await client.post("/api/scenes", json=SCENE | {"segment_count": 1, "score_gate": {"retries": 1}})
    await dispatch.work()
    [event] = await said(dispatch.database, "segment.generated")
    await dispatch.hear(score(event, verdict="fail"))
    await dispatch.work()
    found = await usage(studio)
    assert by_kind(found) == {"scene": 1, "retry": 1}
    assert found["saved_by_regeneration"]["segments"] == 0


def ends_otherwise(dispatch: Dispatch, *, frames: int) -> None:
    """Clips of the server have so many frames from now on: their last frames differ from those of other lengths."""
    server = dispatch.fleet.servers["fake"]
    assert isinstance(server, FakeRenderServer)
    server._clip, server.clip_frames = None, frames


async def cascade(studio: Studio, segment: int) -> str:
    """From the segment to its end; returns how it ended."""
    client, dispatch = studio
    asked = await client.post(f"/api/segments/{segment}/cascade")
    assert asked.status_code == 202, asked.text
    await dispatch.work()
    return str((await client.get(f"/api/cascades/{asked.json()['id']}")).json()["state"])


async def test_a_regeneration_saves_the_other_segments_and_its_cascade_takes_back_what_it_renders(
    studio: Studio,
) -> None:
    client, dispatch = studio
    scene = await rendered_scene(studio)
    ends_otherwise(dispatch, frames=5)
    asked = (await client.post(f"/api/segments/{scene['segments'][0]['id']}/regenerate")).json()
    await dispatch.work()
    assert (await usage(studio))["saved_by_regeneration"] == {"segments": 2, "render_seconds": 50}
    ends_otherwise(dispatch, frames=3)
    assert await cascade(studio, asked["segment"]["id"]) == "converged"
    found = await usage(studio)
    assert by_kind(found) == {"scene": 3, "regeneration": 2}
    assert found["saved_by_regeneration"] == {"segments": 1, "render_seconds": 30}


async def test_a_cascade_after_a_revert_takes_nothing_back(studio: Studio) -> None:
    client, dispatch = studio
    scene = await rendered_scene(studio)
    first = scene["segments"][0]["id"]
    ends_otherwise(dispatch, frames=5)
    asked = (await client.post(f"/api/segments/{first}/regenerate")).json()
    await dispatch.work()
    assert await cascade(studio, asked["segment"]["id"]) == "completed"
    assert (await usage(studio))["saved_by_regeneration"] == {"segments": 0, "render_seconds": 0}
    await client.post(f"/api/segments/{first}/revert")
    assert await cascade(studio, first) in ("completed", "converged")
    found = await usage(studio)
    assert by_kind(found)["regeneration"] > 3
    assert found["saved_by_regeneration"] == {"segments": 0, "render_seconds": 0}


async def test_a_promotion_saves_what_its_shot_took_and_renders_nothing(studio: Studio) -> None:
    client, dispatch = studio
    made = await client.post("/api/scenes", json=SCENE | {"paused": True})
    shot = (await client.post(f"/api/scenes/{made.json()['id']}/test-shot", json={})).json()["id"]
    assert await dispatch.work() == 1
    await dispatch.database.pool.execute("UPDATE test_shots SET render_seconds = 12.5")
    for _ in range(2):
        promoted = await client.post(f"/api/test-shots/{shot}/promote", json={"scene_id": made.json()["id"]})
        assert promoted.status_code == 200, promoted.text
    await client.post(f"/api/scenes/{made.json()['id']}/resume")
    assert await dispatch.work() == 2
    found = await usage(studio)
    assert by_kind(found) == {"test_shot": 1, "scene": 2}
    assert found["saved_by_promotion"] == {"segments": 1, "render_seconds": 12.5}


async def test_what_was_used_is_still_known_after_everything_of_it_was_deleted(studio: Studio) -> None:
    client, dispatch = studio
    scene = await rendered_scene(studio)
    before = await usage(studio, until="2100-01-01")
    assert (await client.delete(f"/api/scenes/{scene['id']}")).status_code == 204
    await dispatch.hear(CharacterDeleted(character_id=CHARACTER, project_id=PROJECT))
    assert await usage(studio, until="2100-01-01") == before


async def test_it_is_told_by_purpose_project_and_day_and_each_can_be_asked_for(studio: Studio) -> None:
    client, dispatch = studio
    await rendered_scene(studio)
    await client.post("/api/test-shots", json=SHOT)
    await dispatch.work()
    await dispatch.database.pool.execute(
        """
        UPDATE usage_entries SET happened_at = '2026-03-05T23:59:59Z' WHERE work = 'scene';
        UPDATE usage_entries SET happened_at = '2026-03-06T00:00:00Z' WHERE work = 'test_shot';
        UPDATE usage_entries SET project_id = 9 WHERE work = 'test_shot';
        """
    )
    march = {"since": "2026-03-05", "until": "2026-03-06"}
    found = await usage(studio, **march)
    assert [(row["purpose"], row["segments"]) for row in found["by_purpose"]] == [("scene", 3), ("test_shot", 1)]
    assert [(row["project_id"], row["segments"]) for row in found["by_project"]] == [(PROJECT, 3), (9, 1)]
    assert [(row["day"], row["segments"]) for row in found["by_day"]] == [("2026-03-05", 3), ("2026-03-06", 1)]
    assert by_kind(await usage(studio, **march, project_id=9)) == {"test_shot": 1}
    assert by_kind(await usage(studio, **march, purpose="scene")) == {"scene": 3}
    assert by_kind(await usage(studio, since="2026-03-05", until="2026-03-05")) == {"scene": 3}
    assert by_kind(await usage(studio, since="2026-03-06T00:00:00Z", until="2026-03-06T00:00:01Z")) == {"test_shot": 1}
    assert by_kind(await usage(studio, since="2026-03-07", until="2026-03-08")) == {}


async def test_a_span_of_time_that_is_none_is_refused(studio: Studio) -> None:
    client, _ = studio
    for since, until in (("2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z"), ("2026-02-02", "2026-02-01")):
        assert (await client.get("/api/usage", params={"since": since, "until": until})).status_code == 422
    for wrong in (
        {"since": "yesterday"},
        {"until": "9999-12-31"},
        {"purpose": "fun"},
        {"since": "2026-01-01T12:30:00"},
    ):
        assert (await client.get("/api/usage", params=wrong)).status_code == 422


async def test_a_month_is_found_in_a_long_ledger_without_reading_all_of_it(studio: Studio) -> None:
    _, dispatch = studio
    await dispatch.database.pool.execute(
        """
        INSERT INTO usage_entries (entry, work, purpose, tier, project_id, scene_id, segment_id, segments,
            render_seconds, happened_at)
        SELECT 'rendered', 'scene', 'scene', 'full', n % 5, n, n, 1, 3, timestamptz '2020-01-01' + n * interval '1 hour'
        FROM generate_series(1, 20000) AS n
        """
    )
    await dispatch.database.pool.execute("ANALYZE usage_entries")
    span = (datetime(2021, 1, 1, tzinfo=UTC), datetime(2021, 1, 31, tzinfo=UTC))
    rows = await dispatch.database.fetch("EXPLAIN " + USAGE, *span, None, None)
    plan = "\n".join(row[0] for row in rows)
    assert "idx_usage_entries_happened_at" in plan and "Seq Scan" not in plan, plan


async def test_viewers_may_look(studio: Studio, keys: TestKeys) -> None:
    client, _ = studio
    client.headers["authorization"] = f"Bearer {keys.token(Role.VIEWER)}"
    assert (await client.get("/api/usage")).status_code == 200
    assert datetime.fromisoformat((await client.get("/api/usage")).json()["until"]) <= utc_now()
