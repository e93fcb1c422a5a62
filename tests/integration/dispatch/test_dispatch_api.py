"""Dispatch over HTTP: what people may ask, and what they are told when it cannot be."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.dispatch.main import build
from services.dispatch.settings import Settings
from shared.auth import Role
from shared.contracts.types import AssetKind
from tests.support.dispatch import (
    CHARACTER,
    LORA,
    LORA_FILE,
    LORA_VERSION,
    SCENE_TYPE,
    WORKFLOW,
    Dispatch,
    FakeRenderServer,
    asset_updated,
    generation_requested,
    said,
    version_published,
)
from tests.support.http import TestKeys, api_client

BODY = {"name": "harbour", "character_id": CHARACTER, "scene_type_id": SCENE_TYPE, "workflow_id": WORKFLOW, "seed": 7}

LORA_FACTS = (
    version_published(
        version_id=LORA_VERSION,
        asset_id=LORA,
        kind=AssetKind.LORA,
        name="look",
        graph=None,
        bindings=None,
        file_name=LORA_FILE,
    ),
    asset_updated(asset_id=LORA, kind=AssetKind.LORA, name="look", version_id=LORA_VERSION),
)


@pytest.fixture
async def service(settings_of: Any) -> AsyncIterator[tuple[Any, Dispatch]]:
    """The app without its lifespan, and the same database and media with steps taken by hand."""
    server = FakeRenderServer()
    chassis = build(Settings(**settings_of("dispatch"), fact_patience_seconds=0), servers=[server])
    await chassis.database.open()
    dispatch = Dispatch(chassis.database, chassis.media, [server])
    await dispatch.ready()
    yield chassis.app, dispatch
    await chassis.database.close()


@pytest.fixture
async def client(service: tuple[Any, Dispatch], keys: TestKeys) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(service[0], token=keys.token(Role.CREATOR, name="grace")) as client:
        yield client


@pytest.fixture
def dispatch(service: tuple[Any, Dispatch]) -> Dispatch:
    return service[1]


async def test_a_scene_is_created_shown_and_listed_with_all_its_parameters(
    client: httpx.AsyncClient, dispatch: Dispatch
) -> None:
    created = await client.post("/api/scenes", json=BODY | {"parameters": {"cfg": 4.5}})
    assert created.status_code == 201, created.text
    scene = created.json()
    assert scene["state"] == "rendering" and scene["created_by"] == "grace"
    assert [s["requested_parameters"]["cfg"] for s in scene["segments"]] == [4.5] * 3
    await dispatch.work()
    shown = (await client.get(f"/api/scenes/{scene['id']}")).json()
    assert shown["state"] == "completed"
    assert [s["state"] for s in shown["segments"]] == ["generated"] * 3
    listed = (await client.get("/api/scenes", params={"purpose": "scene"})).json()
    assert [s["id"] for s in listed["items"]] == [scene["id"]]
    job_id = shown["segments"][0]["job_id"]
    job = (await client.get(f"/api/jobs/{job_id}")).json()
    assert job["state"] == "done" and [a["state"] for a in job["attempts"]] == ["adopted"]
    servers = (await client.get("/api/render-servers")).json()["items"]
    assert [(s["name"], s["state"]) for s in servers] == [("fake", "ready")]


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"character_id": 999}, 422, "character 999 is not known here"),
        ({"workflow_id": 999}, 422, "workflow 999"),
        ({"workflow_id": LORA}, 422, "is a lora, so it cannot be the workflow_id"),
        ({"lora_id": LORA}, 422, "no binding lora_name"),
        ({"parameters": {"negative_prompt": "blur"}}, 422, "no binding for negative_prompt"),
        ({"parameters": {"width": 1}}, 422, "width"),
        ({"segments": [{"position": 4, "seed": 1}]}, 422, "position 4 does not exist"),
        ({"segments": [{"position": 1}, {"position": 1}]}, 422, "at most once"),
        ({"seed": -1}, 422, "seed"),
        ({"seed": 2**64}, 422, "seed"),
        ({"name": ""}, 422, "name"),
        ({"tier": "huge"}, 422, "tier"),
        ({"character_id": 2**70}, 422, "character_id"),
        ({"path": "../../etc/passwd"}, 422, "path"),
        ({"parameters": "none"}, 422, "parameters"),
    ],
)
async def test_a_wish_that_cannot_work_is_refused_with_what_to_change(
    client: httpx.AsyncClient, dispatch: Dispatch, change: dict[str, Any], status: int, says: str
) -> None:
    await dispatch.learn(*LORA_FACTS)
    refused = await client.post("/api/scenes", json=BODY | change)
    assert refused.status_code == status, refused.text
    assert says in refused.json()["detail"]
    assert refused.headers["content-type"] == "application/problem+json"
    assert not await dispatch.database.fetchval("SELECT count(*) FROM scenes")


@pytest.mark.parametrize("path", ["/api/scenes/77", "/api/segments/77", "/api/jobs/77"])
async def test_unknown_ids_are_not_found(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("path", ["/api/scenes/0", "/api/scenes/x", f"/api/scenes/{2**70}", "/api/scenes?cursor=%00"])
async def test_ids_and_cursors_that_cannot_be_are_refused(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 422


async def test_a_review_is_said_and_only_a_generated_segment_can_have_one(
    client: httpx.AsyncClient, dispatch: Dispatch
) -> None:
    scene = (await client.post("/api/scenes", json=BODY)).json()
    first, second = (segment["id"] for segment in scene["segments"][:2])
    await dispatch.workers["fake"].step()
    approved = await client.post(f"/api/segments/{first}/approve", json={"note": "lovely"})
    assert approved.json()["review"] == "approved" and approved.json()["reviewed_by"] == "grace"
    assert (await client.post(f"/api/segments/{first}/reject")).json()["review"] == "rejected"
    assert (await client.post(f"/api/segments/{second}/approve")).status_code == 409
    assert (await client.post("/api/segments/999/approve")).status_code == 404
    assert [event["decision"] for event in await said(dispatch.database, "segment.reviewed")] == [
        "approved",
        "rejected",
    ]


async def test_a_viewer_looks_and_changes_nothing(service: tuple[Any, Dispatch], keys: TestKeys) -> None:
    async with api_client(service[0], token=keys.token(Role.VIEWER)) as viewer:
        assert (await viewer.get("/api/scenes")).status_code == 200
        assert (await viewer.post("/api/scenes", json=BODY)).status_code == 403
        assert (await viewer.post("/api/scenes/1/cancel")).status_code == 403
        assert (await viewer.delete("/api/scenes/1")).status_code == 403
    async with api_client(service[0]) as nobody:
        assert (await nobody.get("/api/scenes")).status_code == 401


async def test_the_same_idempotency_key_makes_one_scene(client: httpx.AsyncClient, dispatch: Dispatch) -> None:
    headers = {"Idempotency-Key": "one"}
    first = await client.post("/api/scenes", json=BODY, headers=headers)
    second = await client.post("/api/scenes", json=BODY, headers=headers)
    assert first.json() == second.json()
    assert (await client.post("/api/scenes", json=BODY | {"name": "other"}, headers=headers)).status_code == 422
    assert await dispatch.database.fetchval("SELECT count(*) FROM scenes") == 1


async def test_pages_follow_each_other_newest_first(client: httpx.AsyncClient) -> None:
    ids = [(await client.post("/api/scenes", json=BODY)).json()["id"] for _ in range(3)]
    first = (await client.get("/api/scenes", params={"limit": 2})).json()
    second = (await client.get("/api/scenes", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [s["id"] for s in first["items"] + second["items"]] == ids[::-1]


async def test_a_scene_is_cancelled_and_deleted(client: httpx.AsyncClient, dispatch: Dispatch) -> None:
    scene = (await client.post("/api/scenes", json=BODY)).json()
    assert (await client.post(f"/api/scenes/{scene['id']}/cancel")).json()["state"] == "cancelled"
    assert (await client.post(f"/api/scenes/{scene['id']}/cancel")).status_code == 409
    assert (await client.delete(f"/api/scenes/{scene['id']}")).status_code == 204
    assert (await client.delete(f"/api/scenes/{scene['id']}")).status_code == 404


async def test_a_requests_scene_is_listed_by_its_purpose(client: httpx.AsyncClient, dispatch: Dispatch) -> None:
    await dispatch.learn(generation_requested("a" * 64))
    listed = (await client.get("/api/scenes", params={"purpose": "regression"})).json()["items"]
    assert [scene["purpose"] for scene in listed] == ["regression"]
    await dispatch.work()
    jobs = (await client.get("/api/jobs", params={"state": "failed"})).json()["items"]
    assert jobs[0]["failure"]["message"].startswith("the seed image aaaa")


async def test_every_route_describes_itself(service: tuple[Any, Dispatch]) -> None:
    for path, methods in service[0].openapi()["paths"].items():
        for method, operation in methods.items():
            assert operation.get("summary") and operation.get("tags"), f"{method} {path}"
