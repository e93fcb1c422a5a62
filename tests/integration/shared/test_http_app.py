"""What every service's HTTP side does: sign-in, problems, limits, idempotency, health."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI

from shared.cause import Cause
from shared.http import Actor, Page, PageQuery, RequestModel, Role, request_cause, require
from shared.service import Chassis
from shared.settings import ServiceSettings
from tests.support.http import TestKeys, api_client


class Note(RequestModel):
    text: str


class TooBlunt(Exception):
    """use kinder words"""


class Desk:
    """A service of three routes, to see the chassis at work."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.chassis = Chassis(name="catalog", settings=settings)
        self.notes: list[str] = []
        router = APIRouter()
        router.add_api_route("/api/notes", self.add, methods=["POST"], status_code=201)
        router.add_api_route("/api/notes", self.all, methods=["GET"])
        router.add_api_route("/api/broken", self.broken, methods=["GET"])
        self.chassis.include(router)
        self.chassis.problem(TooBlunt, 422)

    @property
    def app(self) -> FastAPI:
        return self.chassis.app

    async def add(
        self,
        note: Note,
        cause: Annotated[Cause, Depends(request_cause)],
        _: Annotated[Actor, Depends(require(Role.CREATOR))],
    ) -> dict[str, Any]:
        if note.text == "blunt":
            raise TooBlunt("use kinder words")
        async with self.chassis.database.transaction(cause):
            self.notes.append(note.text)
        return {"number": len(self.notes)}

    async def all(self, page: Annotated[PageQuery, Depends()]) -> Page[str]:
        after = page.after_id or 0
        part = self.notes[after : after + page.limit]
        return Page(items=part, next_cursor=page.next_cursor([after + i + 1 for i in range(len(part))]))

    async def broken(self) -> None:
        raise ZeroDivisionError("secret inside")


@pytest.fixture
async def desk(settings_of: Callable[..., dict[str, Any]]) -> AsyncIterator[Desk]:
    desk = Desk(ServiceSettings(**settings_of("catalog", max_request_bytes=1024)))
    await desk.chassis.database.open()
    yield desk
    await desk.chassis.database.close()


@pytest.fixture
async def creator(desk: Desk, keys: TestKeys) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(desk.app, token=keys.token(Role.CREATOR)) as client:
        yield client


async def test_without_a_token_the_answer_is_a_401_problem(desk: Desk) -> None:
    async with api_client(desk.app) as client:
        answer = await client.post("/api/notes", json={"text": "hello"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Bearer" in answer.json()["detail"]


async def test_a_role_that_is_too_low_is_a_403_problem(desk: Desk, keys: TestKeys) -> None:
    async with api_client(desk.app, token=keys.token(Role.VIEWER)) as client:
        answer = await client.post("/api/notes", json={"text": "hello"})
    assert answer.status_code == 403
    assert "creator" in answer.json()["detail"]


async def test_a_domain_error_becomes_a_problem_that_says_what_to_change(creator: httpx.AsyncClient) -> None:
    answer = await creator.post("/api/notes", json={"text": "blunt"})
    assert (answer.status_code, answer.json()["title"], answer.json()["detail"]) == (
        422,
        "Too blunt",
        "use kinder words",
    )


async def test_wrong_and_unknown_fields_are_named(creator: httpx.AsyncClient) -> None:
    answer = await creator.post("/api/notes", json={"text": 7, "colour": "red"})
    assert answer.status_code == 422
    assert {error["where"] for error in answer.json()["errors"]} == {"body.text", "body.colour"}


async def test_an_unexpected_error_shows_nothing_of_its_inside(creator: httpx.AsyncClient) -> None:
    answer = await creator.get("/api/broken")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["x-correlation-id"]


async def test_a_body_that_is_too_large_is_refused_declared_or_not(creator: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 500

    assert (await creator.post("/api/notes", content=b"x" * 2000)).status_code == 413
    assert (await creator.post("/api/notes", content=chunks())).status_code == 413


async def test_a_repeated_request_gets_the_first_answer_and_does_nothing(
    desk: Desk, creator: httpx.AsyncClient
) -> None:
    key = {"Idempotency-Key": "k1"}
    first = await creator.post("/api/notes", json={"text": "one"}, headers=key)
    again = await creator.post("/api/notes", json={"text": "one"}, headers=key)
    assert (first.status_code, first.json()) == (again.status_code, again.json()) == (201, {"number": 1})
    assert desk.notes == ["one"]


async def test_a_key_with_another_body_is_refused(desk: Desk, creator: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "k1"}
    await creator.post("/api/notes", json={"text": "one"}, headers=key)
    other = await creator.post("/api/notes", json={"text": "two"}, headers=key)
    assert other.status_code == 422
    assert desk.notes == ["one"]


async def test_a_failed_request_does_not_use_up_its_key(desk: Desk, creator: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "k1"}
    assert (await creator.post("/api/notes", json={"text": "blunt"}, headers=key)).status_code == 422
    assert (await creator.post("/api/notes", json={"text": "one"}, headers=key)).status_code == 201


async def test_another_actor_may_use_the_same_key(desk: Desk, creator: httpx.AsyncClient, keys: TestKeys) -> None:
    key = {"Idempotency-Key": "k1"}
    await creator.post("/api/notes", json={"text": "one"}, headers=key)
    async with api_client(desk.app, token=keys.token(Role.ADMIN, name="other")) as client:
        assert (await client.post("/api/notes", json={"text": "two"}, headers=key)).status_code == 201
    assert desk.notes == ["one", "two"]


async def test_lists_page_by_cursor_and_an_invented_cursor_is_refused(desk: Desk, creator: httpx.AsyncClient) -> None:
    desk.notes = ["a", "b", "c"]
    first = (await creator.get("/api/notes", params={"limit": 2})).json()
    rest = (await creator.get("/api/notes", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert (first["items"], rest["items"], rest["next_cursor"]) == (["a", "b"], ["c"], None)
    assert (await creator.get("/api/notes", params={"cursor": "invented!"})).status_code == 422


async def test_a_service_that_has_not_started_lives_but_is_not_ready(creator: httpx.AsyncClient) -> None:
    assert (await creator.get("/healthz")).status_code == 200
    ready = await creator.get("/readyz")
    assert ready.status_code == 503
    assert "start" in ready.json()["reasons"]
    assert "rushes_http_seconds" in (await creator.get("/metrics")).text
