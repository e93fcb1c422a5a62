"""Projects, characters and scene types over HTTP, on a real database."""

import asyncio
import io
from typing import Any

from PIL import Image

from shared.service import Chassis
from tests.support.catalog import Client, Outbox, photograph, problem

RULES = {"metrics": {"identity": {"threshold": 0.05, "veto": True}}, "confidence": 0.99}
PARAMETERS = {"seed": 2**64 - 1, "prompt": "a face", "cfg": 3.5, "steps": 20, "width": 640, "height": 480, "frames": 49}


async def test_a_project_is_created_and_said_with_its_rules(creator: Client, outbox: Outbox) -> None:
    project = await creator.project("Pilot", regression=RULES)
    (said,) = await outbox.new()
    assert (said.topic, said.key) == ("project.updated", str(project["id"]))
    assert said.payload["sequence"] == 1
    assert said.payload["name"] == "Pilot"
    assert said.payload["regression"]["confidence"] == 0.99
    assert said.payload["regression"]["metrics"]["identity"]["veto"] is True
    shown = await creator.get(f"/api/projects/{project['id']}")
    assert shown == project
    assert shown["regression"]["metrics"]["identity"]["threshold"] == 0.05


async def test_a_change_is_said_with_the_next_sequence_and_no_change_is_not_said(
    creator: Client, outbox: Outbox
) -> None:
    project = await creator.project("Pilot", regression=RULES)
    await outbox.new()
    path = f"/api/projects/{project['id']}"
    renamed = (await creator.http.patch(path, json={"name": "Series"})).json()
    (said,) = await outbox.new()
    assert (said.payload["sequence"], said.payload["name"]) == (2, "Series")
    assert renamed["regression"] == project["regression"]
    again = await creator.http.patch(path, json={"name": "Series", "regression": RULES})
    assert again.json()["version"] == 2
    assert await outbox.new() == []


async def test_a_name_is_taken_once_also_when_two_come_at_the_same_time(creator: Client, outbox: Outbox) -> None:
    answers = await asyncio.gather(*(creator.http.post("/api/projects", json={"name": "Pilot"}) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert len(await outbox.new()) == 1
    other = await creator.project("Other")
    refused = await creator.http.patch(f"/api/projects/{other['id']}", json={"name": "Pilot"})
    assert "'Pilot'" in problem(refused, 409)
    assert len(await outbox.new()) == 1


async def test_deleting_a_project_says_so_for_everything_in_it(admin: Client, outbox: Outbox, catalog: Chassis) -> None:
    doomed, kept = await admin.project("Doomed"), await admin.project("Kept")
    ada, bob = await admin.character(doomed["id"], "Ada"), await admin.character(doomed["id"], "Bob")
    wide = await admin.scene_type(doomed["id"])
    survivor = await admin.character(kept["id"], "Ada")
    await outbox.new()
    response = await admin.http.delete(f"/api/projects/{doomed['id']}")
    assert response.status_code == 204
    said = await outbox.new()
    assert [(event.topic, event.key) for event in said] == [
        ("character.deleted", str(ada["id"])),
        ("character.deleted", str(bob["id"])),
        ("scene_type.deleted", str(wide["id"])),
        ("project.deleted", str(doomed["id"])),
    ]
    assert all(event.payload["sequence"] == 2 for event in said)
    assert await outbox.retired() == [(event.topic.replace("deleted", "updated"), event.key) for event in said], (
        "a service that starts in a year does not learn of them"
    )
    assert await catalog.database.fetchval("SELECT count(*) FROM characters") == 1
    assert await admin.get(f"/api/characters/{survivor['id']}") == survivor
    problem(await admin.http.get(f"/api/characters/{ada['id']}"), 404)
    problem(await admin.http.delete(f"/api/projects/{doomed['id']}"), 404)
    assert await outbox.new() == []


async def test_nothing_is_left_in_a_project_that_is_deleted_while_it_is_filled(
    admin: Client, outbox: Outbox, catalog: Chassis
) -> None:
    project = await admin.project()

    async def fill(number: int) -> int:
        body = {"project_id": project["id"], "name": f"type {number}", "segment_count": 1}
        return (await admin.http.post("/api/scene-types", json=body)).status_code

    async def delete() -> int:
        return (await admin.http.delete(f"/api/projects/{project['id']}")).status_code

    answers = await asyncio.gather(*(fill(number) for number in range(4)), delete(), *(fill(9 + n) for n in range(4)))
    assert set(answers) <= {201, 204, 404}
    assert await catalog.database.fetchval("SELECT count(*) FROM scene_types") == 0
    said = [event.topic for event in await outbox.new()]
    assert said.count("scene_type.updated") == said.count("scene_type.deleted") == answers.count(201)


async def test_a_scene_type_carries_its_defaults_exactly(creator: Client, outbox: Outbox) -> None:
    project = await creator.project()
    await outbox.new()
    scene_type = await creator.scene_type(project["id"], parameters=PARAMETERS, segment_count=5)
    (said,) = await outbox.new()
    assert said.topic == "scene_type.updated"
    assert said.payload["segment_count"] == 5
    assert {name: said.payload["parameters"][name] for name in PARAMETERS} == PARAMETERS
    assert said.payload["parameters"]["lora_strength"] is None
    path = f"/api/scene-types/{scene_type['id']}"
    changed = (await creator.http.patch(path, json={"segment_count": 2})).json()
    assert (changed["segment_count"], changed["parameters"]["seed"], changed["version"]) == (2, 2**64 - 1, 2)
    (said,) = await outbox.new()
    assert (said.payload["sequence"], said.payload["segment_count"]) == (2, 2)
    assert (await creator.http.delete(path)).status_code == 204
    (said,) = await outbox.new()
    assert (said.topic, said.payload["sequence"]) == ("scene_type.deleted", 3)


async def test_a_character_keeps_an_upright_png_of_its_photograph(
    creator: Client, outbox: Outbox, catalog: Chassis
) -> None:
    project = await creator.project()
    await outbox.new()
    character = await creator.character(project["id"], "Ada", photograph("red", format_="JPEG"))
    (said,) = await outbox.new()
    assert said.topic == "character.updated"
    assert said.payload["source_image_sha256"] == character["source_image"]["sha256"]
    stored = await catalog.media.get(character["source_image"]["sha256"], verify=True)
    image = Image.open(io.BytesIO(stored))
    assert (image.format, image.size) == ("PNG", (64, 48))
    assert (character["source_image"]["width"], character["source_image"]["height"]) == (64, 48)


async def test_a_characters_photograph_and_name_change_together_or_apart(creator: Client, outbox: Outbox) -> None:
    project = await creator.project()
    character = await creator.character(project["id"])
    await outbox.new()
    path = f"/api/characters/{character['id']}"
    new_image = {"image": ("x.png", photograph("orange"), "image/png")}
    changed = (await creator.http.patch(path, files=new_image)).json()
    assert changed["name"] == character["name"]
    assert changed["source_image"]["sha256"] != character["source_image"]["sha256"]
    renamed = (await creator.http.patch(path, data={"name": "Grace"})).json()
    assert (renamed["name"], renamed["source_image"]) == ("Grace", changed["source_image"])
    await creator.http.patch(path, data={"name": "Grace"}, files=new_image)
    assert [event.payload["sequence"] for event in await outbox.new()] == [2, 3]
    assert (await creator.http.delete(path)).status_code == 204
    assert [event.topic for event in await outbox.new()] == ["character.deleted"]


async def test_the_name_of_an_uploaded_file_is_never_used(creator: Client, catalog: Chassis) -> None:
    project = await creator.project()
    for number, file_name in enumerate(["../../../etc/passwd", "/etc/cron.d/x", "C:\\x.png", "a\x01b.png"]):
        response = await creator.http.post(
            "/api/characters",
            data={"project_id": str(project["id"]), "name": f"Ada {number}"},
            files={"image": (file_name, photograph(), "image/png")},
        )
        assert response.status_code == 201, (file_name, response.text)
    root = catalog.settings.media_root
    (stored,) = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    assert stored.startswith("sha256/")


async def test_lists_come_in_pages_and_can_be_narrowed(creator: Client) -> None:
    first, second = await creator.project("One"), await creator.project("Two")
    for number in range(5):
        await creator.scene_type(first["id"], f"type {number}")
    await creator.scene_type(second["id"], "type 1")
    page = await creator.get("/api/scene-types", project_id=first["id"], limit=3)
    rest = await creator.get("/api/scene-types", project_id=first["id"], limit=3, cursor=page["next_cursor"])
    assert [item["name"] for item in page["items"] + rest["items"]] == [f"type {number}" for number in range(5)]
    assert rest["next_cursor"] is None
    named = await creator.get("/api/scene-types", name="type 1")
    assert [item["project_id"] for item in named["items"]] == [first["id"], second["id"]]
    assert (await creator.get("/api/projects", name="Two"))["items"] == [second]
    assert (await creator.get("/api/characters", project_id=first["id"]))["items"] == []


FORBIDDEN_TO_VIEWERS: list[tuple[str, str, Any]] = [
    ("POST", "/api/projects", {"name": "x"}),
    ("PATCH", "/api/projects/1", {"name": "x"}),
    ("DELETE", "/api/projects/1", None),
    ("POST", "/api/scene-types", {"project_id": 1, "name": "x", "segment_count": 1}),
    ("PATCH", "/api/scene-types/1", {"name": "x"}),
    ("DELETE", "/api/scene-types/1", None),
    ("PATCH", "/api/characters/1", None),
    ("DELETE", "/api/characters/1", None),
    ("POST", "/api/assets", {"kind": "lora", "name": "x"}),
    ("POST", "/api/assets/1/versions", {"file_name": "x", "checksum": "a" * 64}),
    ("POST", "/api/users", {"name": "x", "role": "viewer"}),
    ("GET", "/api/users", None),
    ("DELETE", "/api/users/1", None),
]


async def test_a_viewer_changes_nothing(viewer: Client) -> None:
    for method, path, body in FORBIDDEN_TO_VIEWERS:
        response = await viewer.http.request(method, path, json=body)
        assert "role" in problem(response, 403), (method, path)


async def test_a_creator_does_not_delete_a_project(creator: Client) -> None:
    project = await creator.project()
    problem(await creator.http.delete(f"/api/projects/{project['id']}"), 403)
    assert await creator.get(f"/api/projects/{project['id']}") == project


async def test_a_repeated_request_with_one_key_makes_one_project(creator: Client, outbox: Outbox) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = await creator.http.post("/api/projects", json={"name": "Pilot"}, headers=headers)
    second = await creator.http.post("/api/projects", json={"name": "Pilot"}, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert len(await outbox.new()) == 1
    problem(await creator.http.post("/api/projects", json={"name": "Other"}, headers=headers), 422)
