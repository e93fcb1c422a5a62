"""The whole service on a real broker and a real database: published over HTTP, rolled back over Kafka."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from shared.contracts import topics
from shared.contracts.asset import AssetRollbackRequested
from shared.contracts.types import AssetId, AssetVersionId, RunId
from shared.kafka.topics import create_topics
from tests.support.catalog import Client, build_catalog
from tests.support.events import say
from tests.support.http import TestKeys, api_client
from tests.support.services import running

DEADLINE_SECONDS = 90


async def heard(consumer: AIOKafkaConsumer) -> dict[str, Any]:
    message = await asyncio.wait_for(consumer.getone(), DEADLINE_SECONDS)
    payload: dict[str, Any] = orjson.loads(message.value)
    return payload


async def test_a_version_published_over_http_is_rolled_back_over_kafka(
    settings_of: Callable[..., dict[str, Any]],
    keys: TestKeys,
    kafka_bootstrap: str,
    topic_prefix: str,
    tmp_path: Path,
) -> None:
    await create_topics(bootstrap=kafka_bootstrap, prefix=topic_prefix)
    settings = settings_of("catalog", kafka_bootstrap=kafka_bootstrap)
    chassis = build_catalog(settings, keys, bootstrap_token_file=tmp_path / "token")
    listener = AIOKafkaConsumer(
        topic_prefix + topics.ASSET_UPDATED.name, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest"
    )
    await listener.start()
    try:
        async with (
            running(chassis),
            api_client(chassis.app, token=(tmp_path / "token").read_text().strip()) as http,
        ):
            client = Client(http)
            asset = await client.lora()
            one = await client.lora_version(asset["id"], "anna-v1.pt")
            two = await client.lora_version(asset["id"], "anna-v2.pt")
            released = [await heard(listener) for _ in range(2)]
            await ask_for_rollback(kafka_bootstrap, topic_prefix, asset["id"], two["id"], one["id"])
            rolled_back = await heard(listener)
            shown = await client.get(f"/api/assets/{asset['id']}")
    finally:
        await listener.stop()
    assert [event["version_id"] for event in released] == [one["id"], two["id"]]
    assert (rolled_back["cause"], rolled_back["version_id"], rolled_back["sequence"]) == ("rollback", one["id"], 3)
    assert (rolled_back["run_id"], rolled_back["updated_by"]) == (5, "rita")
    assert shown["active_version"]["id"] == one["id"]


async def ask_for_rollback(bootstrap: str, prefix: str, asset_id: int, back_from: int, to: int) -> None:
    event = AssetRollbackRequested(
        asset_id=AssetId(asset_id),
        run_id=RunId(5),
        from_version_id=AssetVersionId(back_from),
        to_version_id=AssetVersionId(to),
        requested_by="rita",
    )
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await say(producer, prefix, event)
