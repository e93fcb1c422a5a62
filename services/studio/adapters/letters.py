"""Dead letters on the broker: read them all, send one back where it came from."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from shared.contracts.dead_letter import DeadLettered
from shared.contracts.topics import DEAD_LETTER_TOPICS

READ_MILLISECONDS = 1_000
MAX_FETCH_BYTES = 16 * 1024 * 1024


class BrokerAway(Exception):
    """The broker does not answer."""


@dataclass(frozen=True)
class Letter:
    """`id` is `<service>/<partition>/<offset>`: where it stands in its service's dead-letter topic."""

    id: str
    letter: DeadLettered


async def read_letters(*, bootstrap: str, prefix: str) -> list[Letter]:
    """Every dead letter that the broker still keeps, oldest first. Raises BrokerAway."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, max_partition_fetch_bytes=MAX_FETCH_BYTES
    )
    try:
        await consumer.start()
        existing = await consumer.topics()
        partitions = [
            TopicPartition(prefix + topic.name, partition)
            for topic in DEAD_LETTER_TOPICS
            if prefix + topic.name in existing
            for partition in range(topic.partitions)
        ]
        found = await _read_all(consumer, partitions, prefix=prefix) if partitions else []
    except (KafkaError, OSError) as error:
        raise BrokerAway(f"the broker at {bootstrap} does not answer; start it with `rushes up`") from error
    finally:
        await consumer.stop()
    return sorted(found, key=lambda letter: letter.letter.dead_lettered_at)


async def _read_all(consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], *, prefix: str) -> list[Letter]:
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    ends = await consumer.end_offsets(partitions)
    found: list[Letter] = []
    waiting = {partition for partition in partitions if await consumer.position(partition) < ends[partition]}
    while waiting:
        batches = await consumer.getmany(*waiting, timeout_ms=READ_MILLISECONDS)
        for partition, records in batches.items():
            service = partition.topic.removeprefix(prefix).removesuffix(".dead_letter")
            for record in records:
                if (letter := _letter(record.value or b"")) is not None:
                    found.append(Letter(f"{service}/{partition.partition}/{record.offset}", letter))
        waiting = {partition for partition in waiting if await consumer.position(partition) < ends[partition]}
    return found


def _letter(value: bytes) -> DeadLettered | None:
    try:
        return DeadLettered.model_validate_json(value)
    except ValidationError:
        return None


async def send_back(letters: Sequence[DeadLettered], *, bootstrap: str, prefix: str) -> None:
    """Publish the original key, headers and value on the original topic. Raises BrokerAway.

    The event keeps its id, so services that handled it the first time take it for a duplicate.
    """
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, max_request_size=MAX_FETCH_BYTES)
    try:
        await producer.start()
        for letter in letters:
            await producer.send_and_wait(
                prefix + letter.original_topic,
                key=letter.original_key.encode(),
                value=letter.original_value.encode(),
                headers=[(name, value.encode()) for name, value in letter.original_headers.items()],
            )
    except (KafkaError, OSError) as error:
        raise BrokerAway(f"the broker at {bootstrap} does not answer; start it with `rushes up`") from error
    finally:
        await producer.stop()
