"""`rushes scene`: what is asked of the API, and what is said."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.studio.cli.app import main
from services.studio.cli.client import Client
from services.studio.cli.connection import Target
from services.studio.cli.progress import ALMOST, left_text, running_part

SCENE = {"id": 7, "name": "dawn"}
ASSETS: dict[str, Any] = {
    "items": [{"id": 4, "kind": "workflow", "name": "walk", "version_count": 1}],
    "next_cursor": None,
}
SEGMENT = {
    "id": 12, "position": 2, "version": 3, "state": "generated", "gate_verdict": "warn", "quality_score": 0.5,
    "review": "approved", "is_stale": True, "is_locked": True,
}  # fmt: skip
SHOWN = {
    "id": 7, "name": "dawn", "state": "rendering", "state_reason": "", "is_paused": False, "segments": [SEGMENT],
    "hold": {"segment_id": 12, "position": 2, "state": "paused", "reason": "sharpness 0.03 is below 0.08"},
}  # fmt: skip
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
STEP = {
    "state": "rendering", "outcome": "", "done": 1, "total": 3, "reason": "", "running_since": None,
    "estimated_seconds": None, "finish_at": None,
}  # fmt: skip
ANSWERS: dict[tuple[str, str], Any] = {
    ("GET", "/api/characters/2"): {"id": 2},
    ("GET", "/api/scene-types/3"): {"id": 3},
    ("GET", "/api/assets"): ASSETS,
    ("POST", "/api/scenes"): SCENE,
    ("GET", "/api/scenes/7/drift"): DRIFT,
    ("GET", "/api/scenes/7"): SHOWN,
    ("DELETE", "/api/scenes/7"): None,
}


@pytest.fixture
def steps() -> list[dict[str, Any] | None]:
    """What the progress of scene 7 is each time that it is asked for; None: as before. The last one stays."""
    return [STEP | {"state": "ended", "outcome": "completed", "done": 3}]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, steps: list[dict[str, Any] | None]) -> list[httpx.Request]:
    """Requests as the API got them."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        if request.url.path.endswith("/progress"):
            step = steps.pop(0) if len(steps) > 1 else steps[0]
            headers = {"ETag": f'"{len(requests)}"'}
            return httpx.Response(304 if step is None else 200, json=step, headers=headers)
        return httpx.Response(200, json=ANSWERS[request.method, request.url.path])

    def client(_: Target) -> Client:
        return Client(url="http://edge", token="t", transport=httpx.MockTransport(answer))

    monkeypatch.setattr(Target, "client", client)
    monkeypatch.setattr("services.studio.cli.progress.POLL_SECONDS", 0)
    return requests


def run(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["scene", *arguments])
    assert (ended.value.code or 0) == code


CREATE = ("create", "dawn", "--character", "2", "--scene-type", "3", "--workflow", "walk")


def test_a_scene_waits_for_scores_only_where_it_is_asked_to(asked: list[httpx.Request]) -> None:
    run(*CREATE)
    assert "score_gate" not in json.loads(asked[-1].content)
    run(*CREATE, "--wait-for", "warn", "--retries", "3")
    assert json.loads(asked[-1].content)["score_gate"] == {"wait_for": "warn", "retries": 3}


def test_all_that_the_api_takes_for_a_scene_can_be_given(asked: list[httpx.Request]) -> None:
    run(*CREATE, "--segments", "5", "--parameters", '{"cfg": 3}', "--tier", "draft", "--priority", "9", "--paused")
    assert json.loads(asked[-1].content) == {
        "name": "dawn", "character_id": 2, "scene_type_id": 3, "workflow_id": 4, "segment_count": 5,
        "parameters": {"cfg": 3}, "tier": "draft", "priority": 9, "paused": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--retries", "2"), "--retries needs --wait-for"),
        (("--parameters", "{"), "--parameters is not JSON"),
        (("--parameters", "[1]"), "--parameters must be a JSON object"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_asked_for(
    asked: list[httpx.Request], capsys: pytest.CaptureFixture[str], wrong: tuple[str, ...], said: str
) -> None:
    run(*CREATE, *wrong, code=2)
    assert said in capsys.readouterr().err and not asked


def test_an_asset_without_a_version_is_named(
    asked: list[httpx.Request], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = {"items": [ASSETS["items"][0] | {"version_count": 0}], "next_cursor": None}
    monkeypatch.setitem(ANSWERS, ("GET", "/api/assets"), bare)
    run(*CREATE, code=2)
    assert "workflow 'walk' has no version yet" in capsys.readouterr().err


def test_a_scene_is_shown_with_what_it_waits_for_and_what_is_stale(
    asked: list[httpx.Request], capsys: pytest.CaptureFixture[str]
) -> None:
    run("show", "7")
    told = capsys.readouterr().out.splitlines()
    assert told[:2] == ["scene 7 dawn: rendering", "held at segment 2, paused: sharpness 0.03 is below 0.08"]
    assert told[3].split() == ["12", "2", "3", "generated", "warn", "0.500", "approved", "stale,", "locked"]
    run("show", "7", "--json")
    assert json.loads(capsys.readouterr().out) == SHOWN


def test_a_scene_is_deleted_only_after_a_yes(asked: list[httpx.Request], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    run("delete", "7", code=1)
    assert [one.method for one in asked] == ["GET"]
    run("delete", "7", "--yes")
    assert [one.method for one in asked[1:]] == ["GET", "DELETE"]


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


def test_off_a_terminal_each_change_is_one_line_and_what_is_the_same_is_not_sent(
    asked: list[httpx.Request], steps: list[dict[str, Any] | None], capsys: pytest.CaptureFixture[str]
) -> None:
    steps[:0] = [STEP | {"state": "waiting", "done": 0}, None, STEP, STEP | {"estimated_seconds": 3}]
    run(*CREATE, "--wait")
    told = capsys.readouterr()
    assert told.err.splitlines() == [
        "scene 7 waits in the queue, 0 of 3",
        "scene 7 is being rendered, 1 of 3",
        "scene 7 has ended, 3 of 3",
    ]
    assert told.out.endswith("scene 7 is completed, 3 of 3 segments\n")
    tags = [one.headers.get("if-none-match") for one in asked if one.url.path.endswith("/progress")]
    assert tags[0] is None and tags[1] == tags[2] != tags[3] and None not in tags[1:]


def test_on_a_terminal_there_is_a_bar_with_the_time_that_is_left(
    asked: list[httpx.Request], steps: list[dict[str, Any] | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    finish = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    steps[:0] = [STEP | {"finish_at": finish}]
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setattr("sys.stderr", screen)
    run("watch", "7")
    assert "scene 7 is being rendered" in screen.getvalue() and "1/3" in screen.getvalue()
    assert "about 5 min left" in screen.getvalue()


def test_what_runs_fills_the_bar_by_its_own_clock_and_never_quite() -> None:
    now = datetime(2026, 3, 5, tzinfo=UTC)
    told = STEP | {"running_since": "2026-03-04T23:59:45Z", "estimated_seconds": 60.0}
    assert running_part(told, now) == pytest.approx(0.25)
    assert running_part(told | {"estimated_seconds": 1.0}, now) == ALMOST
    assert running_part(STEP, now) == 0


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (12, "about 12 s left"),
        (600, "about 10 min left"),
        (7200, "about 2.0 h left"),
        (-5, "about 0 s left"),
    ],
)
def test_the_time_left_is_said_in_words(seconds: float, told: str) -> None:
    now = datetime(2026, 3, 5, tzinfo=UTC)
    assert left_text({"finish_at": (now + timedelta(seconds=seconds)).isoformat()}, now) == told
    assert left_text({"finish_at": None}, now) == ""


def test_stopping_to_wait_says_that_the_work_goes_on_and_how_to_stop_it(
    asked: list[httpx.Request],
    steps: list[dict[str, Any] | None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    steps[:0] = [STEP]
    monkeypatch.setattr("time.sleep", interrupted)
    run("watch", "7", code=130)
    told = capsys.readouterr().err
    assert "scene 7 goes on without you" in told and "rushes scene watch 7" in told and "rushes queue cancel 7" in told
    assert all(request.method == "GET" for request in asked)


def test_a_scene_that_needs_a_person_says_what_for_and_how_to_go_on(
    asked: list[httpx.Request], steps: list[dict[str, Any] | None], capsys: pytest.CaptureFixture[str]
) -> None:
    steps[:] = [STEP | {"state": "needs_person", "reason": "sharpness 0.03 is below 0.08"}]
    run("watch", "7", code=1)
    told = capsys.readouterr().out
    assert "sharpness 0.03 is below 0.08" in told and "rushes queue resume --scene 7" in told
    assert "rushes segment approve 12" in told


def test_a_scene_that_failed_is_exit_code_1(
    asked: list[httpx.Request], steps: list[dict[str, Any] | None], capsys: pytest.CaptureFixture[str]
) -> None:
    steps[:] = [STEP | {"state": "ended", "outcome": "failed", "reason": "CUDA"}]
    run("watch", "7", code=1)
    assert "scene 7 is failed, 1 of 3 segments CUDA" in capsys.readouterr().out
