"""Scoring over HTTP: scores, gates, requests; bad input is refused with what to change."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from services.scoring.domain import METRICS
from services.scoring.main import build
from services.scoring.settings import Settings
from shared.auth import Role
from shared.cause import Cause
from shared.contracts.project import ProjectDeleted
from shared.contracts.segment import SegmentReviewed
from shared.contracts.types import ProjectId
from shared.media import MediaStore
from shared.postgres import Database
from shared.service import Chassis
from tests.support.events import segment_generated, sha
from tests.support.http import TestKeys, api_client
from tests.support.scoring import Scoring


@pytest.fixture
async def chassis(settings_of: Callable[..., dict[str, Any]]) -> AsyncIterator[Chassis]:
    chassis = build(Settings(**settings_of("scoring")))
    await chassis.database.open()
    yield chassis
    await chassis.database.close()


@pytest.fixture
async def creator(chassis: Chassis, keys: TestKeys) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(chassis.app, token=keys.token(Role.CREATOR, name="ada")) as http:
        yield http


@pytest.fixture
async def viewer(chassis: Chassis, keys: TestKeys) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(chassis.app, token=keys.token(Role.VIEWER, name="vic")) as http:
        yield http


def problem(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    detail: str = response.json()["detail"]
    return detail


async def test_the_scores_of_a_segment_page_from_the_newest(
    scoring: Scoring, media: MediaStore, viewer: httpx.AsyncClient
) -> None:
    event = segment_generated(clip_sha256=await media.put_bytes(b"clip"))
    await scoring.deliver(event)
    waiting = (await viewer.get(f"/api/segments/{event.segment_id}/scores")).json()
    assert (waiting["waiting"], waiting["items"]) == (1, [])
    await scoring.work()
    for number in (1, 2):
        baseline = await media.put_bytes(f"baseline {number}".encode())
        await scoring.operations.measure_again(Cause.begin("tester"), event.clip.sha256, baseline_clip_sha256=baseline)
        await scoring.work()
    first = (await viewer.get(f"/api/segments/{event.segment_id}/scores", params={"limit": 2})).json()
    rest = (
        await viewer.get(
            f"/api/segments/{event.segment_id}/scores", params={"limit": 2, "cursor": first["next_cursor"]}
        )
    ).json()
    scores = first["items"] + rest["items"]
    assert [score["baseline_clip_sha256"] is None for score in scores] == [False, False, True]
    assert rest["next_cursor"] is None
    assert set(scores[0]["metrics"]) == set(METRICS)
    assert scores[0]["gate_verdict"] == "pass"
    assert {gate["metric"] for gate in scores[0]["gates"]} == set(METRICS) - {"ssim_to_baseline", "colour_cast"}


async def test_an_unknown_segment_is_not_found(viewer: httpx.AsyncClient) -> None:
    assert "segment 12345 is not known" in problem(await viewer.get("/api/segments/12345/scores"), 404)
    for bad in ("0", "-1", "abc", str(2**63)):
        problem(await viewer.get(f"/api/segments/{bad}/scores"), 422)


async def test_gates_of_a_scope_are_replaced_as_a_whole_and_the_narrower_wins(creator: httpx.AsyncClient) -> None:
    async def put(scene_type_id: int | None, *gates: dict[str, object]) -> dict[str, Any]:
        body = {"project_id": 1, "scene_type_id": scene_type_id, "gates": list(gates)}
        response = await creator.put("/api/quality-gates", json=body)
        assert response.status_code == 200, response.text
        return {gate["metric"]: gate for gate in response.json()["gates"]}

    built_in = {g["metric"]: g for g in (await creator.get("/api/quality-gates?project_id=1")).json()["gates"]}
    assert {gate["source"] for gate in built_in.values()} == {"built_in"}
    assert built_in["exposure"]["direction"] == "two_sided"

    of_project = await put(None, {"metric": "sharpness", "warn_below": 0.3}, {"metric": "motion", "warn_above": 0.5})
    assert (of_project["sharpness"]["warn_below"], of_project["sharpness"]["fail_below"]) == (0.3, None)
    of_type = await put(7, {"metric": "motion", "warn_above": 2.0})
    assert (of_type["motion"]["warn_above"], of_type["motion"]["source"]) == (2.0, "scene_type")
    assert of_type["sharpness"]["source"] == "project"
    again = await put(None)
    assert again["sharpness"] == built_in["sharpness"]
    still = (await creator.get("/api/quality-gates?project_id=1&scene_type_id=7")).json()["gates"]
    assert [gate["source"] for gate in still if gate["metric"] == "motion"] == ["scene_type"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"project_id": 1, "gates": [{"metric": "beauty"}]}, "no metric 'beauty'"),
        ({"project_id": 1, "gates": [{"metric": "flicker", "fail_below": 1}]}, "lower is better"),
        ({"project_id": 1, "gates": [{"metric": "flicker", "warn_above": 2, "fail_above": 1}]}, "must not be below"),
        ({"project_id": 1, "gates": [{"metric": "motion"}, {"metric": "motion"}]}, "two were sent"),
        ({"project_id": 0, "gates": []}, "project_id"),
        ({"project_id": 1, "gates": [{"metric": "motion", "warn_over": 1}]}, "warn_over"),
        ({"project_id": 1}, "gates"),
        ({"project_id": "one", "gates": []}, "project_id"),
    ],
    ids=["unknown", "side", "order", "double", "id", "typo", "missing", "type"],
)
async def test_gates_that_make_no_sense_are_refused_and_nothing_is_written(
    body: dict[str, object], says: str, creator: httpx.AsyncClient, scoring_database: Database
) -> None:
    assert says in problem(await creator.put("/api/quality-gates", json=body), 422)
    assert await scoring_database.fetchval("SELECT count(*) FROM quality_gates") == 0


async def test_infinite_limits_are_refused(creator: httpx.AsyncClient) -> None:
    raw = '{"project_id": 1, "gates": [{"metric": "motion", "warn_above": Infinity}]}'
    headers = {"content-type": "application/json"}
    problem(await creator.put("/api/quality-gates", content=raw, headers=headers), 422)


async def test_gates_of_a_deleted_project_are_gone_and_cannot_be_set(
    creator: httpx.AsyncClient, scoring: Scoring
) -> None:
    body = {"project_id": 1, "gates": [{"metric": "motion", "warn_above": 0.5}]}
    assert (await creator.put("/api/quality-gates", json=body)).status_code == 200
    await scoring.deliver(ProjectDeleted(project_id=ProjectId(1)))
    assert await scoring.count("quality_gates") == 0
    assert "deleted" in problem(await creator.put("/api/quality-gates", json=body), 404)


async def test_a_viewer_reads_and_does_not_change(viewer: httpx.AsyncClient, chassis: Chassis) -> None:
    assert (await viewer.get("/api/quality-gates?project_id=1")).status_code == 200
    problem(await viewer.put("/api/quality-gates", json={"project_id": 1, "gates": []}), 403)
    problem(await viewer.post("/api/scoring/requests", json={"clip_sha256": sha(1)}), 403)
    async with api_client(chassis.app) as nobody:
        problem(await nobody.get("/api/quality-gates?project_id=1"), 401)


async def test_a_request_says_scoring_requested_once_per_idempotency_key(
    creator: httpx.AsyncClient, scoring: Scoring, media: MediaStore
) -> None:
    event = segment_generated(clip_sha256=await media.put_bytes(b"clip"))
    await scoring.deliver(event)
    body = {"clip_sha256": event.clip.sha256, "baseline_clip_sha256": await media.put_bytes(b"baseline")}
    for _ in range(2):
        response = await creator.post("/api/scoring/requests", json=body, headers={"Idempotency-Key": "k"})
        assert response.status_code == 202
    other = await creator.post(
        "/api/scoring/requests", json={"clip_sha256": event.clip.sha256}, headers={"Idempotency-Key": "k"}
    )
    problem(other, 422)
    rows = await scoring.database.fetch("SELECT type, aggregateid, payload FROM outbox")
    assert [(row["type"], row["aggregateid"]) for row in rows] == [("scoring.requested", event.clip.sha256)]
    assert rows[0]["payload"]["requested_by"] == "ada"


async def test_requests_for_what_is_not_there_are_refused(
    creator: httpx.AsyncClient, scoring: Scoring, media: MediaStore
) -> None:
    await scoring.deliver(segment_generated(clip_sha256=(clip := await media.put_bytes(b"clip"))))
    assert "no segment has the clip" in problem(
        await creator.post("/api/scoring/requests", json={"clip_sha256": sha(9)}), 404
    )
    body = {"clip_sha256": clip, "baseline_clip_sha256": sha(9)}
    assert "is stored" in problem(await creator.post("/api/scoring/requests", json=body), 422)
    problem(await creator.post("/api/scoring/requests", json={"clip_sha256": "../../etc/passwd"}), 422)


async def test_limits_of_identity_belong_to_a_back_end(creator: httpx.AsyncClient) -> None:
    async def put(**limits: object) -> dict[str, Any]:
        body = {"project_id": 7, "gates": [{"metric": "identity_similarity", **limits}]}
        response = await creator.put("/api/quality-gates", json=body)
        assert response.status_code == 200, response.text
        assert response.json()["identity_backend"] == "face-region"
        [gate] = [gate for gate in response.json()["gates"] if gate["metric"] == "identity_similarity"]
        return {name: gate[name] for name in ("source", "fail_below", "identity_backend")}

    ours = {"source": "project", "fail_below": 0.5, "identity_backend": "face-region"}
    assert await put(fail_below=0.5) == ours
    built_in = {"source": "built_in", "fail_below": 0.35, "identity_backend": "face-region"}
    assert await put(fail_below=0.5, identity_backend="onnx-pair") == built_in
    body = {"project_id": 7, "gates": [{"metric": "sharpness", "fail_below": 0.1, "identity_backend": "onnx-pair"}]}
    assert "only limits of drift_identity, identity_similarity" in problem(
        await creator.put("/api/quality-gates", json=body), 422
    )


async def test_readiness_names_what_compares_faces(viewer: httpx.AsyncClient) -> None:
    told = (await viewer.get("/readyz")).json()["facts"]["identity"]
    assert (told["backend"], told["version"], told["device"], told["providers"]) == ("face-region", "1", "cpu", {})
    assert told["is_identity"] is False and "does not recognise a person" in told["notice"]


async def test_what_a_person_said_stands_beside_the_scores(
    scoring: Scoring, media: MediaStore, viewer: httpx.AsyncClient
) -> None:
    event = segment_generated(clip_sha256=await media.put_bytes(b"clip"))
    await scoring.deliver(event)
    await scoring.work()
    path = f"/api/segments/{event.segment_id}/scores"
    assert (await viewer.get(path)).json()["review"] is None
    reviewed = SegmentReviewed.model_validate(
        {
            "scene_id": event.scene_id, "segment_id": event.segment_id, "clip_sha256": event.clip.sha256,
            "decision": "rejected", "reviewed_by": "ada", "note": "her scar is gone",
            "reviewed_at": datetime(2026, 1, 1, tzinfo=UTC),
        }
    )  # fmt: skip
    await scoring.deliver(reviewed)
    told = (await viewer.get(path)).json()
    assert told["items"][0]["gate_verdict"] == "pass"
    assert told["review"] == {
        "decision": "rejected", "reviewed_at": "2026-01-01T00:00:00Z", "reviewed_by": "ada", "note": "her scar is gone",
    }  # fmt: skip
    [segment] = (await viewer.get(f"/api/scenes/{event.scene_id}/drift")).json()["segments"]
    assert segment["review"] == told["review"]
