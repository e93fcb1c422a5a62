"""The gateway between real HTTP semantics and the services behind it."""

from uuid import UUID

import httpx
import pytest

from services.studio.operations import Operations
from services.studio.store import Store
from shared.cause import Cause
from shared.clock import utc_now
from shared.ids import uuid7
from shared.service import Chassis
from tests.support.http import TestKeys, api_client
from tests.support.studio import FakeServices, body_of, openapi

PROBLEM = "application/problem+json"


async def test_a_request_reaches_its_owner_with_who_asks_and_nothing_else(
    creator: httpx.AsyncClient, services: FakeServices
) -> None:
    services.on("POST", "/api/projects", {"id": 1}, status=201)
    headers = {
        "Idempotency-Key": "k1",
        "X-Correlation-Id": str(UUID(int=9)),
        "Cookie": "rushes_session=x",
        "X-Forwarded-For": "1.2.3.4",
    }
    answer = await creator.post("/api/projects?a=1&a=2", json={"name": "Harbour"}, headers=headers)
    assert (answer.status_code, answer.json()) == (201, {"id": 1})
    (asked,) = services.asked
    assert asked.url.host == "catalog.internal"
    assert asked.url.query == b"a=1&a=2"
    assert body_of(asked) == {"name": "Harbour"}
    assert asked.headers["authorization"] == creator.headers["authorization"]
    assert asked.headers["idempotency-key"] == "k1"
    assert asked.headers["x-correlation-id"] == answer.headers["x-correlation-id"] == str(UUID(int=9))
    assert "cookie" not in asked.headers
    assert "x-forwarded-for" not in asked.headers


async def test_an_upload_arrives_byte_for_byte(creator: httpx.AsyncClient, services: FakeServices) -> None:
    services.on("POST", "/api/characters", {"id": 1}, status=201)
    picture = bytes(range(256)) * 4096
    await creator.post("/api/characters", data={"name": "Ada"}, files={"image": ("a.png", picture, "image/png")})
    (asked,) = services.asked
    assert picture in asked.content
    assert asked.headers["content-type"].startswith("multipart/form-data; boundary=")


async def test_a_services_problem_comes_through_as_it_is(creator: httpx.AsyncClient, services: FakeServices) -> None:
    told = {"type": "about:blank", "title": "Scene not found", "status": 404, "detail": "there is no scene 5"}
    services.on("GET", "/api/scenes/5", lambda _: httpx.Response(404, json=told, headers={"content-type": PROBLEM}))
    answer = await creator.get("/api/scenes/5")
    assert (answer.status_code, answer.json(), answer.headers["content-type"]) == (404, told, PROBLEM)


async def test_a_service_that_is_away_gives_a_503_that_says_what_to_do(
    creator: httpx.AsyncClient, services: FakeServices
) -> None:
    services.away.add("regression")
    answer = await creator.get("/api/regression/runs")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == PROBLEM
    assert "regression" in answer.json()["detail"]
    assert "rushes status" in answer.json()["detail"]


async def test_a_write_is_never_sent_twice_and_a_read_survives_a_dead_connection(
    creator: httpx.AsyncClient, services: FakeServices
) -> None:
    services.away.add("catalog")
    await creator.post("/api/projects", json={})
    assert len(services.asked) == 1
    await creator.get("/api/projects")
    assert len(services.asked) == 3


@pytest.mark.parametrize("path", ["/api/nothing", "/api/projects/..%2f..%2fmetrics", "/api/projects/a%00b"])
async def test_an_unknown_path_is_a_404_problem_and_reaches_nobody(
    creator: httpx.AsyncClient, services: FakeServices, path: str
) -> None:
    answer = await creator.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM)
    assert services.asked == []


async def test_a_method_that_is_not_offered_is_a_405_with_the_ones_that_are(creator: httpx.AsyncClient) -> None:
    answer = await creator.put("/api/projects/1", json={})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, PATCH"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"}])
async def test_without_a_good_token_nothing_passes(
    stranger: httpx.AsyncClient, services: FakeServices, headers: dict[str, str]
) -> None:
    answer = await stranger.get("/api/projects", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert services.asked == []


async def test_a_revoked_token_is_refused_at_the_edge_and_its_browsers_are_signed_out(
    studio: Chassis, keys: TestKeys, services: FakeServices
) -> None:
    services.on("GET", "/api/projects", {"items": []})
    token = keys.token(name="ada")
    actor = studio.verifier.verify(token)
    operations = Operations(store=Store(studio.database), session_seconds=60)
    secret = await operations.sign_in(
        token=token, token_id=actor.token_id, actor="ada", role="admin", cause=Cause.begin("ada")
    )
    async with api_client(studio.app, token=token) as client:
        assert (await client.get("/api/projects")).status_code == 200
        await operations.revoke_token(token_id=actor.token_id, expires_at=utc_now(), cause=Cause.begin("x"))
        refused = await client.get("/api/projects")
        assert (refused.status_code, "revoked" in refused.json()["detail"]) == (401, True)
    assert await operations.token_of_session(secret) is None


async def test_a_body_over_the_limit_is_refused_before_it_is_passed_on(
    creator: httpx.AsyncClient, services: FakeServices
) -> None:
    answer = await creator.post("/api/projects", content=b"x" * (32 * 1024 * 1024 + 1))
    assert answer.status_code == 413
    assert services.asked == []


async def test_one_description_covers_all_services_and_says_which_are_missing(
    stranger: httpx.AsyncClient, services: FakeServices
) -> None:
    for owner, path in (
        ("catalog", "/api/projects"),
        ("dispatch", "/api/scenes"),
        ("scoring", "/api/quality-gates"),
        ("smoothing", "/api/segments/{segment_id}/boundary-check"),
    ):
        document = openapi({path: {"get": {"responses": {}}}})
        services.answers["GET", "/openapi.json"] = _by_host(services, owner, document)
    services.away.add("regression")
    document = (await stranger.get("/openapi.json")).json()
    assert {"/api/projects", "/api/scenes", "/api/quality-gates", "/api/activity"} <= set(document["paths"])
    assert document["x-incomplete"]["missing"] == ["regression"]
    assert "/api/{path}" not in document["paths"]
    assert "regression" in (await stranger.get("/docs")).text


def _by_host(services: FakeServices, owner: str, document: dict[str, object]):  # type: ignore[no-untyped-def]
    earlier = services.answers.get(("GET", "/openapi.json"))

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == f"{owner}.internal":
            return httpx.Response(200, json=document)
        return earlier(request) if earlier is not None else httpx.Response(404)

    return answer


async def test_the_key_of_a_request_is_remembered_by_its_owner_only(
    creator: httpx.AsyncClient, services: FakeServices, studio: Chassis
) -> None:
    """The edge keeps no answers: the second request reaches the owner too, which knows the key."""
    services.on("POST", "/api/projects", {"id": 1}, status=201)
    key = {"Idempotency-Key": str(uuid7())}
    for _ in range(2):
        assert (await creator.post("/api/projects", json={}, headers=key)).status_code == 201
    assert len(services.asked) == 2
    assert await studio.database.fetchval("SELECT count(*) FROM idempotency_keys") == 0
