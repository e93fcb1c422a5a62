"""One segment again: what is rendered, what stays, what becomes stale, and what does not."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import httpx
import pytest

from services.dispatch.main import build
from services.dispatch.settings import Settings
from shared.auth import Role
from tests.support.dispatch import (
    CHARACTER,
    NODE_ERROR,
    SCENE_TYPE,
    WORKFLOW,
    Dispatch,
    generation_requested,
    said,
)
from tests.support.http import TestKeys, api_client
from tests.support.painting import PaintingServer

BODY = {"name": "harbour", "character_id": CHARACTER, "scene_type_id": SCENE_TYPE, "workflow_id": WORKFLOW, "seed": 7}
OTHER = {"seed": 4711}


@pytest.fixture
def server() -> PaintingServer:
    return PaintingServer()


@pytest.fixture
async def service(settings_of: Any, server: PaintingServer) -> AsyncIterator[tuple[Any, Dispatch]]:
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


class Studio:
    """A person with a rendered scene. Segments are named by position; an id changes with the version."""

    def __init__(self, client: httpx.AsyncClient, dispatch: Dispatch, server: PaintingServer) -> None:
        self.client, self.dispatch, self.server = client, dispatch, server
        self.scene_id = 0

    async def render(self, segments: int) -> None:
        created = await self.client.post("/api/scenes", json=BODY | {"segment_count": segments})
        assert created.status_code == 201, created.text
        self.scene_id = created.json()["id"]
        await self.dispatch.work()
        self.server.submitted.clear()

    async def segments(self) -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = (await self.client.get(f"/api/scenes/{self.scene_id}")).json()["segments"]
        return shown

    async def segment(self, position: int) -> dict[str, Any]:
        return (await self.segments())[position - 1]

    async def stale(self) -> list[int]:
        return [s["position"] for s in await self.segments() if s["is_stale"]]

    async def post(self, position: int, verb: str, body: Any = None, *, status: int = 200) -> dict[str, Any]:
        segment_id = (await self.segment(position))["id"]
        answer = await self.client.post(f"/api/segments/{segment_id}/{verb}", json=body)
        assert answer.status_code == status, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def get(self, position: int, what: str) -> dict[str, Any]:
        answer = await self.client.get(f"/api/segments/{(await self.segment(position))['id']}/{what}")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def regenerate(self, position: int, body: Any = None) -> dict[str, Any]:
        """Asked for and rendered; returns the new version."""
        asked = await self.post(position, "regenerate", body, status=202)
        await self.dispatch.work()
        return dict((await self.client.get(f"/api/segments/{asked['segment']['id']}")).json())


@pytest.fixture
def studio(client: httpx.AsyncClient, dispatch: Dispatch, server: PaintingServer) -> Studio:
    return Studio(client, dispatch, server)


async def test_regenerating_one_of_ten_segments_renders_exactly_one(studio: Studio) -> None:
    await studio.render(10)
    before = await studio.segment(5)
    seed_frame = (await studio.segment(4))["clip"]["last_frame_sha256"]
    asked = await studio.post(5, "regenerate", OTHER | {"parameters": {"cfg": 3.0}}, status=202)
    assert asked["replaces"] == before["id"] and asked["became_stale"] is None
    assert (await studio.segment(5))["id"] == before["id"], "the old version stays current until the new one is there"
    await studio.dispatch.work()

    assert len(studio.server.submitted) == 1
    after = await studio.segment(5)
    assert after["id"] == asked["segment"]["id"] and after["previous_segment_id"] == before["id"]
    assert after["regeneration_count"] == 1 and after["version"] == 2
    assert after["seed_image_sha256"] == before["seed_image_sha256"] == seed_frame
    assert after["requested_parameters"] == before["requested_parameters"] | OTHER | {"cfg": 3.0}
    assert await studio.stale() == [6, 7, 8, 9, 10]
    assert after["activation"]["became_stale"] == [6, 7, 8, 9, 10]
    assert after["activation"]["outcome"] == "changed"


async def test_the_answer_says_how_many_became_stale_when_it_waits_for_the_render(
    studio: Studio, dispatch: Dispatch
) -> None:
    await studio.render(3)
    first = await studio.segment(1)
    asked = await studio.regenerate(1, OTHER)
    assert asked["activation"]["became_stale"] == [2, 3]
    reverted = await studio.post(1, "revert")
    assert reverted["became_fresh"] == 2 and reverted["segment"]["id"] == first["id"]
    path = f"/api/segments/{first['id']}/regenerate"
    waiting = asyncio.create_task(studio.client.post(path, params={"wait_seconds": 30}, json={"seed": 9}))
    while not waiting.done():
        await dispatch.work()
        await asyncio.sleep(0.02)
    assert waiting.result().json()["became_stale"] == 2
    assert waiting.result().json()["segment"]["state"] == "generated"
    assert await studio.stale() == [2, 3]


async def test_the_old_version_stays_with_its_clip_and_scores_and_is_listed(studio: Studio, dispatch: Dispatch) -> None:
    await studio.render(2)
    old = await studio.segment(2)
    await dispatch.database.pool.execute(
        "UPDATE segments SET gate_verdict = 'warn', quality_score = 0.4 WHERE id = $1", old["id"]
    )
    new = await studio.regenerate(2, OTHER)
    for segment_id in (old["id"], new["id"]):
        listed = (await studio.client.get(f"/api/segments/{segment_id}/versions")).json()["items"]
        assert [version["id"] for version in listed] == [new["id"], old["id"]]
    kept = listed[1]
    assert kept["clip"] == old["clip"] and kept["quality_score"] == 0.4 and kept["gate_verdict"] == "warn"
    assert not kept["is_current"] and listed[0]["quality_score"] is None
    assert new["activation"]["outcome"] == "last", "nothing follows it, so nothing became stale"


async def test_a_new_clip_is_said_to_be_scored_and_to_be_current(studio: Studio, dispatch: Dispatch) -> None:
    await studio.render(3)
    new = await studio.regenerate(2, OTHER)
    generated = (await said(dispatch.database, "segment.generated"))[-1]
    assert generated["segment_id"] == new["id"] and generated["version"] == 2
    activated = await said(dispatch.database, "segment.activated")
    assert activated[-1]["segment_id"] == new["id"] and activated[-1]["reason"] == "regenerated"
    assert [event["sequence"] for event in activated] == sorted({event["sequence"] for event in activated})
    [staled] = await said(dispatch.database, "segment.staled")
    assert [one["position"] for one in staled["became_stale"]] == [3] and staled["stale_count"] == 1
    assert staled["became_stale"][0]["causes"][0]["segment_id"] == new["id"]


async def test_what_the_scene_is_made_with_is_said_again_only_when_it_changed(
    studio: Studio, dispatch: Dispatch
) -> None:
    async def plans() -> list[tuple[int, int]]:
        """Sequence, and the seed of the second segment."""
        events = await said(dispatch.database, "scene.configured")
        return [(event["sequence"], event["segments"][1]["parameters"]["seed"]) for event in events]

    await studio.render(2)
    [(_, seed)] = await plans()
    await studio.regenerate(2)
    assert len(await plans()) == 1
    await studio.regenerate(2, OTHER)
    await studio.post(2, "revert")
    sequences, seeds = zip(*await plans(), strict=True)
    assert seeds == (seed, OTHER["seed"], seed)
    assert list(sequences) == sorted(set(sequences))


async def test_the_same_bytes_at_the_end_leave_the_rest_fresh_and_the_reason_is_kept(studio: Studio) -> None:
    await studio.render(3)
    again = await studio.regenerate(1)
    assert await studio.stale() == []
    assert again["activation"]["outcome"] == "equal_bytes" and again["activation"]["reason"]


async def test_a_difference_nobody_sees_leaves_the_rest_fresh_and_drift_does_not_add_up(
    studio: Studio, dispatch: Dispatch
) -> None:
    await studio.render(3)
    old = await studio.segment(1)
    studio.server.nearly = {8: 7}
    alike = await studio.regenerate(1, {"seed": 8})
    assert alike["clip"]["last_frame_sha256"] != old["clip"]["last_frame_sha256"]
    assert alike["activation"]["outcome"] == "perceptually_equal" and await studio.stale() == []
    ssim = await dispatch.database.fetchval("SELECT min(ssim) FROM frame_comparisons")
    assert 0.98 <= ssim < 1
    await studio.regenerate(1, {"seed": 99})
    assert await studio.stale() == [2, 3]


async def test_a_stale_segment_names_its_cause_with_the_whole_chain(studio: Studio) -> None:
    await studio.render(4)
    new = await studio.regenerate(2, OTHER)
    [cause] = (await studio.segment(4))["stale_causes"]
    assert cause["position"] == 2 and cause["segment_id"] == new["id"] and cause["chain"] == [2, 3, 4]
    assert cause["given"] == new["clip"]["last_frame_sha256"] and cause["ssim"] < 0.98


async def test_approving_or_regenerating_clears_staleness_and_nothing_else_does(studio: Studio) -> None:
    await studio.render(4)
    await studio.regenerate(1, OTHER)
    assert await studio.stale() == [2, 3, 4]
    await studio.post(3, "reject")
    assert await studio.stale() == [2, 3, 4]
    await studio.post(3, "approve")
    assert await studio.stale() == [2, 4]
    new = await studio.regenerate(2)
    assert new["seed_image_sha256"] == (await studio.segment(1))["clip"]["last_frame_sha256"]
    assert await studio.stale() == [], "the same picture again: what came after it fits"


async def test_an_approval_of_what_was_seen_before_it_became_stale_is_refused(studio: Studio) -> None:
    await studio.render(2)
    seen = (await studio.client.get(f"/api/scenes/{studio.scene_id}")).json()["revision"]
    await studio.regenerate(1, OTHER)
    refused = await studio.post(2, "approve", {"seen_revision": seen}, status=409)
    assert "look at it again" in refused["detail"]
    now = (await studio.client.get(f"/api/scenes/{studio.scene_id}")).json()["revision"]
    assert (await studio.post(2, "approve", {"seen_revision": now}))["is_stale"] is False


async def test_a_revert_restores_the_bytes_and_clears_what_the_change_caused(studio: Studio) -> None:
    await studio.render(3)
    before = await studio.segments()
    await studio.regenerate(1, OTHER)
    await studio.regenerate(1, {"seed": 12})
    reverted = (await studio.client.post(f"/api/segments/{before[0]['id']}/revert")).json()
    assert reverted["segment"]["clip"] == before[0]["clip"] and reverted["became_fresh"] == 2
    assert [s["clip"] for s in await studio.segments()] == [s["clip"] for s in before]
    assert await studio.stale() == [] and len(studio.server.submitted) == 2, "a revert renders nothing"


async def test_a_first_version_has_nothing_to_go_back_to(studio: Studio) -> None:
    await studio.render(1)
    refused = await studio.post(1, "revert", status=409)
    assert "nothing to go back to" in refused["detail"]


async def test_the_facts_of_the_confirmation_come_before_anything_is_rendered(studio: Studio) -> None:
    await studio.render(5)
    await studio.post(4, "approve")
    await studio.dispatch.database.pool.execute("UPDATE segments SET render_seconds = 12.5 WHERE position = 2")
    facts = await studio.get(2, "regeneration")
    assert facts["message"] == "This will regenerate segment 2. Segments 3-5 may need re-checking."
    assert [one["position"] for one in facts["may_need_rechecking"]] == [3, 4, 5]
    assert [one["position"] for one in facts["approvals_affected"]] == [4]
    assert facts["render_seconds"] == 12.5
    last = await studio.get(5, "regeneration")
    assert last["message"] == "This will regenerate segment 5."
    assert studio.server.submitted == []


async def test_a_locked_segment_is_replaced_only_when_it_is_named(studio: Studio) -> None:
    await studio.render(2)
    locked = await studio.post(1, "lock")
    assert locked["is_locked"]
    refused = await studio.post(1, "regenerate", OTHER, status=409)
    assert "unlock it" in refused["detail"]
    await studio.post(1, "unlock")
    await studio.post(1, "lock")
    new = await studio.regenerate(1, OTHER | {"overwrite": [locked["id"]]})
    assert new["is_current"] and not new["is_locked"]


@pytest.mark.parametrize("protection", ["approve", "lock"])
async def test_what_was_approved_or_locked_meanwhile_is_not_overwritten(studio: Studio, protection: str) -> None:
    await studio.render(2)
    old = await studio.segment(1)
    asked = await studio.post(1, "regenerate", OTHER, status=202)
    await studio.post(1, protection)
    await studio.dispatch.work()
    assert (await studio.segment(1))["id"] == old["id"] and await studio.stale() == []
    kept = (await studio.client.get(f"/api/segments/{asked['segment']['id']}")).json()
    assert kept["state"] == "generated" and kept["activation"]["outcome"] == "held"


async def test_a_second_regeneration_of_a_position_waits_for_the_first(studio: Studio) -> None:
    await studio.render(1)
    await studio.post(1, "regenerate", OTHER, status=202)
    refused = await studio.post(1, "regenerate", OTHER, status=409)
    assert "is being regenerated" in refused["detail"]


async def test_a_regeneration_that_fails_leaves_the_scene_as_it_was(studio: Studio, dispatch: Dispatch) -> None:
    await studio.render(3)
    before = await studio.segments()
    studio.server.failures = [NODE_ERROR]
    failed = await studio.regenerate(2, OTHER)
    assert failed["state"] == "failed" and failed["failure"]["kind"] == "node_error" and not failed["is_current"]
    assert await studio.segments() == before
    assert (await studio.client.get(f"/api/scenes/{studio.scene_id}")).json()["state"] == "completed"
    assert (await studio.regenerate(2, OTHER))["is_current"], "it can be asked for again"


async def test_a_parameter_the_workflow_has_no_place_for_is_refused(studio: Studio) -> None:
    await studio.render(1)
    refused = await studio.post(1, "regenerate", {"parameters": {"negative_prompt": "blur"}}, status=422)
    assert "no binding for negative_prompt" in refused["detail"]


async def test_a_services_renders_are_not_regenerated(studio: Studio, dispatch: Dispatch) -> None:
    request = generation_requested(await dispatch.ready(), segments=1)
    await dispatch.learn(request)
    await dispatch.work()
    studio.scene_id = (await dispatch.scene_of(request)).id
    refused = await studio.post(1, "regenerate", status=409)
    assert "rendered for a regression" in refused["detail"]


async def test_a_regeneration_goes_ahead_of_whole_scenes(studio: Studio, dispatch: Dispatch) -> None:
    await studio.render(1)
    await studio.client.post("/api/scenes", json=BODY | {"segment_count": 9})
    asked = await studio.post(1, "regenerate", OTHER, status=202)
    await dispatch.workers["fake"].step()
    shown = (await studio.client.get(f"/api/segments/{asked['segment']['id']}")).json()
    assert shown["state"] == "generated"


async def test_deleting_a_scene_stops_its_regeneration(studio: Studio, dispatch: Dispatch) -> None:
    await studio.render(1)
    await studio.post(1, "regenerate", OTHER, status=202)
    assert (await studio.client.delete(f"/api/scenes/{studio.scene_id}")).status_code == 204
    assert await dispatch.work() == 0


async def test_a_cascade_says_what_it_will_cost_and_void_and_renders_to_the_end(studio: Studio) -> None:
    studio.server.follows = True
    await studio.render(4)
    await studio.post(3, "approve")
    approved = await studio.segment(3)
    await studio.regenerate(1, OTHER)
    await studio.dispatch.database.pool.execute(
        "UPDATE segments SET render_seconds = 30 WHERE scene_id = $1", studio.scene_id
    )
    plan = await studio.get(1, "cascade")
    assert [one["position"] for one in plan["segments"]] == [2] and f"segment {approved['id']}" in plan["stops"]
    plan = await studio.get(1, f"cascade?overwrite={approved['id']}")
    assert [one["position"] for one in plan["segments"]] == [2, 3, 4] and plan["stops"] == ""
    assert [one["segment_id"] for one in plan["voided_approvals"]] == [approved["id"]]
    assert plan["render_minutes"] == 1.5
    studio.server.submitted.clear()

    cascade = await studio.post(1, "cascade", {"overwrite": [approved["id"]]}, status=202)
    await studio.dispatch.work()
    ended = (await studio.client.get(f"/api/cascades/{cascade['id']}")).json()
    assert ended["state"] == "completed" and len(studio.server.submitted) == 3
    assert await studio.stale() == []
    segments = await studio.segments()
    for before, after in pairwise(segments):
        assert after["seed_image_sha256"] == before["clip"]["last_frame_sha256"]
    assert segments[2]["review"] == "none" and segments[2]["id"] != approved["id"]


async def test_a_cascade_stops_where_a_frame_converges(studio: Studio) -> None:
    await studio.render(4)
    await studio.regenerate(1, OTHER)
    studio.server.submitted.clear()
    cascade = await studio.post(1, "cascade", status=202)
    await studio.dispatch.work()
    ended = (await studio.client.get(f"/api/cascades/{cascade['id']}")).json()
    assert ended["state"] == "converged" and len(studio.server.submitted) == 1
    assert await studio.stale() == []


async def test_a_cascade_stops_before_what_is_protected_and_not_named(studio: Studio) -> None:
    studio.server.follows = True
    await studio.render(4)
    await studio.post(3, "lock")
    kept = await studio.segment(3)
    await studio.regenerate(1, OTHER)
    cascade = await studio.post(1, "cascade", status=202)
    await studio.dispatch.work()
    ended = (await studio.client.get(f"/api/cascades/{cascade['id']}")).json()
    assert ended["state"] == "stopped" and "locked" in ended["reason"]
    assert (await studio.segment(3))["id"] == kept["id"] and await studio.stale() == [3, 4]
    refused = await studio.post(2, "cascade", status=409)
    assert "locked" in refused["detail"]


async def test_a_cascade_that_has_nothing_to_do_is_refused_and_leaves_no_trace(
    studio: Studio, dispatch: Dispatch
) -> None:
    await studio.render(2)
    refused = await studio.post(1, "cascade", status=409)
    assert "no segment after 1 is stale" in refused["detail"]
    assert not await dispatch.database.fetchval("SELECT count(*) FROM cascades")


async def test_a_cascade_ends_with_the_render_that_fails(studio: Studio) -> None:
    await studio.render(3)
    await studio.regenerate(1, OTHER)
    studio.server.failures = [NODE_ERROR]
    cascade = await studio.post(1, "cascade", status=202)
    await studio.dispatch.work()
    ended = (await studio.client.get(f"/api/cascades/{cascade['id']}")).json()
    assert ended["state"] == "failed" and "ValueError" in ended["reason"]
    assert await studio.stale() == [2, 3]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/segments/999/regeneration"),
        ("POST", "/api/segments/999/regenerate"),
        ("GET", "/api/segments/999/versions"),
        ("POST", "/api/segments/999/revert"),
        ("POST", "/api/segments/999/lock"),
        ("POST", "/api/segments/999/unlock"),
        ("GET", "/api/segments/999/cascade"),
        ("POST", "/api/segments/999/cascade"),
        ("GET", "/api/cascades/999"),
    ],
)
async def test_what_is_not_there_is_not_found(client: httpx.AsyncClient, method: str, path: str) -> None:
    assert (await client.request(method, path)).status_code == 404


async def test_a_viewer_sees_the_facts_and_changes_nothing(
    studio: Studio, service: tuple[Any, Dispatch], keys: TestKeys
) -> None:
    await studio.render(1)
    path = f"/api/segments/{(await studio.segment(1))['id']}"
    async with api_client(service[0], token=keys.token(Role.VIEWER)) as viewer:
        assert (await viewer.get(f"{path}/regeneration")).status_code == 200
        for verb in ("regenerate", "revert", "lock", "unlock", "cascade"):
            assert (await viewer.post(f"{path}/{verb}")).status_code == 403
