"""`rushes test-shot` and `rushes queue`: what they ask and what they print."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.studio.cli.app import main
from services.studio.cli.client import Client
from services.studio.cli.connection import Target
from services.studio.cli.shots import COLUMNS

PLAN = {
    "batch_id": 4,
    "cells": [{"character_id": 2, "configuration": "soft", "seconds": 60.0, "shot_id": 9}],
    "skipped": [{"character_id": 3, "configuration": "soft", "reason": "no server can", "shot_id": None}],
    "render_minutes": 1.0,
    "unknown_cells": 0,
    "finish_at": "2026-01-01T10:00:00Z",
}
BATCH = {"id": 4, "rendering": 0, "completed": 1, "failed": 0, "cancelled": 0}
ENTRY = {
    "state": "waiting",
    "scene_id": 7,
    "scene_name": "harbour",
    "position": 1,
    "kind": "scene",
    "owner": "grace",
    "server": None,
    "starts_at": None,
    "estimated_seconds": 12.5,
    "lacks": [{"server": "gpu-1:8188", "lacks": ["node class WanVideo"]}],
}
SERVER = {
    "name": "gpu-1:8188", "state": "stuck", "jobs": 1, "queue_length": 4, "engine": "ComfyUI 0.8.0",
    "problem": "restart ComfyUI there",
}  # fmt: skip
ENDED = {
    "state": "ended", "done": 1, "total": 1, "reason": "", "running_since": None, "estimated_seconds": None,
    "finish_at": None,
}  # fmt: skip
SHOT = dict.fromkeys(COLUMNS, "x")
LINE = {
    "segments": 4, "render_seconds": 40.25, "queued_seconds": 8, "saved_segments": 9, "saved_render_seconds": 90.5,
}  # fmt: skip
USAGE = {
    "rendered": [{"kind": "scene"} | LINE],
    "by_day": [{"day": "2026-03-05"} | LINE],
    "saved_by_regeneration": {"segments": 9, "render_seconds": 90.5},
    "saved_by_promotion": {"segments": 0, "render_seconds": 0},
}
ANSWERS: dict[str, Any] = {
    "/api/test-shots/batch": PLAN,
    "/api/test-shots/batches/4": BATCH,
    "/api/scenes/7/test-shot": {"id": 9, "state": "rendering", "state_reason": "", "render_scene_id": 31},
    "/api/test-shots": {"id": 9, "state": "rendering", "state_reason": "", "render_scene_id": 31},
    "/api/test-shots/gallery": {"items": [SHOT, SHOT, SHOT], "next_cursor": "more"},
    "/api/characters/2": {"id": 2},
    "/api/scene-types/3": {"id": 3},
    "/api/assets": {"items": [{"id": 4, "kind": "workflow", "name": "walk", "version_count": 1}], "next_cursor": None},
    "/api/scenes/31/progress": ENDED | {"outcome": "completed"},
    "/api/test-shots/batches/4/progress": ENDED
    | {"outcome": "completed", "reason": "1 completed, 0 failed, 0 cancelled"},
    "/api/test-shots/batches/4/cancel": BATCH,
    "/api/test-shots/9": {"id": 9, "state": "completed", "state_reason": ""},
    "/api/test-shots/9/promote": {},
    "/api/queue": {
        "is_paused": True,
        "paused_by": "ada",
        "paused_at": "now",
        "waiting_total": 1,
        "entries": [ENTRY],
        "problem": "no render server takes work: gpu-1:8188 is away",
    },
    "/api/usage": USAGE,
    "/api/projects/3": {"id": 3},
    "/api/scenes/7/resume": {"state": "rendering"},
    "/api/scenes/8/resume": {"state": "completed"},
    "/api/render-servers": {"items": [SERVER], "next_cursor": None, "name": "gpu-2:8188"},
    "/api/render-servers/drain": {"name": "gpu-2:8188"},
    "/api/scenes/7/move": {},
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, Any]]:
    """Every request that a command makes: method, path, body."""
    seen: list[tuple[str, str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        seen.append((request.method, request.url.path, body or dict(request.url.params) or body))
        return httpx.Response(200, json=ANSWERS[request.url.path])

    class Connected:
        def client(self) -> Client:
            return Client(url="http://studio", token="t", transport=httpx.MockTransport(answer))

    connect: Callable[[], Any] = Connected
    monkeypatch.setattr(Target, "from_environment", staticmethod(connect))
    return seen


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert not ended.value.code


def test_a_batch_shows_its_plan_and_is_followed_to_its_end(
    asked: list[tuple[str, str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "batch.json"
    file.write_text(json.dumps({"scene_type_id": 3}))
    run("test-shot", "batch", str(file), "--wait")
    printed = capsys.readouterr().out
    assert "1 shots, 1.0 render minutes" in printed and "ready at about" in printed
    assert "skipped: character 3, soft: no server can" in printed
    assert "batch 4: 1 completed, 0 failed, 0 cancelled" in printed
    run("test-shot", "cancel-batch", "4")
    run("test-shot", "batch", str(file), "--plan")
    assert [body for _, path, body in asked if path.endswith("/batch")] == [
        {"scene_type_id": 3},
        {"scene_type_id": 3, "only_plan": True},
    ]


def test_a_shot_is_made_waited_for_and_promoted(
    asked: list[tuple[str, str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run("test-shot", "make", "7", "--cfg", "3.5", "--wait")
    run("test-shot", "promote", "9", "--scene", "7", "--override")
    printed = capsys.readouterr().out
    assert "test shot 9 is completed\n" in printed and "is segment 1 of scene 7" in printed
    assert asked[0] == ("POST", "/api/scenes/7/test-shot", {"parameters": {"cfg": 3.5}})
    assert asked[-1] == ("POST", "/api/test-shots/9/promote", {"scene_id": 7, "override": True})


def test_the_queue_is_shown_paused_and_moved(
    asked: list[tuple[str, str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run("queue", "show")
    printed = capsys.readouterr().out
    assert "no ready render server can run scene 7: gpu-1:8188 lacks node class WanVideo" in printed
    assert "no render server takes work: gpu-1:8188 is away" in printed
    assert "paused by ada" in printed and "harbour" in printed and "1 waiting in all" in printed
    run("queue", "pause")
    run("queue", "resume", "--scene", "7")
    run("queue", "move", "7", "front")
    assert asked[1:] == [
        ("PUT", "/api/queue", {"is_paused": True}),
        ("POST", "/api/scenes/7/resume", {}),
        ("POST", "/api/scenes/7/move", {"to": "front"}),
    ]


def test_resuming_what_is_complete_says_so(
    asked: list[tuple[str, str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run("queue", "resume", "--scene", "8")
    assert capsys.readouterr().out == "scene 8 is completed\n"


def test_render_servers_are_listed_added_and_drained(
    asked: list[tuple[str, str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run("queue", "servers")
    assert "stuck" in (printed := capsys.readouterr().out) and "restart ComfyUI there" in printed
    run("queue", "add-server", "http://gpu-2:8188")
    run("queue", "drain", "gpu-2:8188")
    run("queue", "drain", "gpu-2:8188", "--end")
    assert [body for _, _, body in asked[1:]] == [
        {"url": "http://gpu-2:8188"},
        {"name": "gpu-2:8188", "drain": True},
        {"name": "gpu-2:8188", "drain": False},
    ]


@pytest.mark.parametrize("content", [b"[]", b"{", b"\xff\xfe", b""])
def test_a_batch_file_that_is_no_json_object_is_refused_in_words(
    asked: list[tuple[str, str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    file = tmp_path / "batch.json"
    file.write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        main(["test-shot", "batch", str(file)])
    assert ended.value.code == 2 and not asked
    assert "JSON" in capsys.readouterr().err


def test_usage_is_told_by_day_and_project_with_what_was_saved(
    asked: list[tuple[str, str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run("queue", "usage")
    assert "scene" in capsys.readouterr().out
    run("queue", "usage", "--since", "2026-03-01", "--project", "3", "--by", "day")
    printed = capsys.readouterr().out
    assert "2026-03-05" in printed and "40.2" in printed
    assert "saved by regeneration: 9 segments, 90.5 render seconds" in printed
    assert [path for _, path, _ in asked] == ["/api/usage", "/api/projects/3", "/api/usage"]


def test_a_shot_is_made_with_other_assets_and_before_there_is_a_scene(asked: list[tuple[str, str, Any]]) -> None:
    run("test-shot", "make", "7", "--parameters", '{"steps": 9}', "--cfg", "2")
    assert asked[-1][2] == {"parameters": {"steps": 9, "cfg": 2}}
    run("test-shot", "make", "7", "--workflow", "walk", "--tier", "draft", "--seed", "5")
    assert asked[-1][2] == {"workflow_id": 4, "parameters": {}, "tier": "draft", "seed": 5}
    run("test-shot", "new", "--character", "2", "--scene-type", "3", "--workflow", "walk", "--prompt", "rain")
    assert asked[-1] == (
        "POST",
        "/api/test-shots",
        {"character_id": 2, "scene_type_id": 3, "workflow_id": 4, "parameters": {"prompt": "rain"}},
    )


def test_the_gallery_is_filtered_and_read_page_by_page(
    asked: list[tuple[str, str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run(
        "test-shot", "list", "--sort", "quality", "--scene-type", "3", "--character", "2", "--workflow", "walk",
        "--creator", "grace", "--not-promoted", "--limit", "4", "--json",
    )  # fmt: skip
    assert len(json.loads(capsys.readouterr().out)) == 4
    first, second = (query for _, path, query in asked if path.endswith("/gallery"))
    assert first == {
        "sort": "quality", "scene_type_id": "3", "character_id": "2", "workflow_id": "4", "creator": "grace",
        "promoted": "false", "limit": "4",
    }  # fmt: skip
    assert second == first | {"cursor": "more"}
