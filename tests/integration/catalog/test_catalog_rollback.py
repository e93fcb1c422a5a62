"""asset.rollback_requested on a real database: duplicates, stale requests, unknown things."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from services.catalog.handlers import Handlers
from services.catalog.operations import AssetOperations
from services.catalog.store import AssetStore
from shared.cause import Cause
from shared.contracts.asset import AssetRollbackRequested
from shared.contracts.types import AssetId, AssetVersionId, RunId
from shared.errors import AlreadyHandled
from shared.ids import uuid7
from shared.service import Chassis
from tests.support.catalog import Client, Outbox


@dataclass(kw_only=True)
class Scene:
    """A LoRA with versions 1 and 2; 2 is active."""

    handlers: Handlers
    asset_id: int
    one: int
    two: int

    async def ask(
        self, *, run: int, back_from: int, to: int, asset: int | None = None, cause: Cause | None = None
    ) -> None:
        event = AssetRollbackRequested(
            asset_id=AssetId(asset or self.asset_id),
            run_id=RunId(run),
            from_version_id=AssetVersionId(back_from),
            to_version_id=AssetVersionId(to),
            requested_by="rita",
        )
        await self.handlers.asset_rollback_requested(event, cause or delivered())


def delivered() -> Cause:
    return Cause(correlation_id=uuid7(), actor="service:regression", event_id=uuid7(), topic="asset.rollback_requested")


@pytest.fixture
async def scene(catalog: Chassis, creator: Client, outbox: Outbox) -> Scene:
    asset = await creator.lora()
    one = await creator.lora_version(asset["id"], "anna-v1.pt")
    two = await creator.lora_version(asset["id"], "anna-v2.pt")
    await outbox.new()
    handlers = Handlers(assets=AssetOperations(store=AssetStore(catalog.database)))
    return Scene(handlers=handlers, asset_id=asset["id"], one=one["id"], two=two["id"])


async def active(client: Client, asset_id: int) -> int:
    version: int = (await client.get(f"/api/assets/{asset_id}"))["active_version"]["id"]
    return version


async def test_the_active_version_is_undone_and_said_with_the_run(
    scene: Scene, creator: Client, outbox: Outbox
) -> None:
    await scene.ask(run=7, back_from=scene.two, to=scene.one)
    (said,) = await outbox.new()
    assert said.topic == "asset.updated"
    assert (said.payload["cause"], said.payload["run_id"], said.payload["updated_by"]) == ("rollback", 7, "rita")
    assert (said.payload["previous_version_id"], said.payload["version_id"]) == (scene.two, scene.one)
    assert said.payload["sequence"] == 3
    assert await active(creator, scene.asset_id) == scene.one
    history = (await creator.get(f"/api/assets/{scene.asset_id}/activations"))["items"]
    assert [(item["version_id"], item["cause"], item["run_id"]) for item in history] == [
        (scene.one, "release", None),
        (scene.two, "release", None),
        (scene.one, "rollback", 7),
    ]


async def test_a_newer_version_is_not_undone_and_the_answer_names_it(
    scene: Scene, creator: Client, outbox: Outbox
) -> None:
    three = await creator.lora_version(scene.asset_id, "anna-v3.pt")
    await outbox.new()
    await scene.ask(run=7, back_from=scene.two, to=scene.one)
    (said,) = await outbox.new()
    assert (said.topic, said.key) == ("asset.rollback_rejected", str(scene.asset_id))
    assert (said.payload["run_id"], said.payload["active_version_id"]) == (7, three["id"])
    assert str(three["id"]) in said.payload["reason"]
    assert await active(creator, scene.asset_id) == three["id"]


async def test_the_same_event_twice_has_one_effect(scene: Scene, outbox: Outbox) -> None:
    cause = delivered()
    await scene.ask(run=7, back_from=scene.two, to=scene.one, cause=cause)
    with pytest.raises(AlreadyHandled):
        await scene.ask(run=7, back_from=scene.two, to=scene.one, cause=cause)
    assert len(await outbox.new()) == 1


async def test_a_second_event_of_the_same_run_is_harmless(scene: Scene, creator: Client, outbox: Outbox) -> None:
    await asyncio.gather(*(scene.ask(run=7, back_from=scene.two, to=scene.one) for _ in range(4)))
    assert [event.topic for event in await outbox.new()] == ["asset.updated"]
    assert await active(creator, scene.asset_id) == scene.one


async def test_a_second_run_that_wants_the_same_is_told_that_it_is_done(scene: Scene, outbox: Outbox) -> None:
    await scene.ask(run=7, back_from=scene.two, to=scene.one)
    await scene.ask(run=8, back_from=scene.two, to=scene.one)
    assert [event.topic for event in await outbox.new()] == ["asset.updated", "asset.rollback_rejected"]


async def test_an_unknown_asset_or_version_is_rejected(scene: Scene, creator: Client, outbox: Outbox) -> None:
    other = await creator.lora("bella")
    foreign = await creator.lora_version(other["id"], "bella.pt")
    await outbox.new()
    await scene.ask(run=1, back_from=scene.two, to=scene.one, asset=10**9)
    await scene.ask(run=2, back_from=scene.two, to=10**9)
    await scene.ask(run=3, back_from=scene.two, to=foreign["id"])
    said = await outbox.new()
    assert [event.topic for event in said] == ["asset.rollback_rejected"] * 3
    assert [event.payload["active_version_id"] for event in said] == [None, scene.two, scene.two]
    assert await active(creator, scene.asset_id) == scene.two


async def test_a_rollback_and_a_release_at_once_leave_one_order(scene: Scene, creator: Client, outbox: Outbox) -> None:
    publish: Callable[[], Awaitable[object]] = lambda: creator.lora_version(scene.asset_id, "anna-v3.pt")  # noqa: E731
    await asyncio.gather(publish(), scene.ask(run=7, back_from=scene.two, to=scene.one))
    said = await outbox.new()
    updates = [event.payload for event in said if event.topic == "asset.updated"]
    assert [update["sequence"] for update in updates] == list(range(3, 3 + len(updates)))
    assert updates[-1]["version_id"] == await active(creator, scene.asset_id) not in (scene.one, scene.two)
    rejected = [event for event in said if event.topic == "asset.rollback_rejected"]
    assert len(updates) + len(rejected) == 2


async def test_after_a_rollback_the_next_release_gets_a_new_number(
    scene: Scene, creator: Client, outbox: Outbox
) -> None:
    await scene.ask(run=7, back_from=scene.two, to=scene.one)
    three = await creator.lora_version(scene.asset_id, "anna-v3.pt")
    assert three["version"] == 3
    _, _, updated = await outbox.new()
    assert (updated.payload["previous_version_id"], updated.payload["sequence"]) == (scene.one, 4)
