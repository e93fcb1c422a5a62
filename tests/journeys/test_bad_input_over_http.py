"""Nothing a client sends makes the edge answer 5xx, and every refusal says what to change."""

import io
import secrets
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from deploy.local.stack import LocalStack
from tests.support.playing import BINDINGS, Json, Player, photograph
from tests.support.standin import image_to_video_graph

UNKNOWN_ID = 987_654_321
NASTY_BODIES: tuple[Any, ...] = ([], "text", 7, None, {"unknown": 1}, {"name": "\x00"}, {"name": {"deep": [1]}})
NASTY_IDS = ("0", "-1", "abc", "99999999999999999999", "..", "%2e%2e%2fetc", "1;drop", "%00", "é")


@pytest.fixture(scope="module")
def player(stack: LocalStack) -> Iterator[Player]:
    player = Player(stack)
    yield player
    player.http.close()


@pytest.fixture(scope="module")
def surface(player: Player) -> list[tuple[str, str]]:
    """Every (method, path pattern) of the one OpenAPI document."""
    document = player.get("/openapi.json")
    found = [
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
        if method in {"get", "post", "put", "patch", "delete"}
    ]
    assert len(found) > 40
    return found


def refused(answer: httpx.Response) -> Json:
    """A problem document with a detail."""
    assert 400 <= answer.status_code < 500, (
        f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
    )
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
    problem: Json = answer.json()
    assert problem["detail"]
    return problem


def test_unknown_ids_are_refused_everywhere(player: Player, surface: list[tuple[str, str]]) -> None:
    for method, path in surface:
        if "{" in path:
            answer = player.http.request(method, _with_ids(path, str(UNKNOWN_ID)), json={})
            assert answer.status_code < 500, (method, path, answer.text)
            if method != "POST" or answer.status_code >= 400:
                refused(answer)


def test_ids_that_are_none_are_refused_everywhere(player: Player, surface: list[tuple[str, str]]) -> None:
    for method, path in surface:
        if "{" in path:
            for nasty in NASTY_IDS:
                answer = player.http.request(method, _with_ids(path, nasty), json={})
                # A path that a client shortens itself ("..") may be sent on to the collection before it.
                assert 300 <= answer.status_code < 500, (method, path, nasty, answer.status_code, answer.text)


def _with_ids(path: str, value: str) -> str:
    while "{" in path:
        before, _, rest = path.partition("{")
        path = before + value + rest.partition("}")[2]
    return path


def test_bodies_of_the_wrong_shape_are_refused_everywhere(player: Player, surface: list[tuple[str, str]]) -> None:
    for method, path in surface:
        if method in {"POST", "PUT", "PATCH"} and "{" not in path:
            for body in NASTY_BODIES:
                refused(player.http.request(method, path, json=body))
            refused(
                player.http.request(method, path, content=b"{not json", headers={"content-type": "application/json"})
            )
            refused(
                player.http.request(method, path, content=b"\xff\xfe", headers={"content-type": "application/json"})
            )


def test_queries_of_the_wrong_type_are_refused_and_never_fail(player: Player, surface: list[tuple[str, str]]) -> None:
    for method, path in surface:
        if method == "GET" and "{" not in path:
            for query in (
                {"limit": "0"},
                {"limit": "many"},
                {"cursor": "invented"},
                {"cursor": "\x00"},
                {"name": "\x00"},
            ):
                answer = player.http.get(path, params=query)
                assert answer.status_code < 500, (path, query, answer.text)


def test_without_a_token_nothing_is_answered(player: Player, surface: list[tuple[str, str]]) -> None:
    for method, path in surface:
        answer = httpx.request(method, str(player.http.base_url) + _with_ids(path, "1"), json={})
        assert answer.status_code in {401, 403, 404, 405, 422}, (method, path, answer.status_code)
        if path.startswith("/api/") and answer.status_code != 404:
            assert answer.status_code == 401, (method, path, answer.status_code)


def _png_of(width: int, height: int) -> bytes:
    """A few kilobytes that claim, and hold, a picture of that size."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * ((width // 8 + 1) * height), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("corrupt.png", photograph()[:5000], {422}),
        ("text.png", b"no picture at all", {415, 422}),
        ("empty.png", b"", {415, 422}),
        ("bomb.png", _png_of(40_000, 40_000), {413, 422}),
        ("huge.png", b"\x89PNG" + b"x" * 40_000_000, {413}),
        ("page.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", {415, 422}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_upload_is_refused_and_leaves_nothing(
    player: Player, name: str, content: bytes, status: set[int]
) -> None:
    project = player.post("/api/projects", {"name": f"uploads-{secrets.token_hex(3)}"})["id"]
    answer = player.http.post(
        "/api/characters",
        data={"project_id": str(project), "name": "Ada"},
        files={"image": (name, io.BytesIO(content), "image/png")},
    )
    assert answer.status_code in status, answer.text
    refused(answer)
    assert player.get("/api/characters", project_id=project)["items"] == []


def test_a_path_in_a_file_name_reaches_no_file(player: Player) -> None:
    project = player.post("/api/projects", {"name": f"paths-{secrets.token_hex(3)}"})["id"]
    made = player.post(
        "/api/characters",
        data={"project_id": str(project), "name": "Ada"},
        files={"image": ("../../../tmp/owned.png", photograph(), "image/png")},
    )
    assert "owned" not in str(made)
    lora = player.post("/api/assets", {"kind": "lora", "name": f"paths-{secrets.token_hex(3)}"})["id"]
    for file_name in ("../evil.safetensors", "/etc/passwd", "a/../../b.safetensors", "", "x\x00.safetensors"):
        body = {"file_name": file_name, "checksum": "a" * 64}
        refused(player.http.post(f"/api/assets/{lora}/versions", json=body))


def test_a_workflow_in_ui_format_is_refused_with_the_way_to_export(player: Player) -> None:
    workflow = player.post("/api/assets", {"kind": "workflow", "name": f"ui-{secrets.token_hex(3)}"})["id"]
    body = {"graph": {"nodes": [], "links": [], "version": 0.4}, "bindings": BINDINGS}
    problem = refused(player.http.post(f"/api/assets/{workflow}/versions", json=body))
    assert "Export (API)" in problem["detail"]


def test_bindings_to_nodes_that_do_not_exist_are_refused_by_name(player: Player) -> None:
    workflow = player.post("/api/assets", {"kind": "workflow", "name": f"bound-{secrets.token_hex(3)}"})["id"]
    body = {
        "graph": image_to_video_graph(image="seed.png", lora="x.safetensors"),
        "bindings": BINDINGS | {"seed": {"node": "77", "input": "seed"}},
    }
    problem = refused(player.http.post(f"/api/assets/{workflow}/versions", json=body))
    assert "77" in problem["detail"]
    assert player.get(f"/api/assets/{workflow}")["active_version"] is None


def test_the_same_file_name_with_another_checksum_is_refused(player: Player) -> None:
    lora = player.post("/api/assets", {"kind": "lora", "name": f"name-{secrets.token_hex(3)}"})["id"]
    file_name = f"{secrets.token_hex(4)}.safetensors"
    player.post(f"/api/assets/{lora}/versions", {"file_name": file_name, "checksum": "a" * 64})
    again = player.http.post(f"/api/assets/{lora}/versions", json={"file_name": file_name, "checksum": "b" * 64})
    assert again.status_code == 409
    assert file_name in refused(again)["detail"]


def test_media_needs_a_signed_link(player: Player) -> None:
    for path in (
        "/media/" + "a" * 64,
        "/media/../secrets/admin.token",
        "/media/" + "a" * 64 + "?expires=1&signature=x",
    ):
        answer = player.http.get(path)
        assert 400 <= answer.status_code < 500, (path, answer.status_code)
