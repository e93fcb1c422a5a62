"""The command line's connection to the API."""

from pathlib import Path

import httpx
import pytest

from services.studio.cli.catalog import checksum_of, ensure_asset, named
from services.studio.cli.client import ApiProblem, Client, ConnectionProblem
from services.studio.cli.connection import Target
from services.studio.cli.regression import asset_named


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waiting takes no time here; how long it would have been is kept."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


class Server:
    """Answers in turn; the last one again and again."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self) -> Client:
        return Client(url="http://rushes/", token="t", transport=httpx.MockTransport(self))


def page(*items: dict[str, object], cursor: str | None = None) -> httpx.Response:
    return httpx.Response(200, json={"items": list(items), "next_cursor": cursor})


def test_a_call_that_meets_a_restart_is_made_again_with_the_same_key(waits: list[float]) -> None:
    away = httpx.Response(503, json={"title": "Not available right now", "detail": "try again"})
    server = Server(httpx.ConnectError("refused"), away, httpx.Response(201, json={"id": 1}))
    assert server.client().post("/api/projects", {"name": "a"}) == {"id": 1}
    assert len({request.headers["idempotency-key"] for request in server.asked}) == 1
    assert waits == [0.5, 1.0]


def test_two_calls_never_share_a_key() -> None:
    server = Server(httpx.Response(201, json={}))
    client = server.client()
    client.post("/api/projects")
    client.post("/api/projects")
    assert len({request.headers["idempotency-key"] for request in server.asked}) == 2


def test_when_nobody_answers_it_says_how_to_start() -> None:
    with pytest.raises(ConnectionProblem, match="rushes up"):
        Server(httpx.ConnectError("refused")).client().get("/api/me")


def test_a_problem_document_becomes_one_line_and_is_not_tried_again() -> None:
    server = Server(httpx.Response(422, json={"title": "Invalid request", "detail": "body.name: too long"}))
    with pytest.raises(ApiProblem) as problem:
        server.client().post("/api/projects")
    assert (str(problem.value), problem.value.status) == ("Invalid request: body.name: too long", 422)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "answer", [httpx.Response(200, text="<html>"), httpx.Response(302), httpx.Response(500, text="x")]
)
def test_an_answer_that_is_not_ours_is_no_stack_trace(answer: httpx.Response) -> None:
    with pytest.raises((ApiProblem, ConnectionProblem)):
        Server(answer).client().get("/api/me")


def test_a_list_is_read_to_its_end() -> None:
    server = Server(page({"id": 1}, {"id": 2}, cursor="next"), page({"id": 3}))
    assert [item["id"] for item in server.client().items("/api/projects", limit=2)] == [1, 2, 3]
    assert server.asked[1].url.params["cursor"] == "next"
    assert server.asked[1].url.params["limit"] == "2"


def test_an_asset_is_found_by_name_and_by_kind_where_two_share_it() -> None:
    two = [{"id": 1, "kind": "lora", "name": "look"}, {"id": 2, "kind": "model", "name": "look"}]
    with pytest.raises(ApiProblem, match="lora:look, model:look"):
        asset_named(Server(page(*two)).client(), "look")
    server = Server(page(two[0]))
    assert asset_named(server.client(), "lora:look")["id"] == 1
    assert dict(server.asked[0].url.params) == {"kind": "lora", "name": "look"}
    with pytest.raises(ApiProblem, match="no asset called"):
        asset_named(Server(page()).client(), "style:look")


def test_things_are_named_or_numbered() -> None:
    assert named(Server(httpx.Response(200, json={"id": 7})).client(), "/api/projects", "7") == {"id": 7}
    with pytest.raises(ApiProblem, match="use a number: 1, 2"):
        named(Server(page({"id": 1, "name": "a"}, {"id": 2, "name": "a"})).client(), "/api/projects", "a")


def test_an_asset_is_created_with_its_first_version_only() -> None:
    server = Server(page(), httpx.Response(201, json={"id": 3}))
    assert ensure_asset(server.client(), kind="lora", name="look") == {"id": 3}
    server = Server(page({"id": 3}))
    assert ensure_asset(server.client(), kind="lora", name="look") == {"id": 3}
    assert [request.method for request in server.asked] == ["GET"]


def test_a_checksum_is_the_sha256_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "empty"
    file.touch()
    assert checksum_of(file) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_target_is_the_local_stack_unless_the_environment_says_otherwise(tmp_path: Path) -> None:
    local = Target.from_environment({"RUSHES_HOME": str(tmp_path), "RUSHES_PORT_STUDIO": "9000"})
    assert local.url == "http://127.0.0.1:9000"
    assert local.token_file == tmp_path / "secrets" / "admin.token"
    with pytest.raises(ConnectionProblem, match="RUSHES_TOKEN"):
        local.client()
    other = Target.from_environment({"RUSHES_URL": "https://rushes.example", "RUSHES_TOKEN": "t"})
    assert other.url == "https://rushes.example"
    other.client()
