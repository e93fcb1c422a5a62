"""Repaired boundaries over HTTP: what the versions say of them, and undoing."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.dispatch.main import build
from services.dispatch.operations.scenes import NewScene
from services.dispatch.settings import Settings
from shared.auth import Role
from shared.cause import Cause
from shared.contracts.boundary import BoundarySmoothed
from tests.support.boundaries import checked, repaired, smoothed
from tests.support.dispatch import CHARACTER, SCENE_TYPE, WORKFLOW, Dispatch, FakeRenderServer, said, score
from tests.support.http import TestKeys, api_client

WISH = NewScene(name="dawn", character_id=CHARACTER, scene_type_id=SCENE_TYPE, workflow_id=WORKFLOW, segment_count=2)


@pytest.fixture
async def service(settings_of: Any) -> AsyncIterator[tuple[Any, Dispatch]]:
    """The app without its lifespan, and the same database and media with steps taken by hand."""
    server = FakeRenderServer()
    chassis = build(Settings(**settings_of("dispatch"), fact_patience_seconds=0), servers=[server])
    await chassis.database.open()
    dispatch = Dispatch(chassis.database, chassis.media, [server])
    await dispatch.ready()
    await dispatch.scenes.create(WISH, Cause.begin("grace"))
    await dispatch.work()
    yield chassis.app, dispatch
    await chassis.database.close()


@pytest.fixture
async def client(service: tuple[Any, Dispatch], keys: TestKeys) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(service[0], token=keys.token(Role.CREATOR, name="grace")) as client:
        yield client


async def repair(dispatch: Dispatch, *, verdict: str = "pass") -> BoundarySmoothed:
    """Of the boundary between the two segments, on both sides, as far as its decision."""
    one, two = await dispatch.store.segments_of(1)
    event = smoothed(
        one, two, await repaired(dispatch.media, one, end=1), await repaired(dispatch.media, two, start=1, changed=0)
    )
    await dispatch.hear(event)
    await dispatch.repairing.step()
    for generated in await said(dispatch.database, "segment.generated"):
        await dispatch.hear(score(generated, verdict=verdict if generated["repair_id"] else "pass"))
    await dispatch.repairing.step()
    return event


async def test_versions_say_what_was_repaired_and_what_became_of_it(
    service: tuple[Any, Dispatch], client: httpx.AsyncClient
) -> None:
    event = await repair(service[1], verdict="fail")
    [refused, original] = (await client.get("/api/segments/1/versions")).json()["items"]
    assert refused["repair"] == {
        "repair_id": str(event.repair_id),
        "method": "frame_blending",
        "side": "after",
        "changed_frames": 8,
        "dropped_at_start": 0,
        "dropped_at_end": 1,
        "summary": "repaired boundary after, 8 frames blended, 1 dropped",
    }
    assert refused["is_candidate"] and refused["activation"]["outcome"] == "held"
    assert "sharpness: pass (0.4) before, fail (0.03) after" in refused["activation"]["reason"]
    assert original["is_current"] and original["repair"] is None and not original["is_candidate"]
    [following, _] = (await client.get("/api/segments/2/versions")).json()["items"]
    assert following["repair"]["summary"] == "repaired boundary before, 1 dropped"


async def test_undoing_answers_with_what_is_current_again_and_may_be_repeated(
    service: tuple[Any, Dispatch], client: httpx.AsyncClient
) -> None:
    event = await repair(service[1])
    assert [one["version"] for one in (await client.get("/api/scenes/1")).json()["segments"]] == [2, 2]
    for _ in range(2):
        told = await client.post(f"/api/boundary-repairs/{event.repair_id}/undo")
        assert told.status_code == 200
        assert [(one["id"], one["is_current"]) for one in told.json()["segments"]] == [(1, True), (2, True)]
        assert (told.json()["became_stale"], told.json()["became_fresh"]) == (0, 0)
    assert [one["version"] for one in (await client.get("/api/scenes/1")).json()["segments"]] == [1, 1]


async def test_what_cannot_be_undone_is_refused_with_the_reason(
    service: tuple[Any, Dispatch], client: httpx.AsyncClient
) -> None:
    unknown, refused = uuid4(), (await repair(service[1], verdict="fail")).repair_id
    missing = await client.post(f"/api/boundary-repairs/{unknown}/undo")
    assert (missing.status_code, missing.json()["detail"]) == (
        404,
        f"there is no repair {unknown} that was ever proposed: there is nothing to undo",
    )
    never = await client.post(f"/api/boundary-repairs/{refused}/undo")
    assert (never.status_code, never.json()["detail"]) == (
        409,
        f"repair {refused} is refused; there is nothing to undo",
    )
    assert (await client.post("/api/boundary-repairs/7/undo")).status_code == 422
    accepted = await repair(service[1])
    current = (await client.get("/api/scenes/1")).json()["segments"]
    await client.post(f"/api/segments/{current[0]['id']}/lock")
    locked = await client.post(f"/api/boundary-repairs/{accepted.repair_id}/undo")
    assert locked.status_code == 409 and f"segment {current[0]['id']} is locked" in locked.json()["detail"]
    body = {"overwrite": [current[0]["id"]]}
    assert (await client.post(f"/api/boundary-repairs/{accepted.repair_id}/undo", json=body)).status_code == 200


async def test_only_a_creator_undoes(service: tuple[Any, Dispatch], keys: TestKeys) -> None:
    async with api_client(service[0], token=keys.token(Role.VIEWER, name="eve")) as viewer:
        assert (await viewer.post(f"/api/boundary-repairs/{uuid4()}/undo")).status_code == 403


async def test_a_segment_shows_its_boundaries(service: tuple[Any, Dispatch], client: httpx.AsyncClient) -> None:
    one, two = await service[1].store.segments_of(1)
    await service[1].hear(checked(one, two, 0.83))
    shown = (await client.get("/api/scenes/1")).json()["segments"]
    assert [(s["boundary_ssim_before"], s["boundary_ssim_after"]) for s in shown] == [(None, 0.83), (0.83, None)]
