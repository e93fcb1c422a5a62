"""`rushes asset publish` and `check`: what the servers lack is said right after a version was published."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.studio.cli import fitness
from services.studio.cli.app import main
from services.studio.cli.client import Client
from services.studio.cli.connection import Target

LACKS = {"server": "gpu-1:8188", "state": "ready", "is_known": True, "lacks": ["node class WanVideo", "file a.pt"]}
FIT = {"server": "gpu-1:8188", "state": "ready", "is_known": True, "lacks": []}
SILENT = {"server": "gpu-2:8188", "state": "away", "is_known": False, "lacks": []}
ASSET = {"id": 4, "kind": "workflow", "name": "portrait", "active_version": {"id": 9, "version": 2}}


class Edge:
    """Answers `fitness` with these in turn, the last for ever; None: not heard of yet."""

    def __init__(self, *answers: list[dict[str, Any]] | None) -> None:
        self._answers = self._in_turn(answers)
        self.looks = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/asset-versions/9/fitness":
            self.looks += 1
            answer = next(self._answers)
            return httpx.Response(404, json={"title": "Not found"}) if answer is None else _page(answer)
        if request.method == "POST":
            return httpx.Response(201, json={"id": 9, "version": 2})
        return _page([ASSET])

    @staticmethod
    def _in_turn(answers: tuple[Any, ...]) -> Iterator[Any]:
        yield from answers
        while True:
            yield answers[-1]


def _page(items: list[dict[str, Any]]) -> httpx.Response:
    return httpx.Response(200, json={"items": items, "next_cursor": None})


def printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], edge: Edge, *arguments: str
) -> list[str]:
    def client(_: Target) -> Client:
        return Client(url="http://edge", token="t", transport=httpx.MockTransport(edge))

    monkeypatch.setattr(Target, "client", client)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(SystemExit) as ended:
        main(["asset", *arguments])
    assert ended.value.code == 0
    return capsys.readouterr().out.splitlines()


@pytest.fixture
def publish(tmp_path: Path) -> list[str]:
    for name in ("graph", "bindings"):
        (tmp_path / f"{name}.json").write_text(json.dumps({}))
    files = ["--file", str(tmp_path / "graph.json"), "--bindings", str(tmp_path / "bindings.json")]
    return ["publish", "--kind", "workflow", "--name", "portrait", *files]


def test_publishing_says_which_server_lacks_what(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], publish: list[str]
) -> None:
    assert printed(monkeypatch, capsys, Edge(None, None, [LACKS, SILENT]), *publish) == [
        "workflow portrait version 2 is active",
        "render server gpu-1:8188 lacks node class WanVideo, file a.pt",
        "render server gpu-2:8188 (away) has not said what it has",
    ]


def test_what_was_lacking_a_moment_ago_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], publish: list[str]
) -> None:
    edge = Edge([LACKS], [LACKS], [FIT])
    assert printed(monkeypatch, capsys, edge, *publish)[1:] == ["render server gpu-1:8188 (ready) has all it needs"]
    assert edge.looks == 3


def test_a_version_that_nobody_has_heard_of_in_time_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], publish: list[str]
) -> None:
    edge = Edge(None)
    assert "`rushes asset check` tells later" in printed(monkeypatch, capsys, edge, *publish)[1]
    assert edge.looks == fitness.HEARD_LOOKS


def test_checking_again_asks_for_the_active_version(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(monkeypatch, capsys, Edge([FIT]), "check", "workflow:portrait") == [
        "render server gpu-1:8188 (ready) has all it needs"
    ]
    assert printed(monkeypatch, capsys, Edge([]), "check", "portrait") == [
        "no render server is known yet, so none was compared"
    ]


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe"])
def test_a_file_that_is_no_graph_leaves_no_asset_behind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], publish: list[str], content: bytes
) -> None:
    def nobody(_: Target) -> Client:
        raise AssertionError("something was asked for")

    monkeypatch.setattr(Target, "client", nobody)
    Path(publish[publish.index("--file") + 1]).write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        main(["asset", *publish])
    assert ended.value.code == 2
    assert "JSON" in capsys.readouterr().err
