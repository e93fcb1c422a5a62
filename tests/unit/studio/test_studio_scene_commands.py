"""`rushes scene`: what is asked of the API, and what is said."""

import json
from typing import Any

import httpx
import pytest

from services.studio.cli.app import main
from services.studio.cli.client import Client
from services.studio.cli.connection import Target

SCENE = {"id": 7, "name": "dawn"}
ASSETS = {"items": [{"id": 4, "kind": "workflow", "name": "walk"}], "next_cursor": None}
ANSWERS: dict[tuple[str, str], Any] = {
    ("GET", "/api/characters/2"): {"id": 2},
    ("GET", "/api/scene-types/3"): {"id": 3},
    ("GET", "/api/assets"): ASSETS,
    ("POST", "/api/scenes"): SCENE,
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """Requests as the API got them."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json=ANSWERS[request.method, request.url.path])

    def client(_: Target) -> Client:
        return Client(url="http://edge", token="t", transport=httpx.MockTransport(answer))

    monkeypatch.setattr(Target, "client", client)
    return requests


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["scene", *arguments])
    assert ended.value.code in (0, None)


CREATE = ("create", "dawn", "--character", "2", "--scene-type", "3", "--workflow", "walk")


def test_a_scene_waits_for_scores_only_where_it_is_asked_to(asked: list[httpx.Request]) -> None:
    run(*CREATE)
    assert "score_gate" not in json.loads(asked[-1].content)
    run(*CREATE, "--wait-for", "warn", "--retries", "3")
    assert json.loads(asked[-1].content)["score_gate"] == {"wait_for": "warn", "retries": 3}
