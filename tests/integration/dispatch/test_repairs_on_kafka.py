"""The whole service on a real broker and a real database: repairs come in as events and are answered by events."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from services.dispatch.domain.scenes import Segment
from services.dispatch.main import build
from services.dispatch.settings import Settings
from services.dispatch.store import Store
from shared.auth import Role
from shared.contracts import topics
from shared.contracts.base import Event
from shared.kafka.topics import create_topics
from shared.media import MediaStore
from tests.support.boundaries import checked, repaired, smoothed
from tests.support.dispatch import CHARACTER, SCENE_TYPE, WORKFLOW, FakeRenderServer, facts, score, seed_image_bytes
from tests.support.events import say
from tests.support.http import TestKeys, api_client
from tests.support.services import running

DEADLINE_SECONDS = 300

SCENE = {"name": "dawn", "character_id": CHARACTER, "scene_type_id": SCENE_TYPE, "workflow_id": WORKFLOW}
HEARD = (topics.SEGMENT_GENERATED, topics.SEGMENT_ACTIVATED, topics.BOUNDARY_REPAIR_REJECTED)


@dataclass
class Studio:
    """What the other services say and hear, and people ask."""

    producer: AIOKafkaProducer
    listener: AIOKafkaConsumer
    prefix: str
    store: Store
    client: httpx.AsyncClient
    media: MediaStore

    async def say(self, event: Event, *, times: int = 1) -> None:
        """`times`: with as many event ids, so that the inbox does not know them as one."""
        for _ in range(times):
            await say(self.producer, self.prefix, event)

    async def hear(
        self, topic: topics.Topic[Any], count: int, *, repair_id: UUID | None = None
    ) -> list[dict[str, Any]]:
        """The next so many events of a topic about a repair, or about none; what comes between is left out."""
        about = None if repair_id is None else str(repair_id)
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(found) < count:
                message = await self.listener.getone()
                told = orjson.loads(message.value)
                if message.topic == self.prefix + topic.name and told["repair_id"] == about:
                    found.append(told)
        return found

    async def scene(self) -> list[Segment]:
        """Three segments, rendered and scored."""
        made = await self.client.post("/api/scenes", json={**SCENE, "segment_count": 3})
        assert made.status_code == 201, made.text
        for generated in await self.hear(topics.SEGMENT_GENERATED, 3):
            await self.say(score(generated))
        return await self.store.segments_of(made.json()["id"])

    async def shown(self, scene_id: int) -> list[float | None]:
        """What is measured at the boundary before each segment."""
        return [segment.boundary_ssim_before for segment in await self.store.segments_of(scene_id)]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await condition():
            await asyncio.sleep(0.05)


@pytest.fixture
async def studio(
    settings_of: Any, kafka_bootstrap: str, topic_prefix: str, media: MediaStore, keys: TestKeys
) -> AsyncIterator[Studio]:
    await create_topics(bootstrap=kafka_bootstrap, prefix=topic_prefix)
    settings = Settings(**settings_of("dispatch", kafka_bootstrap=kafka_bootstrap), health_seconds=0.2)
    chassis = build(settings, servers=[FakeRenderServer()])
    listener = AIOKafkaConsumer(
        *(topic_prefix + topic.name for topic in HEARD),
        bootstrap_servers=kafka_bootstrap,
        auto_offset_reset="earliest",
    )
    await listener.start()
    try:
        async with (
            AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer,
            running(chassis),
            api_client(chassis.app, token=keys.token(Role.CREATOR, name="grace")) as client,
        ):
            studio = Studio(producer, listener, topic_prefix, Store(chassis.database), client, media)
            told = facts(await media.put_bytes(seed_image_bytes()))
            for event in told:
                await studio.say(event)

            async def known() -> bool:
                return bool(await chassis.database.fetchval("SELECT count(*) FROM inbox") == len(told))

            await until(known)
            yield studio
    finally:
        await listener.stop()


async def test_a_repair_is_scored_accepted_and_undone_whatever_comes_twice(studio: Studio) -> None:
    one, two, three = await studio.scene()
    await studio.say(checked(two, three, 0.71))

    async def measured() -> bool:
        return await studio.shown(one.scene_id) == [None, None, 0.71]

    await until(measured)
    event = smoothed(two, three, await repaired(studio.media, two, end=1), await repaired(studio.media, three))
    await studio.say(event, times=2)
    candidates = await studio.hear(topics.SEGMENT_GENERATED, 2, repair_id=event.repair_id)
    assert [(c["position"], c["version"], c["expected"]["frames"]) for c in candidates] == [(2, 2, 4), (3, 2, 5)]
    for candidate in reversed(candidates):
        await studio.say(score(candidate), times=2)
    activated = await studio.hear(topics.SEGMENT_ACTIVATED, 2, repair_id=event.repair_id)
    assert [(a["position"], a["reason"]) for a in activated] == [(2, "repaired"), (3, "repaired")]
    assert await studio.shown(one.scene_id) == [None, None, 0.95]
    assert (await studio.client.post(f"/api/boundary-repairs/{event.repair_id}/undo")).status_code == 200
    undone = await studio.hear(topics.SEGMENT_ACTIVATED, 2, repair_id=event.repair_id)
    assert [(a["segment_id"], a["reason"]) for a in undone] == [(two.id, "reverted"), (three.id, "reverted")]
    assert await studio.shown(one.scene_id) == [None, None, 0.71]


async def test_a_repair_with_a_worse_gate_is_refused_and_its_numbers_are_said(studio: Studio) -> None:
    _, two, three = await studio.scene()
    event = smoothed(two, three, await repaired(studio.media, three))
    await studio.say(event)
    [candidate] = await studio.hear(topics.SEGMENT_GENERATED, 1, repair_id=event.repair_id)
    await studio.say(score(candidate, verdict="fail"))
    [refused] = await studio.hear(topics.BOUNDARY_REPAIR_REJECTED, 1, repair_id=event.repair_id)
    assert refused["rejected_by"] == "dispatch"
    assert refused["reasons"] == ["segment 3, sharpness: pass (0.4) before, fail (0.03) after"]
    assert [s.id for s in (await studio.store.segments_of(two.scene_id))[1:]] == [two.id, three.id]
