"""`rushes segment`: what is asked of the API, and what is said before and after."""

import io
import json
from typing import Any

import httpx
import pytest

from services.studio.cli.app import main
from services.studio.cli.client import Client
from services.studio.cli.connection import Target

REPAIR = "0193fd4e-7c5a-7000-8000-000000000001"
TOUCHED = [{"segment_id": 8, "position": 6}]
ENDED = {
    "state": "ended", "outcome": "", "done": 1, "total": 1, "reason": "", "running_since": None,
    "estimated_seconds": None, "finish_at": None,
}  # fmt: skip
ANSWERS: dict[tuple[str, str], Any] = {
    ("GET", "/api/segments/5/regeneration"): {
        "message": "This will regenerate segment 5.", "render_seconds": 12.0, "approvals_affected": TOUCHED,
    },
    ("POST", "/api/segments/5/regenerate"): {"segment": {"id": 9}, "became_stale": None},
    ("GET", "/api/segments/9/progress"): ENDED | {"outcome": "generated"},
    ("GET", "/api/segments/9"): {
        "id": 9, "state": "generated", "is_current": True, "failure": None, "activation": {"became_stale": [6, 7, 8]},
    },
    ("GET", "/api/cascades/2/progress"): ENDED | {"outcome": "converged", "reason": "it is as before"},
    ("POST", "/api/segments/9/cancel"): {},
    ("GET", "/api/segments/5/cascade"): {
        "segments": TOUCHED, "voided_approvals": [], "render_minutes": 1.5, "stops": "segment 10 is locked",
    },
    ("POST", "/api/segments/5/cascade"): {"id": 2},
    ("POST", "/api/segments/5/revert"): {"segment": {"id": 4}, "became_stale": 0, "became_fresh": 2},
    ("POST", "/api/segments/5/lock"): {"id": 5, "review": "none", "is_locked": True},
    ("GET", "/api/segments/5/versions"): {
        "items": [
            {"id": 5, "version": 1, "state": "generated", "review": "none", "is_current": True, "is_stale": True,
             "is_locked": False, "is_candidate": False, "boundary_ssim_before": 0.0, "boundary_ssim_after": None,
             "repair": None, "activation": None},
            {"id": 12, "version": 2, "state": "generated", "review": "none", "is_current": False, "is_stale": False,
             "is_locked": False, "is_candidate": True, "boundary_ssim_before": None, "boundary_ssim_after": None,
             "repair": {"repair_id": REPAIR, "summary": "repaired boundary before, 8 frames blended, 3 dropped"},
             "activation": {"outcome": "held", "reason": "refused: sharpness"}},
        ],
        "next_cursor": None,
    },
    ("POST", f"/api/boundary-repairs/{REPAIR}/undo"): {
        "segments": [{"id": 4}, {"id": 5}], "became_stale": 0, "became_fresh": 2,
    },
}  # fmt: skip


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
        main(["segment", *arguments])
    assert ended.value.code in (0, None)


def test_a_regeneration_says_what_it_touches_and_sends_only_what_changes(
    asked: list[httpx.Request], capsys: pytest.CaptureFixture[str]
) -> None:
    run("regenerate", "5", "--seed", "7", "--overwrite", "5", "--wait", "--yes")
    [order] = [json.loads(request.content) for request in asked if request.method == "POST"]
    assert order == {"overwrite": [5], "parameters": {}, "seed": 7}
    said = capsys.readouterr().out
    assert "This will regenerate segment 5. About 12 s of rendering." in said and "segments 6." in said
    assert "segment 9 is there; 3 segments became stale" in said


def test_any_parameter_can_be_changed(asked: list[httpx.Request]) -> None:
    run("regenerate", "5", "--parameters", '{"steps": 30}', "--cfg", "4", "--yes")
    assert json.loads(asked[-1].content)["parameters"] == {"steps": 30, "cfg": 4}


def test_without_a_yes_nothing_is_rendered(asked: list[httpx.Request], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    with pytest.raises(SystemExit) as ended:
        main(["segment", "regenerate", "5"])
    assert ended.value.code == 1 and [request.method for request in asked] == ["GET"]


def test_what_is_not_waited_for_is_named(asked: list[httpx.Request], capsys: pytest.CaptureFixture[str]) -> None:
    run("regenerate", "5", "--yes")
    run("cancel", "9")
    assert "segment 9 is being rendered\nsegment 9 is cancelled" in capsys.readouterr().out


def test_a_version_that_did_not_become_current_is_exit_code_1_and_says_why(
    asked: list[httpx.Request], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = {"state": "generated", "is_current": False, "failure": None, "activation": None}
    monkeypatch.setitem(ANSWERS, ("GET", "/api/segments/9"), kept)
    ended_so = ENDED | {"outcome": "generated", "reason": "it was locked"}
    monkeypatch.setitem(ANSWERS, ("GET", "/api/segments/9/progress"), ended_so)
    with pytest.raises(SystemExit) as ended:
        main(["segment", "regenerate", "5", "--wait", "--yes"])
    assert ended.value.code == 1 and "not current it was locked" in capsys.readouterr().out


def test_a_cascade_is_followed_to_its_end(asked: list[httpx.Request], capsys: pytest.CaptureFixture[str]) -> None:
    run("cascade", "5", "--wait", "--yes")
    assert "cascade 2 is converged, 1 segments rendered: it is as before" in capsys.readouterr().out


def test_a_cascade_shows_its_plan_first(asked: list[httpx.Request], capsys: pytest.CaptureFixture[str]) -> None:
    run("cascade", "5", "--overwrite", "8", "--yes")
    assert asked[0].url.params["overwrite"] == "8"
    said = capsys.readouterr().out
    assert "1.5 minutes" in said and "segment 10 is locked" in said and "cascade 2 is running" in said


def test_versions_reverts_and_locks_are_said(asked: list[httpx.Request], capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("versions", "revert", "lock"):
        run(verb, "5")
    said = capsys.readouterr().out
    assert "version 1  generated none current stale  boundary before 0.00" in said
    assert "version 2  generated none candidate\n    repaired boundary before, 8 frames blended, 3 dropped" in said
    assert f"(repair {REPAIR}); refused: sharpness" in said
    assert "segment 4 is current; 0 became stale, 2 became fresh" in said
    assert "segment 5: none, locked" in said


def test_a_repair_is_undone_by_its_id(asked: list[httpx.Request], capsys: pytest.CaptureFixture[str]) -> None:
    run("undo-repair", REPAIR, "--overwrite", "12")
    assert json.loads(asked[-1].content) == {"overwrite": [12]}
    assert "current again: segment 4, 5; 0 became stale, 2 became fresh" in capsys.readouterr().out
