"""Dead letters on a real broker."""

from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from services.studio.adapters.letters import BrokerAway, read_letters, send_back
from shared.clock import utc_now
from shared.contracts.dead_letter import DeadLettered
from shared.kafka.topics import create_topics


def letter(**changed: Any) -> DeadLettered:
    facts: dict[str, Any] = {
        "service": "scoring",
        "original_topic": "segment.generated",
        "original_partition": 0,
        "original_offset": 3,
        "original_key": "9",
        "original_headers": {"ce_id": "0195d3a0-0000-7000-8000-000000000001", "ce_type": "segment.generated"},
        "original_value": '{"scene_id": 9, "name": "Zoë"}',
        "event_id": "0195d3a0-0000-7000-8000-000000000001",
        "reason": "handler_error",
        "error": "ValueError('x')",
        "stack": "Traceback ...",
        "dead_lettered_at": utc_now(),
    }
    return DeadLettered.model_validate(facts | changed)


async def written(bootstrap: str, prefix: str, *letters: DeadLettered) -> None:
    await create_topics(bootstrap=bootstrap, prefix=prefix)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    for one in letters:
        await producer.send_and_wait(f"{prefix}{one.service}.dead_letter", value=one.model_dump_json().encode())
    await producer.stop()


async def test_letters_of_all_services_are_listed_oldest_first(kafka_bootstrap: str, topic_prefix: str) -> None:
    first, second = letter(), letter(service="regression", original_key="5")
    await written(kafka_bootstrap, topic_prefix, second, first)
    found = await read_letters(bootstrap=kafka_bootstrap, prefix=topic_prefix)
    assert [one.letter for one in found] == [first, second]
    assert [one.id for one in found] == ["scoring/0/0", "regression/0/0"]


async def test_a_letter_sent_back_is_the_original_message(kafka_bootstrap: str, topic_prefix: str) -> None:
    sent = letter()
    await written(kafka_bootstrap, topic_prefix, sent)
    await send_back([sent], bootstrap=kafka_bootstrap, prefix=topic_prefix)
    consumer = AIOKafkaConsumer(
        f"{topic_prefix}segment.generated", bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        record = await consumer.getone()
    finally:
        await consumer.stop()
    assert record.key == b"9"
    assert record.value == sent.original_value.encode()
    assert {name: value.decode() for name, value in record.headers} == sent.original_headers


async def test_a_broker_without_topics_has_no_letters(kafka_bootstrap: str, topic_prefix: str) -> None:
    assert await read_letters(bootstrap=kafka_bootstrap, prefix=topic_prefix) == []


async def test_a_broker_that_is_away_is_said_plainly() -> None:
    with pytest.raises(BrokerAway, match="rushes up"):
        await read_letters(bootstrap="127.0.0.1:1", prefix="")
