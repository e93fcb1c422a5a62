"""Test shots over HTTP, on a real database with a render server in memory."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.dispatch.main import build
from services.dispatch.settings import Settings
from shared.auth import Role
from shared.cause import Cause
from shared.contracts.scoring import SegmentScored
from tests.support.dispatch import (
    CHARACTER,
    NODE_ERROR,
    SCENE_TYPE,
    WORKFLOW,
    Dispatch,
    FakeRenderServer,
    character_updated,
    said,
)
from tests.support.events import delivered
from tests.support.http import TestKeys, api_client

SCENE = {"name": "harbour", "character_id": CHARACTER, "scene_type_id": SCENE_TYPE, "workflow_id": WORKFLOW, "seed": 7}
SHOT = {"character_id": CHARACTER, "scene_type_id": SCENE_TYPE, "workflow_id": WORKFLOW}


@pytest.fixture
def server() -> FakeRenderServer:
    return FakeRenderServer()


@pytest.fixture
async def app(settings_of: Any, server: FakeRenderServer) -> AsyncIterator[tuple[Any, Dispatch]]:
    chassis = build(Settings(**settings_of("dispatch"), fact_patience_seconds=0), servers=[server])
    await chassis.database.open()
    dispatch = Dispatch(chassis.database, chassis.media, [server])
    await dispatch.ready()
    yield chassis.app, dispatch
    await chassis.database.close()


@pytest.fixture
async def client(app: tuple[Any, Dispatch], keys: TestKeys) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(app[0], token=keys.token(Role.CREATOR, name="grace")) as client:
        yield client


@pytest.fixture
def dispatch(app: tuple[Any, Dispatch]) -> Dispatch:
    return app[1]


async def scored(dispatch: Dispatch, quality: float) -> None:
    """Every clip that was said gets this quality."""
    for event in await said(dispatch.database, "segment.generated"):
        answer = SegmentScored.model_validate(
            {name: event[name] for name in SegmentScored.model_fields if name in event}
            | {
                "clip_sha256": event["clip"]["sha256"],
                "metric_suite_version": "1",
                "identity_backend": {"name": "x", "version": "1", "is_identity": False},
                "status": "measured",
                "metrics": {},
                "gate_verdict": "pass",
                "quality_score": quality,
                "measure_seconds": 0,
            }
        )
        await dispatch.hear(answer, delivered(answer))


async def made(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def test_a_shot_of_a_scene_is_one_short_segment_with_every_parameter_written_down_and_a_score(
    client: httpx.AsyncClient, dispatch: Dispatch, server: FakeRenderServer
) -> None:
    scene = await made(client, "/api/scenes", SCENE)
    shot = await made(client, f"/api/scenes/{scene['id']}/test-shot", {"parameters": {"cfg": 3.5}})
    assert shot["state"] == "rendering" and shot["created_by_id"] == "grace"
    assert shot["parameters"]["cfg"] == 3.5 and shot["parameters"]["seed"] == 7
    assert 2 <= shot["parameters"]["frames"] / shot["parameters"]["fps"] <= 3
    await dispatch.work()
    await scored(dispatch, 0.75)
    done = (await client.get(f"/api/test-shots/{shot['id']}")).json()
    assert done["state"] == "completed" and done["quality_score"] == 0.75 and done["gate_verdict"] == "pass"
    assert await dispatch.media.exists(done["output_video_path"])
    assert await dispatch.media.exists(done["last_frame_path"])
    events = [e for e in await said(dispatch.database, "segment.generated") if e["purpose"] == "test_shot"]
    assert [event["segment_count"] for event in events] == [1]
    assert events[0]["parameters"] == done["parameters"] and done["assets"][0]["version_id"] == 100


async def test_a_shot_is_rendered_ahead_of_scenes_that_waited_longer(
    client: httpx.AsyncClient, dispatch: Dispatch, server: FakeRenderServer
) -> None:
    await made(client, "/api/scenes", SCENE)
    shot = await made(client, "/api/test-shots", SHOT)
    await dispatch.workers["fake"].step()
    assert (await client.get(f"/api/test-shots/{shot['id']}")).json()["state"] == "completed"


async def test_a_failed_shot_says_why(client: httpx.AsyncClient, dispatch: Dispatch, server: FakeRenderServer) -> None:
    server.failures = [NODE_ERROR]
    shot = await made(client, "/api/test-shots", SHOT)
    await dispatch.work()
    failed = (await client.get(f"/api/test-shots/{shot['id']}")).json()
    assert failed["state"] == "failed" and "ValueError" in failed["state_reason"]
    assert failed["output_video_path"] is None


async def test_a_promoted_shot_is_the_first_segment_and_its_last_frame_the_seed_of_the_second(
    client: httpx.AsyncClient, dispatch: Dispatch
) -> None:
    scene = await made(client, "/api/scenes", SCENE)
    shot = await made(client, f"/api/scenes/{scene['id']}/test-shot", {})
    await dispatch.workers["fake"].step()
    await scored(dispatch, 0.9)
    await dispatch.database.pool.execute("UPDATE segments SET render_seconds = 30 WHERE state = 'generated'")
    promoted = await client.post(f"/api/test-shots/{shot['id']}/promote", json={"scene_id": scene["id"]})
    assert promoted.status_code == 200, promoted.text
    assert [one["name"] for one in promoted.json()["differences"]] == ["frames"]
    first, second = (await client.get(f"/api/scenes/{scene['id']}")).json()["segments"][:2]
    shown = (await client.get(f"/api/test-shots/{shot['id']}")).json()
    assert first["state"] == "generated" and first["clip"]["sha256"] == shown["output_video_path"]
    assert first["quality_score"] == 0.9 == shown["quality_score"]
    assert second["state"] == "queued" and second["seed_image_sha256"] == shown["last_frame_path"]
    assert shown["is_promoted"] and shown["promoted_to_scene_id"] == scene["id"]
    assert await dispatch.database.fetchval("SELECT sum(render_seconds) FROM segments") == 30, "counted once"
    assert await dispatch.work() == 2, "segments 2 and 3 only"
    done = (await client.get(f"/api/scenes/{scene['id']}")).json()
    assert done["state"] == "completed" and done["segments"][1]["seed_image_sha256"] == shown["last_frame_path"]
    generated = [e for e in await said(dispatch.database, "segment.generated") if e["scene_id"] == scene["id"]]
    assert [event["position"] for event in generated] == [1, 2, 3] and generated[0]["render_seconds"] == 0


async def test_promoting_twice_or_at_the_same_time_changes_the_scene_once(
    client: httpx.AsyncClient, dispatch: Dispatch
) -> None:
    scene = await made(client, "/api/scenes", SCENE)
    shot = await made(client, f"/api/scenes/{scene['id']}/test-shot", {})
    await dispatch.workers["fake"].step()
    path, body = f"/api/test-shots/{shot['id']}/promote", {"scene_id": scene["id"]}
    answers = await asyncio.gather(*(client.post(path, json=body) for _ in range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.json()["segment_id"] for answer in answers}) == 1
    generated = [e for e in await said(dispatch.database, "segment.generated") if e["scene_id"] == scene["id"]]
    assert len(generated) == 1
    assert await dispatch.work() == 2


async def test_a_scene_that_was_rendered_keeps_its_old_segments_and_renders_the_later_ones_again(
    client: httpx.AsyncClient, dispatch: Dispatch
) -> None:
    scene = await made(client, "/api/scenes", SCENE)
    shot = await made(client, f"/api/scenes/{scene['id']}/test-shot", {"seed": 8})
    assert await dispatch.work() == 4
    promoted = await client.post(f"/api/test-shots/{shot['id']}/promote", json={"scene_id": scene["id"]})
    assert promoted.json()["scene_state"] == "rendering", promoted.text
    assert await dispatch.work() == 2
    segments = (await client.get(f"/api/scenes/{scene['id']}")).json()["segments"]
    assert [segment["version"] for segment in segments] == [2, 2, 2]
    assert segments[1]["seed_image_sha256"] == segments[0]["clip"]["last_frame_sha256"]
    assert await dispatch.database.fetchval("SELECT count(*) FROM segments WHERE scene_id = $1", scene["id"]) == 6


async def test_a_shot_that_does_not_fit_is_refused_with_the_differences_unless_somebody_insists(
    client: httpx.AsyncClient, dispatch: Dispatch
) -> None:
    scene = await made(client, "/api/scenes", SCENE)
    shot = await made(client, f"/api/scenes/{scene['id']}/test-shot", {"parameters": {"cfg": 3.5}, "tier": "draft"})
    await dispatch.workers["fake"].step()
    path, body = f"/api/test-shots/{shot['id']}/promote", {"scene_id": scene["id"]}
    refused = await client.post(path, json=body)
    assert refused.status_code == 409 and "tier, cfg" in refused.json()["detail"]
    found = {one["name"]: (one["first"], one["second"]) for one in refused.json()["differences"]}
    assert found["tier"] == ("draft", "full") and found["cfg"] == (3.5, 6.0)
    assert not (await client.get(f"/api/test-shots/{shot['id']}")).json()["is_promoted"]
    assert (await client.post(path, json=body | {"override": True})).status_code == 200
    planned, changed = await said(dispatch.database, "scene.configured")
    assert changed["sequence"] > planned["sequence"]
    assert planned["segments"][0]["parameters"]["cfg"] == 6.0
    assert changed["segments"][0]["parameters"] == shot["parameters"], "what repeats the scene repeats the shot"
    assert changed["segments"][1:] == planned["segments"][1:]
    assert {**changed, "segments": 0, "sequence": 0} == {**planned, "segments": 0, "sequence": 0}


async def test_nothing_a_person_approved_is_replaced_even_if_somebody_insists(
    client: httpx.AsyncClient, dispatch: Dispatch
) -> None:
    scene = await made(client, "/api/scenes", SCENE)
    shot = await made(client, f"/api/scenes/{scene['id']}/test-shot", {})
    await dispatch.work()
    await client.post(f"/api/segments/{scene['segments'][0]['id']}/approve")
    refused = await client.post(
        f"/api/test-shots/{shot['id']}/promote", json={"scene_id": scene["id"], "override": True}
    )
    assert refused.status_code == 409 and "segment 1" in refused.json()["detail"]


async def test_a_shot_is_promoted_to_one_scene_of_its_character_and_only_when_it_is_done(
    client: httpx.AsyncClient, dispatch: Dispatch
) -> None:
    scene = await made(client, "/api/scenes", SCENE)
    shot = await made(client, f"/api/scenes/{scene['id']}/test-shot", {})
    path = f"/api/test-shots/{shot['id']}/promote"
    early = await client.post(path, json={"scene_id": scene["id"]})
    assert early.status_code == 409 and "only a completed one" in early.json()["detail"]
    await dispatch.learn(character_updated("a" * 64, character_id=22, name="Bo"))
    other = await made(client, "/api/scenes", SCENE | {"character_id": 22})
    await dispatch.workers["fake"].step()
    wrong = await client.post(path, json={"scene_id": other["id"], "override": True})
    assert wrong.status_code == 409 and "character" in wrong.json()["detail"]
    assert (await client.post(path, json={"scene_id": scene["id"]})).status_code == 200
    second = await made(client, "/api/scenes", SCENE)
    again = await client.post(path, json={"scene_id": second["id"]})
    assert again.status_code == 409 and f"promoted to scene {scene['id']}" in again.json()["detail"]
    assert (await client.post(path, json={"scene_id": 9999})).status_code == 404
    assert (await client.post("/api/test-shots/9999/promote", json={"scene_id": scene["id"]})).status_code == 404


async def test_two_shots_are_shown_side_by_side_with_what_differs(
    client: httpx.AsyncClient, dispatch: Dispatch
) -> None:
    first = await made(client, "/api/test-shots", SHOT | {"seed": 1, "parameters": {"cfg": 3.0}})
    second = await made(client, "/api/test-shots", SHOT | {"seed": 1, "parameters": {"cfg": 5.0, "prompt": "rain"}})
    pair = (await client.get("/api/test-shots/pair", params={"first": first["id"], "second": second["id"]})).json()
    assert pair["first"]["id"] == first["id"] and pair["second"]["id"] == second["id"]
    assert {one["name"]: (one["first"], one["second"]) for one in pair["differences"]} == {
        "cfg": (3.0, 5.0),
        "prompt": ("a calm portrait", "rain"),
    }
    assert (await client.get("/api/test-shots/pair", params={"first": 1, "second": 999})).status_code == 404


@pytest.mark.parametrize("sort", ["date", "character", "quality"])
async def test_pages_of_the_gallery_follow_each_other_in_each_order(
    client: httpx.AsyncClient, dispatch: Dispatch, cause: Cause, sort: str
) -> None:
    await dispatch.learn(character_updated("a" * 64, character_id=1, name="Bo"))
    for n in range(7):
        await made(client, "/api/test-shots", SHOT | {"character_id": (CHARACTER, 1)[n % 2], "seed": n})
    await dispatch.database.pool.execute("UPDATE test_shots SET quality_score = (id % 3) / 4.0 WHERE id % 4 > 0")
    seen: list[dict[str, Any]] = []
    cursor = None
    while True:
        query: dict[str, Any] = {"sort": sort, "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/api/test-shots/gallery", params=query)).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    keys: dict[str, Any] = {
        "date": lambda s: (-s["id"],),
        "character": lambda s: (s["character_id"], -s["id"]),
        "quality": lambda s: (-1 * (s["quality_score"] if s["quality_score"] is not None else -1), -s["id"]),
    }
    assert len({shot["id"] for shot in seen}) == 7
    assert seen == sorted(seen, key=keys[sort])


FILTERS: dict[str, tuple[str, Any]] = {
    "scene_type_id": ("scene_type_id = 31", 31),
    "character_id": ("character_id = 32", 32),
    "workflow_id": ("workflow_id = 33", 33),
    "lora_id": ("lora_id = 34", 34),
    "creator": ("created_by_id = 'ada'", "ada"),
    "promoted": ("is_promoted = true", True),
}
"""By query parameter: what one shot has otherwise than all the others, and how it is asked for."""


@pytest.mark.parametrize("sort", ["date", "character", "quality"])
async def test_each_filter_of_the_gallery_finds_what_it_names_and_nothing_else(
    client: httpx.AsyncClient, dispatch: Dispatch, sort: str
) -> None:
    ids = {name: (await made(client, "/api/test-shots", SHOT))["id"] for name in FILTERS}
    for name, (otherwise, _) in FILTERS.items():
        await dispatch.database.pool.execute(f"UPDATE test_shots SET {otherwise} WHERE id = $1", ids[name])

    async def found(**query: Any) -> list[int]:
        page = await client.get("/api/test-shots/gallery", params={"sort": sort} | query)
        return sorted(item["id"] for item in page.json()["items"])

    for name, (_, value) in FILTERS.items():
        assert await found(**{name: value}) == [ids[name]], name
        others = [other for other in FILTERS if other != name]
        assert await found(**{name: value, others[0]: FILTERS[others[0]][1]}) == [], "filters narrow each other"
    assert await found(promoted=False) == sorted(set(ids.values()) - {ids["promoted"]})
    assert await found(creator="grace", character_id=CHARACTER, workflow_id=WORKFLOW) == sorted(
        set(ids.values()) - {ids["creator"], ids["character_id"], ids["workflow_id"]}
    )
    assert len(await found()) == 6


@pytest.mark.parametrize("cursor", ["x", "%00", "e30=", "W10=", "WyJkYXRlIixudWxsLDFd", "WyJxdWFsaXR5IiwxLDFd"])
async def test_a_cursor_that_is_none_is_refused(client: httpx.AsyncClient, cursor: str) -> None:
    assert (await client.get("/api/test-shots/gallery", params={"cursor": cursor})).status_code == 422


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/scenes/999/test-shot", {}, 404),
        ("/api/test-shots", SHOT | {"character_id": 999}, 422),
        ("/api/test-shots", SHOT | {"parameters": {"negative_prompt": "blur"}}, 422),
        ("/api/test-shots", SHOT | {"seconds": 10}, 422),
    ],
)
async def test_a_shot_that_cannot_be_is_refused(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], status: int
) -> None:
    assert (await client.post(path, json=body)).status_code == status


async def test_viewers_browse_and_change_nothing(app: tuple[Any, Dispatch], keys: TestKeys) -> None:
    async with api_client(app[0], token=keys.token(Role.VIEWER)) as viewer:
        assert (await viewer.get("/api/test-shots/gallery")).status_code == 200
        assert (await viewer.post("/api/test-shots", json=SHOT)).status_code == 403
        assert (await viewer.post("/api/scenes/1/test-shot", json={})).status_code == 403
        assert (await viewer.post("/api/test-shots/1/promote", json={"scene_id": 1})).status_code == 403


async def test_a_promotion_ends_regenerations_and_staleness_and_never_touches_what_is_locked(
    client: httpx.AsyncClient, dispatch: Dispatch
) -> None:
    scene = await made(client, "/api/scenes", SCENE)
    shot = await made(client, f"/api/scenes/{scene['id']}/test-shot", {"seed": 8})
    await dispatch.work()
    ids = [segment["id"] for segment in scene["segments"]]
    locked = await client.post(f"/api/segments/{ids[1]}/lock")
    assert locked.status_code == 200, locked.text
    path, body = f"/api/test-shots/{shot['id']}/promote", {"scene_id": scene["id"], "override": True}
    refused = await client.post(path, json=body)
    assert refused.status_code == 409 and "segment 2" in refused.json()["detail"]
    await client.post(f"/api/segments/{ids[1]}/unlock")
    asked = await client.post(f"/api/segments/{ids[2]}/regenerate", json={})
    assert asked.status_code < 300, asked.text
    assert (await client.post(path, json=body)).status_code == 200
    await dispatch.work()
    segments = (await client.get(f"/api/scenes/{scene['id']}")).json()["segments"]
    assert [segment["state"] for segment in segments] == ["generated"] * 3
    assert not any(segment["is_stale"] for segment in segments)
    assert [segment["seed_image_sha256"] for segment in segments[1:]] == [
        segment["clip"]["last_frame_sha256"] for segment in segments[:2]
    ]
    awaited = "SELECT count(*) FROM segments WHERE scene_id = $1 AND state IN ('queued', 'planned')"
    assert await dispatch.database.fetchval(awaited, scene["id"]) == 0
