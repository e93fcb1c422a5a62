"""Publishing versions over HTTP: what becomes active, what is said, what is refused."""

import asyncio

import asyncpg
import pytest

from services.catalog import domain
from shared.service import Chassis
from tests.support.catalog import BINDINGS, GRAPH, Client, Outbox, checksum, problem


async def test_an_asset_without_versions_is_not_said(creator: Client, outbox: Outbox) -> None:
    asset = await creator.lora()
    assert asset["active_version"] is None
    assert asset["created_by"] == "ada"
    assert await outbox.new() == []


async def test_publishing_makes_active_and_says_both_facts_in_order(creator: Client, outbox: Outbox) -> None:
    asset = await creator.lora("anna")
    one = await creator.lora_version(asset["id"], "anna-v1.safetensors", note="first")
    published, updated = await outbox.new()
    assert (published.topic, published.key) == ("asset.version_published", str(one["id"]))
    assert published.payload["file_name"] == "anna-v1.safetensors"
    assert published.payload["checksum"] == checksum("anna-v1.safetensors")
    assert (published.payload["version"], published.payload["note"], published.payload["published_by"]) == (
        1,
        "first",
        "ada",
    )
    assert (updated.topic, updated.key) == ("asset.updated", str(asset["id"]))
    assert updated.payload["cause"] == "release"
    assert updated.payload["previous_version_id"] is None
    assert (updated.payload["version_id"], updated.payload["sequence"]) == (one["id"], 1)
    two = await creator.lora_version(asset["id"], "anna-v2.safetensors")
    _, updated = await outbox.new()
    assert updated.payload["previous_version_id"] == one["id"]
    assert (updated.payload["version_id"], updated.payload["sequence"]) == (two["id"], 2)
    shown = await creator.get(f"/api/assets/{asset['id']}")
    assert shown["active_version"] == two
    assert (shown["version_count"], shown["activation_count"]) == (2, 2)


async def test_versions_are_listed_with_the_active_one_marked(creator: Client) -> None:
    asset = await creator.lora()
    for number in (1, 2, 3):
        await creator.lora_version(asset["id"], f"anna-v{number}.safetensors")
    path = f"/api/assets/{asset['id']}/versions"
    page = await creator.get(path, limit=2)
    rest = await creator.get(path, limit=2, cursor=page["next_cursor"])
    listed = page["items"] + rest["items"]
    assert [(item["version"], item["active"]) for item in listed] == [(1, False), (2, False), (3, True)]
    assert "graph" not in listed[0]
    activations = (await creator.get(f"/api/assets/{asset['id']}/activations"))["items"]
    assert [(item["sequence"], item["version_id"], item["cause"]) for item in activations] == [
        (number, item["id"], "release") for number, item in enumerate(listed, start=1)
    ]


async def test_a_workflow_is_published_with_its_graph_and_bindings(creator: Client, outbox: Outbox) -> None:
    asset = await creator.post("/api/assets", kind="workflow", name="i2v")
    version = await creator.post(f"/api/assets/{asset['id']}/versions", graph=GRAPH, bindings=BINDINGS)
    published, _ = await outbox.new()
    assert published.payload["graph"] == GRAPH
    assert published.payload["bindings"]["seed"] == {"node": "2", "input": "seed"}
    assert published.payload["bindings"]["cfg"] is None
    assert version["checksum"] == domain.checksum_of(GRAPH) == published.payload["checksum"]
    detail = await creator.get(f"/api/asset-versions/{version['id']}")
    assert detail["graph"] == GRAPH
    assert (detail["asset_name"], detail["active"], detail["file_name"]) == ("i2v", True, None)


async def test_numbers_of_a_graph_come_back_as_they_were_sent(creator: Client) -> None:
    asset = await creator.post("/api/assets", kind="workflow", name="i2v")
    graph = GRAPH | {
        "4": {"class_type": "Note", "inputs": {"a": 1.0, "b": 1e22, "c": 2**64 - 1, "d": 0.1, "e": "é\U0001f600"}}
    }
    version = await creator.post(f"/api/assets/{asset['id']}/versions", graph=graph, bindings=BINDINGS)
    detail = await creator.get(f"/api/asset-versions/{version['id']}")
    assert domain.checksum_of(detail["graph"]) == version["checksum"]


async def test_the_active_workflow_again_is_a_conflict_and_other_bindings_are_a_version(
    creator: Client, outbox: Outbox
) -> None:
    asset = await creator.post("/api/assets", kind="workflow", name="i2v")
    path = f"/api/assets/{asset['id']}/versions"
    await creator.post(path, graph=GRAPH, bindings=BINDINGS)
    await outbox.new()
    reordered = dict(reversed(GRAPH.items()))
    again = await creator.http.post(path, json={"graph": reordered, "bindings": BINDINGS})
    assert "already active as version 1" in problem(again, 409)
    assert await outbox.new() == []
    bound = BINDINGS | {"cfg": {"node": "2", "input": "cfg"}}
    assert (await creator.post(path, graph=GRAPH, bindings=bound))["version"] == 2


async def test_a_file_name_stands_for_one_content_for_ever(creator: Client, outbox: Outbox) -> None:
    anna, bella = await creator.lora("anna"), await creator.lora("bella")
    await creator.lora_version(anna["id"], "anna.safetensors")
    await creator.lora_version(anna["id"], "anna-2.safetensors")
    await outbox.new()
    path = f"/api/assets/{anna['id']}/versions"
    other = {"file_name": "anna.safetensors", "checksum": checksum("other")}
    same = {"file_name": "anna.safetensors", "checksum": checksum("anna.safetensors")}
    assert "another checksum" in problem(await creator.http.post(path, json=other), 409)
    assert "version 1 of this asset" in problem(await creator.http.post(path, json=same), 409)
    elsewhere = await creator.http.post(f"/api/assets/{bella['id']}/versions", json=same)
    assert f"asset {anna['id']}" in problem(elsewhere, 409)
    assert await outbox.new() == []
    model = await creator.post("/api/assets", kind="model", name="base")
    await creator.post(f"/api/assets/{model['id']}/versions", **same)


async def test_the_same_bytes_under_a_new_name_are_a_version(creator: Client) -> None:
    asset = await creator.lora()
    await creator.lora_version(asset["id"], "anna-v1.safetensors", checksum="a" * 64)
    assert (await creator.lora_version(asset["id"], "anna-v2.safetensors", checksum="a" * 64))["version"] == 2


async def test_versions_published_at_once_get_numbers_and_sequences_without_gaps(
    creator: Client, outbox: Outbox
) -> None:
    asset = await creator.lora()
    await asyncio.gather(*(creator.lora_version(asset["id"], f"anna-{number}.pt") for number in range(6)))
    said = await outbox.new()
    published = [event.payload for event in said if event.topic == "asset.version_published"]
    updated = [event.payload for event in said if event.topic == "asset.updated"]
    assert [payload["version"] for payload in published] == [1, 2, 3, 4, 5, 6]
    assert [payload["sequence"] for payload in updated] == [1, 2, 3, 4, 5, 6]
    assert [payload["previous_version_id"] for payload in updated[1:]] == [
        payload["version_id"] for payload in updated[:-1]
    ]


async def test_one_file_name_published_by_two_at_once_becomes_one_version(creator: Client, outbox: Outbox) -> None:
    assets = [await creator.lora(f"anna {number}") for number in range(4)]
    body = {"file_name": "anna.pt", "checksum": "a" * 64}
    answers = await asyncio.gather(
        *(creator.http.post(f"/api/assets/{asset['id']}/versions", json=body) for asset in assets)
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert [event.topic for event in await outbox.new()] == ["asset.version_published", "asset.updated"]


async def test_assets_are_found_by_kind_and_name(creator: Client) -> None:
    lora = await creator.lora("anna")
    model = await creator.post("/api/assets", kind="model", name="anna")
    version = await creator.lora_version(lora["id"], "anna.pt")
    found = (await creator.get("/api/assets", kind="lora", name="anna"))["items"]
    assert [(item["id"], item["active_version"]) for item in found] == [(lora["id"], version)]
    assert [item["id"] for item in (await creator.get("/api/assets", name="anna"))["items"]] == [
        lora["id"],
        model["id"],
    ]
    assert "lora named 'anna'" in problem(
        await creator.http.post("/api/assets", json={"kind": "lora", "name": "anna"}), 409
    )


async def test_the_database_itself_keeps_versions_and_history_unchanged(creator: Client, catalog: Chassis) -> None:
    asset = await creator.lora()
    await creator.lora_version(asset["id"], "anna.pt")
    for statement in (
        "UPDATE asset_versions SET checksum = repeat('b', 64)",
        "DELETE FROM asset_versions",
        "UPDATE asset_activations SET cause = 'rollback'",
        "DELETE FROM asset_activations",
    ):
        with pytest.raises(asyncpg.RestrictViolationError, match="never changed"):
            await catalog.database.pool.execute(statement)


IMPOSSIBLE = [
    "INSERT INTO assets (kind, name, created_by) VALUES ('checkpoint', 'x', 'x')",
    "INSERT INTO users (name, role) VALUES ('x', 'owner')",
    "INSERT INTO projects (name) VALUES (' x')",
    "INSERT INTO projects (name, regression) VALUES ('x', '[]')",
    "UPDATE assets SET active_version_id = (SELECT min(id) FROM asset_versions) WHERE name = 'other'",
    """
    INSERT INTO asset_versions (asset_id, kind, version, checksum, published_by, published_at)
    SELECT id, kind, 9, repeat('a', 64), 'x', now() FROM assets LIMIT 1
    """,
    """
    INSERT INTO asset_activations (asset_id, sequence, version_id, cause, activated_by, activated_at)
    SELECT asset_id, 9, id, 'whim', 'x', now() FROM asset_versions LIMIT 1
    """,
]


async def test_the_database_itself_refuses_what_cannot_be(creator: Client, catalog: Chassis) -> None:
    asset = await creator.lora()
    await creator.lora("other")
    await creator.lora_version(asset["id"], "anna.pt")
    for statement in IMPOSSIBLE:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await catalog.database.pool.execute(statement)
