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
DRIFT = {
    "metrics": [
        {
            "metric": "drift_identity",
            "outlook": "expected beyond its limit -0.3 at segment 9 (95 %: 8 to 11)",
            "values": [
                {"position": 1, "value": 0.0, "reason": None},
                {"position": 2, "value": -0.0412, "reason": None},
                {"position": 3, "value": None, "reason": "this segment: it is not measured yet"},
            ],
        }
    ]
}
ANSWERS: dict[tuple[str, str], Any] = {
    ("GET", "/api/characters/2"): {"id": 2},
    ("GET", "/api/scene-types/3"): {"id": 3},
    ("GET", "/api/assets"): ASSETS,
    ("POST", "/api/scenes"): SCENE,
    ("GET", "/api/scenes/7/drift"): DRIFT,
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


def test_drift_is_told_by_segment_with_where_it_leads(
    asked: list[httpx.Request], capsys: pytest.CaptureFixture[str]
) -> None:
    run("drift", "7")
    assert capsys.readouterr().out.splitlines() == [
        "drift_identity: expected beyond its limit -0.3 at segment 9 (95 %: 8 to 11)",
        "  segment 1: 0",
        "  segment 2: -0.0412",
        "  segment 3: this segment: it is not measured yet",
    ]
    run("drift", "7", "--json")
    assert json.loads(capsys.readouterr().out) == DRIFT
