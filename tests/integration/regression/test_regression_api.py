"""/api/regression as people and programs use it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from services.regression.main import build
from services.regression.settings import Settings
from shared.auth import Role
from tests.support.http import TestKeys, api_client
from tests.support.regression import LORA, Renderer, World, drifting

REFERENCES = "/api/regression/references"
RUNS = "/api/regression/runs"


class Site:
    """A world, and a client of each role."""

    def __init__(
        self, world: World, admin: httpx.AsyncClient, creator: httpx.AsyncClient, viewer: httpx.AsyncClient
    ) -> None:
        self.world = world
        self.admin = admin
        self.creator = creator
        self.viewer = viewer


@pytest.fixture
async def site(settings_of: Callable[..., dict[str, Any]], keys: TestKeys) -> AsyncIterator[Site]:
    chassis = build(Settings(**settings_of("regression")))
    await chassis.database.open()
    world = World(chassis.database)
    await world.facts()
    await world.activate(LORA, 1)
    async with (
        api_client(chassis.app, token=keys.token(Role.ADMIN, name="root")) as admin,
        api_client(chassis.app, token=keys.token(Role.CREATOR, name="maria")) as creator,
        api_client(chassis.app, token=keys.token(Role.VIEWER, name="visitor")) as viewer,
    ):
        yield Site(world, admin, creator, viewer)
    await chassis.database.close()


async def degraded(site: Site) -> int:
    await site.world.reference(101)
    await site.world.release(LORA, 2)
    await Renderer(site.world, values=drifting(2)).answer_all()
    run_id: int = (await site.world.runs())[-1].id
    return run_id


def problem(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    detail: str = response.json()["detail"]
    assert detail
    return detail


async def test_a_reference_is_designated_watched_changed_and_deleted(site: Site) -> None:
    await site.world.scene(101)
    made = await site.creator.post(REFERENCES, json={"scene_id": 101})
    assert made.status_code == 201, made.text
    reference = made.json()
    assert (reference["name"], reference["status"]) == ("Ada / close-up / scene 101", "capturing")
    assert reference["created_by"] == "maria"
    assert reference["capturing"] == {
        "baseline_version": 1,
        "renders_complete": 0,
        "renders_total": 3,
        "segments_done": 0,
        "segments_total": 9,
    }

    await Renderer(site.world).answer_all()
    path = f"{REFERENCES}/{reference['id']}"
    ready = (await site.viewer.get(path)).json()
    assert (ready["status"], ready["capturing"]) == ("ready", None)
    assert ready["baselines"][0]["scores"]["1"]["sharpness"]["mean"] == 0.3

    change = {"name": "Ada", "enabled": False, "thresholds": {"metrics": {"flicker": {"threshold": 0.1}}}}
    changed = (await site.creator.patch(path, json=change)).json()
    assert (changed["name"], changed["enabled"]) == ("Ada", False)
    assert changed["thresholds"]["metrics"]["flicker"]["threshold"] == 0.1
    unchanged = (await site.creator.patch(path, json={"name": "Ada again"})).json()
    assert unchanged["thresholds"] == changed["thresholds"]

    assert (await site.creator.delete(path)).status_code == 204
    problem(await site.viewer.get(path), 404)


async def test_references_are_listed_in_pages(site: Site) -> None:
    for scene_id in (101, 102, 103):
        await site.world.scene(scene_id)
        await site.creator.post(REFERENCES, json={"scene_id": scene_id})
    first = (await site.viewer.get(REFERENCES, params={"limit": 2})).json()
    second = (await site.viewer.get(REFERENCES, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [one["scene_id"] for one in first["items"] + second["items"]] == [101, 102, 103]
    assert second["next_cursor"] is None
    assert (await site.viewer.get(REFERENCES, params={"character_id": 99})).json()["items"] == []


async def test_a_second_reference_for_the_same_scene_is_refused(site: Site) -> None:
    await site.world.scene(101)
    first = (await site.creator.post(REFERENCES, json={"scene_id": 101})).json()
    assert f"reference {first['id']}" in problem(await site.creator.post(REFERENCES, json={"scene_id": 101}), 409)


async def test_a_scene_that_is_not_finished_or_not_there_is_no_reference(site: Site) -> None:
    await site.world.scene(101, rendered=1)
    assert "segment 2, 3" in problem(await site.creator.post(REFERENCES, json={"scene_id": 101}), 409)
    assert "no scene 999" in problem(await site.creator.post(REFERENCES, json={"scene_id": 999}), 404)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"scene_id": "one"},
        {"scene_id": 0},
        {"scene_id": 2**63},
        {"scene_id": 101, "colour": "red"},
        {"scene_id": 101, "name": ""},
        {"scene_id": 101, "name": "a\x00b"},
        {"scene_id": 101, "name": "x" * 201},
        {"scene_id": 101, "thresholds": {"metrics": {"sharpnes": {"threshold": 0.1}}}},
        {"scene_id": 101, "thresholds": {"metrics": {"sharpness": {"threshold": -1}}}},
        {"scene_id": 101, "thresholds": {"metrics": {"sharpness": {"direction": "up"}}}},
        {"scene_id": 101, "thresholds": {"metrics": {"../x": {"threshold": 1}}}},
        {"scene_id": 101, "thresholds": {"confidence": 1}},
        [],
    ],
)
async def test_a_wrong_reference_is_refused_and_nothing_is_written(site: Site, body: Any) -> None:
    await site.world.scene(101)
    problem(await site.creator.post(REFERENCES, json=body), 422)
    assert (await site.viewer.get(REFERENCES)).json()["items"] == []


async def test_a_run_is_started_by_hand_with_an_asset_or_with_references(site: Site) -> None:
    reference_id = await site.world.reference(101)
    by_asset = await site.creator.post("/api/regression/run", json={"asset_id": LORA})
    assert by_asset.status_code == 202, by_asset.text
    run = by_asset.json()
    assert (run["trigger_type"], run["status"], run["references_total"]) == ("manual", "running", 1)
    assert (run["asset"]["version"], run["requested_by"]) == (1, "maria")
    assert run["can"] == {"rollback": False, "accept": False, "cancel": True}
    by_reference = await site.creator.post("/api/regression/run", json={"reference_ids": [reference_id, reference_id]})
    assert by_reference.json()["asset"] is None
    await Renderer(site.world).answer_all()
    listed = (await site.viewer.get(RUNS, params={"outcome": "passed"})).json()["items"]
    assert {by_asset.json()["id"], by_reference.json()["id"]} <= {one["id"] for one in listed}
    assert listed[0]["id"] == by_reference.json()["id"], "newest first"


async def test_a_version_that_is_not_active_can_be_tried_before_it_is_released(site: Site) -> None:
    await site.world.reference(101)
    version_id = await site.world.publish(LORA, 2)
    run = (await site.creator.post("/api/regression/run", json={"asset_id": LORA, "version_id": version_id})).json()
    assert (run["asset"]["version"], run["asset"]["previous_version"]) == (2, None)


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({}, 422, "asset_id"),
        ({"version_id": 3202}, 422, "asset_id"),
        ({"reference_ids": []}, 422, "reference_ids"),
        ({"reference_ids": [404]}, 404, "no reference 404"),
        ({"asset_id": 404}, 404, "asset 404"),
        ({"asset_id": LORA, "version_id": 404}, 404, "no version 404"),
        ({"asset_id": LORA}, 409, "Designate a finished scene"),
        ({"asset_id": LORA, "priority": 1}, 422, "priority"),
    ],
)
async def test_a_run_that_cannot_be_is_refused(site: Site, body: Any, status: int, told: str) -> None:
    before = len(await site.world.runs())
    assert told in problem(await site.creator.post("/api/regression/run", json=body), status)
    assert len(await site.world.runs()) == before


async def test_the_report_has_the_evidence_of_every_metric(site: Site) -> None:
    run_id = await degraded(site)
    report = (await site.viewer.get(f"{RUNS}/{run_id}/report")).json()
    assert report["run"]["can"] == {"rollback": True, "accept": False, "cancel": False}
    [found] = report["references"]
    assert found["baseline"]["renders"] == 3 and len(found["baseline"]["prompt_ids"]) == 9
    [metric] = [one for one in found["segments"][2]["metrics"] if one["metric"] == "identity_similarity"]
    assert metric["verdict"] == "degraded" and metric["veto"]
    assert (metric["baseline"], metric["new"]) == (0.93, pytest.approx(0.71))
    assert metric["delta"] == pytest.approx(-0.22) and metric["noise"] == 0.0
    assert (metric["threshold"], metric["limit"], metric["direction"]) == (0.05, 0.05, "higher")
    assert (metric["worst_frame"], metric["worst_region"]) == (17, [8, 8, 24, 24])
    assert "the threshold decides" in metric["uncertainty"]


async def test_a_degraded_run_is_rolled_back_over_http(site: Site) -> None:
    run_id = await degraded(site)
    answer = await site.creator.post(f"{RUNS}/{run_id}/rollback")
    assert answer.status_code == 202
    assert answer.json()["rollback"] == {
        "state": "requested",
        "reason": None,
        "requested_by": "maria",
        "proof_run_id": None,
    }
    assert "requested already" in problem(await site.creator.post(f"{RUNS}/{run_id}/rollback"), 409)
    assert len(await site.world.said("asset.rollback_requested")) == 1


async def test_a_passed_run_is_accepted_over_http(site: Site) -> None:
    reference_id = await site.world.reference(101)
    await site.world.release(LORA, 2)
    await Renderer(site.world).answer_all()
    run_id = (await site.world.runs())[-1].id
    assert "not degraded" in problem(await site.creator.post(f"{RUNS}/{run_id}/rollback"), 409)
    answer = await site.creator.post(f"{RUNS}/{run_id}/accept", json={})
    assert answer.status_code == 202
    assert answer.json()["capturing_reference_ids"] == [reference_id]
    assert answer.json()["run"]["accepted_by"] == "maria"
    progress = (await site.viewer.get(f"{REFERENCES}/{reference_id}")).json()["capturing"]
    assert (progress["baseline_version"], progress["renders_complete"]) == (2, 1)


async def test_a_run_is_cancelled_over_http(site: Site) -> None:
    await site.world.reference(101)
    await site.world.release(LORA, 2)
    run_id = (await site.world.runs())[-1].id
    assert (await site.creator.post(f"{RUNS}/{run_id}/cancel")).json()["outcome"] == "cancelled"
    assert "nothing to cancel" in problem(await site.creator.post(f"{RUNS}/{run_id}/cancel"), 409)


@pytest.mark.parametrize("path", ["", "/report", "/rollback", "/cancel", "/accept"])
async def test_an_unknown_run_is_not_found(site: Site, path: str) -> None:
    method = site.viewer.get if path in ("", "/report") else site.creator.post
    assert "no regression run 404" in problem(await method(f"{RUNS}/404{path}"), 404)
    problem(await method(f"{RUNS}/{2**63}{path}"), 422)


async def test_a_viewer_looks_and_does_not_touch(site: Site) -> None:
    for path in (REFERENCES, "/api/regression/run", f"{RUNS}/1/rollback", f"{RUNS}/1/accept", f"{RUNS}/1/cancel"):
        problem(await site.viewer.post(path, json={}), 403)
    problem(await site.viewer.delete(f"{REFERENCES}/1"), 403)
    assert (await site.viewer.get(RUNS)).status_code == 200


async def test_the_same_request_twice_starts_one_run(site: Site) -> None:
    await site.world.reference(101)
    headers = {"Idempotency-Key": "once"}
    first = await site.creator.post("/api/regression/run", json={"asset_id": LORA}, headers=headers)
    second = await site.creator.post("/api/regression/run", json={"asset_id": LORA}, headers=headers)
    assert first.json()["id"] == second.json()["id"]
    assert len([run for run in await site.world.runs() if run.references_total]) == 1
