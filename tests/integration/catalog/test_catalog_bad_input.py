"""Bad input over HTTP: a 4xx problem document that says what to change, never a 500, nothing half-written.

Each test goes through many cases on one database; a failure carries its case as a note.
"""

import json
import struct
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from shared.service import Chassis
from tests.support.catalog import BINDINGS, GRAPH, Client, Outbox, photograph, problem

BIG = 10**30


@pytest.fixture(autouse=True)
async def nothing_is_half_written(catalog: Chassis, outbox: Outbox) -> AsyncIterator[None]:
    """Every row that is there at the end was said, and everything said has its row."""
    yield
    said = [event.topic for event in await outbox.new()]
    database = catalog.database
    assert said.count("project.updated") == await database.fetchval("SELECT count(*) FROM projects")
    assert said.count("character.updated") == await database.fetchval("SELECT count(*) FROM characters")
    assert said.count("scene_type.updated") == await database.fetchval("SELECT count(*) FROM scene_types")
    assert said.count("asset.version_published") == await database.fetchval("SELECT count(*) FROM asset_versions")
    assert said.count("asset.updated") == await database.fetchval("SELECT count(*) FROM asset_activations")


@contextmanager
def case(*what: object) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        error.add_note(f"case: {what!r}"[:300])
        raise


async def send(client: Client, method: str, path: str, body: str | bytes) -> httpx.Response:
    return await client.http.request(method, path, content=body, headers={"content-type": "application/json"})


def refused(response: httpx.Response, *statuses: int) -> str:
    assert response.status_code in (statuses or (400, 422)), f"{response.status_code}: {response.text}"
    return problem(response, response.status_code)


def bomb(width: int, height: int) -> bytes:
    """A small PNG that says it is huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


NO_PROJECTS: list[str | bytes] = [
    "",
    "{",
    "null",
    "[]",
    "7",
    "[" * 100_000 + "]" * 100_000,
    b"\xff\xfe",
    '{"name": 7}',
    '{"name": ""}',
    '{"name": "   "}',
    '{"name": "a\\u0000b"}',
    '{"name": "a\\ud800b"}',
    '{"name": "line\\nbreak"}',
    json.dumps({"name": "x" * 201}),
    '{"name": "x", "nmae": "y"}',
    '{"name": "x", "\\ud800": 1}',
    '{"name": "x", "regression": []}',
    '{"name": "x", "regression": {"metrics": {"a\\u0000": {}}}}',
    '{"name": "x", "regression": {"metrics": {"a": {"threshold": Infinity}}}}',
    '{"name": "x", "regression": {"metrics": {"a": {"threshold": -1}}}}',
    '{"name": "x", "regression": {"metrics": {"a": {"treshold": 1}}}}',
    '{"name": "x", "regression": {"metrics": {"a": {"direction": "sideways"}}}}',
    '{"name": "x", "regression": {"confidence": NaN}}',
    '{"name": "x", "regression": {"confidence": 2}}',
    '{"name": "x", "regression": {"confidence": ' + "9" * 5000 + "}}",
]


async def test_a_project_that_makes_no_sense_is_refused(creator: Client) -> None:
    existing = await creator.project("kept")
    path = f"/api/projects/{existing['id']}"
    for body in NO_PROJECTS:
        with case(body):
            refused(await send(creator, "POST", "/api/projects", body))
            refused(await send(creator, "PATCH", path, body))
            assert await creator.get(path) == existing
    for body in ("{}", '{"name": null}'):
        refused(await send(creator, "POST", "/api/projects", body))


NO_SCENE_TYPES: list[dict[str, Any]] = [
    {"segment_count": 0},
    {"segment_count": 101},
    {"segment_count": "three"},
    {"segment_count": 2.5},
    {"project_id": "x"},
    {"project_id": BIG},
    {"project_id": -1},
    {"project_id": None},
    {"parameters": {"seed": 2**64}},
    {"parameters": {"seed": -1}},
    {"parameters": {"step": 20}},
    {"parameters": {"steps": 10**6}},
    {"parameters": {"width": 3}},
    {"parameters": {"prompt": "nul \x00"}},
    {"parameters": {"prompt": "x" * 10_001}},
    {"parameters": {"sampler": 7}},
    {"parameters": {"fps": 0}},
    {"parameters": None},
]


async def test_a_scene_type_that_makes_no_sense_is_refused(creator: Client) -> None:
    project = await creator.project()
    for fields in NO_SCENE_TYPES:
        with case(fields):
            body = {"project_id": project["id"], "name": "x", "segment_count": 3} | fields
            problem(await creator.http.post("/api/scene-types", json=body), 422)


async def test_a_misspelt_field_is_named(creator: Client) -> None:
    project = await creator.project()
    body = {"project_id": project["id"], "name": "x", "segment_count": 3, "parameters": {"step": 20}}
    assert "parameters.step" in problem(await creator.http.post("/api/scene-types", json=body), 422)


PATHS_WITH_IDS = [
    "/api/projects/{}",
    "/api/characters/{}",
    "/api/scene-types/{}",
    "/api/assets/{}",
    "/api/assets/{}/versions",
    "/api/assets/{}/activations",
    "/api/asset-versions/{}",
    "/api/users/{}",
    "/api/users/{}/tokens",
]
NO_IDS = ["0", "-1", str(2**63), str(BIG), "x", "1.5", "%00", "1%20OR%201=1", "٣٣", "..%2f..%2fetc"]


async def test_an_id_that_cannot_be_is_refused(admin: Client) -> None:
    for path in PATHS_WITH_IDS:
        for number in NO_IDS:
            with case(path, number):
                refused(await admin.http.get(path.format(number)), 404, 422)


async def test_unknown_ids_are_404(admin: Client) -> None:
    for path in PATHS_WITH_IDS:
        with case(path):
            problem(await admin.http.get(path.format(2**63 - 1)), 404)
    for path in ("/api/projects/99", "/api/characters/99", "/api/scene-types/99", "/api/users/99"):
        with case(path):
            problem(await admin.http.delete(path), 404)
    problem(await admin.http.get("/api/nothing"), 404)


async def test_unknown_ids_in_bodies_are_404(creator: Client) -> None:
    image = {"image": ("a.png", photograph(), "image/png")}
    form = {"project_id": "99", "name": "x"}
    problem(await creator.http.post("/api/characters", data=form, files=image), 404)
    problem(await creator.http.patch("/api/characters/99", data={"name": "x"}), 404)
    problem(await creator.http.patch("/api/projects/99", json={"name": "x"}), 404)
    problem(await creator.http.patch("/api/scene-types/99", json={"name": "x"}), 404)
    scene_type = {"project_id": 99, "name": "x", "segment_count": 1}
    problem(await creator.http.post("/api/scene-types", json=scene_type), 404)
    version = {"file_name": "a.pt", "checksum": "a" * 64}
    problem(await creator.http.post("/api/assets/99/versions", json=version), 404)


NO_QUERIES = [
    "limit=0",
    "limit=201",
    "limit=x",
    "cursor=%00",
    "cursor=!!!",
    "cursor=LTE=",
    "cursor=%F0%9F%98%80",
    f"cursor={'A' * 65}",
    "name=%00",
    "name=",
    "project_id=x",
    "project_id=0",
    f"project_id={BIG}",
]


async def test_a_list_query_that_makes_no_sense_is_refused(creator: Client) -> None:
    for query in NO_QUERIES:
        with case(query):
            problem(await creator.http.get(f"/api/characters?{query}"), 422)
    problem(await creator.http.get("/api/assets?kind=checkpoint"), 422)


NO_PHOTOGRAPHS: list[tuple[bytes, int]] = [
    (b"", 422),
    (b"this is no image", 415),
    (b"GIF89a" + b"\0" * 50, 415),
    (photograph(format_="PNG")[:60], 422),
    (photograph(format_="JPEG")[:200], 422),
    (bomb(2_000, 2_000), 413),
    (bomb(60_000, 60_000), 413),
    (photograph() + b"\0" * 200_000, 413),
    (photograph(width=20, height=20), 422),
]


async def test_an_upload_that_is_no_photograph_is_refused(creator: Client, catalog: Chassis) -> None:
    project = await creator.project()
    character = await creator.character(project["id"])
    path = f"/api/characters/{character['id']}"
    form = {"project_id": str(project["id"]), "name": "Grace"}
    for image, status in NO_PHOTOGRAPHS:
        with case(image[:20], status):
            files = {"image": ("ada.png", image, "image/png")}
            problem(await creator.http.post("/api/characters", data=form, files=files), status)
            problem(await creator.http.patch(path, files=files), status)
            assert await creator.get(path) == character
    stored = [file.name for file in catalog.settings.media_root.rglob("*") if file.is_file()]
    assert stored == [character["source_image"]["sha256"]]


async def test_an_upload_that_is_no_form_is_refused(creator: Client) -> None:
    project = await creator.project()
    form = {"project_id": str(project["id"]), "name": "Ada"}
    image = ("a.png", photograph(), "image/png")
    requests: list[dict[str, Any]] = [
        {"json": {"project_id": project["id"], "name": "Ada"}},
        {"data": form},
        {"data": form | {"image": "text"}},
        {"files": {"image": image}},
        {"data": {"name": "Ada"}, "files": {"image": image, "project_id": image}},
        {"data": form | {"project_id": str(BIG)}, "files": {"image": image}},
        {"data": form | {"project_id": "1; DROP TABLE users"}, "files": {"image": image}},
        {"data": form | {"name": "\x00"}, "files": {"image": image}},
        {"data": form | {"name": "x" * 300}, "files": {"image": image}},
        {"content": b"--x\r\n", "headers": {"content-type": "multipart/form-data; boundary=x"}},
        {"content": b"junk", "headers": {"content-type": "multipart/form-data"}},
        {"content": b"\xff" * 99, "headers": {"content-type": b"multipart/form-data; boundary=\xff"}},
        {"content": b"\xff" * 99, "headers": {"content-type": b"multipart/form-data; boundary="}},
    ]
    for number, request in enumerate(requests):
        with case(number):
            refused(await creator.http.post("/api/characters", **request), 400, 415, 422)


async def test_a_body_over_the_limit_is_refused(creator: Client, catalog: Chassis) -> None:
    body = b"x" * (catalog.settings.max_request_bytes + 1)
    problem(await send(creator, "POST", "/api/projects", body), 413)


UI_FORMAT = {"last_node_id": 3, "nodes": [{"id": 1, "type": "LoadImage"}], "links": [], "version": 0.4}


def with_node(node: Any) -> dict[str, Any]:
    return {"graph": GRAPH | {"4": node}, "bindings": BINDINGS}


def bound(**changes: Any) -> dict[str, Any]:
    return {"graph": GRAPH, "bindings": BINDINGS | changes}


NO_WORKFLOWS: list[tuple[dict[str, Any], str]] = [
    ({"graph": UI_FORMAT, "bindings": BINDINGS}, "Export (API)"),
    ({"graph": UI_FORMAT}, "Export (API)"),
    ({}, "bindings and graph"),
    ({"graph": GRAPH}, "bindings"),
    ({"bindings": BINDINGS}, "graph"),
    ({"graph": [], "bindings": BINDINGS}, "graph"),
    ({"graph": {}, "bindings": BINDINGS}, "JSON object of nodes"),
    ({"graph": {"1": 7}, "bindings": BINDINGS}, "'1'"),
    (with_node({"class_type": "X"}), "'4' has no inputs"),
    (with_node({"class_type": "X", "inputs": {"a": ["77", 0]}}), "'77'"),
    (with_node({"class_type": "X", "inputs": {"a": ["4", 0]}}), "cycle"),
    (with_node({"class_type": "X", "inputs": {"a": "\x00"}}), "NUL"),
    (with_node({"class_type": "X", "inputs": {"a": 2**64}}), "64 bits"),
    (with_node({"class_type": "x" * 700_000, "inputs": {}}), "limit"),
    (bound(seed={"node": "77", "input": "seed"}), "'77'"),
    (bound(seed={"node": "2", "input": "noise"}), "'noise'"),
    (bound(sede={"node": "2", "input": "seed"}), "sede"),
    (bound(seed={"node": "\x00", "input": "seed"}), "NUL"),
    (bound(seed={"node": 2, "input": "seed"}), "seed"),
    (bound(size_multiple=0), "size_multiple"),
    ({"graph": GRAPH, "bindings": {"seed_image": BINDINGS["seed_image"]}}, "video_output"),
    ({"graph": GRAPH, "bindings": {"video_output": BINDINGS["video_output"]}}, "seed_image"),
    (bound() | {"file_name": "a.json"}, "file_name"),
    (bound() | {"note": "nul \x00"}, "NUL"),
]


async def test_a_workflow_that_cannot_be_rendered_is_refused_with_the_mend(creator: Client) -> None:
    asset = await creator.post("/api/assets", kind="workflow", name="i2v")
    for body, says in NO_WORKFLOWS:
        with case(says, body):
            assert says in problem(await creator.http.post(f"/api/assets/{asset['id']}/versions", json=body), 422)
    assert (await creator.get(f"/api/assets/{asset['id']}"))["active_version"] is None


async def test_json_that_cannot_be_stored_is_refused(creator: Client) -> None:
    asset = await creator.post("/api/assets", kind="workflow", name="i2v")
    for value in (
        "NaN",
        "-Infinity",
        "1e999",
        '"\\ud800"',
        '{"\\ud800": 1}',
        '{"\\u0000": 1}',
        "[" * 500 + "]" * 500,
        '{"a":' * 200 + "1" + "}" * 200,
    ):
        with case(value):
            graph = json.dumps(GRAPH)[:-1] + ', "9": {"class_type": "X", "inputs": {"a": ' + value + "}}}"
            body = '{"bindings": ' + json.dumps(BINDINGS) + ', "graph": ' + graph + "}"
            refused(await send(creator, "POST", f"/api/assets/{asset['id']}/versions", body))


async def test_a_refusal_never_repeats_text_that_cannot_be_sent(creator: Client) -> None:
    asset = await creator.post("/api/assets", kind="workflow", name="i2v")
    graph = json.dumps(GRAPH).replace("KSampler", "\\ud800")
    body = '{"bindings": ' + json.dumps(BINDINGS | {"cfg": {"node": "2", "input": "no"}}) + ', "graph": ' + graph + "}"
    assert "surrogate" in refused(await send(creator, "POST", f"/api/assets/{asset['id']}/versions", body))


NO_FILE_NAMES: list[Any] = [
    "../../x.safetensors",
    "/etc/passwd",
    "a/../../b",
    "C:\\x",
    "",
    ".",
    "x\x00.pt",
    "x" * 300,
    7,
    None,
]


async def test_a_file_name_that_is_a_path_is_refused(creator: Client) -> None:
    for kind in ("lora", "model"):
        asset = await creator.post("/api/assets", kind=kind, name="x")
        for file_name in NO_FILE_NAMES:
            with case(kind, file_name):
                body = {"file_name": file_name, "checksum": "a" * 64}
                problem(await creator.http.post(f"/api/assets/{asset['id']}/versions", json=body), 422)


async def test_a_checksum_that_is_none_is_refused(creator: Client) -> None:
    asset = await creator.lora()
    for checksum in ("", "A" * 64, "a" * 63, "g" * 64, 7, None, "a" * 64 + "\n"):
        with case(checksum):
            body = {"file_name": "a.pt", "checksum": checksum}
            problem(await creator.http.post(f"/api/assets/{asset['id']}/versions", json=body), 422)


async def test_users_and_tokens_that_make_no_sense_are_refused(admin: Client) -> None:
    no_users: list[dict[str, Any]] = [
        {"name": "x"},
        {"name": "x", "role": "owner"},
        {"name": "", "role": "viewer"},
        {"name": "x", "role": "viewer", "id": 1},
    ]
    for body in no_users:
        with case(body):
            problem(await admin.http.post("/api/users", json=body), 422)
    user = await admin.post("/api/users", name="ada", role="viewer")
    no_tokens: list[dict[str, Any]] = [{"days": 0}, {"days": BIG}, {"days": "x"}, {"label": "\x00"}, {"role": "admin"}]
    for body in no_tokens:
        with case(body):
            problem(await admin.http.post(f"/api/users/{user['id']}/tokens", json=body), 422)
