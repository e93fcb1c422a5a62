"""Events in: one FastStream subscriber per service, over all its topics, under the delivery policy."""

import asyncio
import logging
from contextlib import suppress
from typing import Any, TypeVar, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage as DeliveredMessage
from faststream.kafka.message import KafkaMessage

from shared.contracts.base import Event
from shared.contracts.topics import Topic
from shared.kafka.delivery import Delivery, Handler, Outcome
from shared.kafka.message import Message
from shared.kafka.topics import create_topics

logger = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0


class Consumer:
    """Reads a service's topics one message at a time; a message's offset is committed after its transaction."""

    def __init__(self, *, service: str, bootstrap: str, prefix: str, delivery: Delivery) -> None:
        self._service = service
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._delivery = delivery
        self._broker: KafkaBroker | None = None
        self._pauses: dict[TopicPartition, float] = {}
        self._resumptions: set[asyncio.Task[None]] = set()
        self.broken_because: str | None = "not started"

    def on(self, topic: Topic[E], handler: Handler[E]) -> None:
        self._delivery.on(topic, handler)

    async def start(self) -> None:
        """Connect and subscribe, waiting for the broker as long as it takes: start-up needs no order."""
        delay_seconds = 0.2
        while True:
            try:
                await create_topics(bootstrap=self._bootstrap, prefix=self._prefix)
                await self._subscribe()
                self.broken_because = None
                return
            except (KafkaError, OSError) as error:
                self.broken_because = repr(error)
                logger.info("waiting for the broker", extra={"error": repr(error)})
                await self.stop()
                await asyncio.sleep(delay_seconds)
                delay_seconds = min(delay_seconds * 2, 2)

    async def stop(self) -> None:
        """Takes no further message; the one in hand is finished first."""
        for task in self._resumptions:
            task.cancel()
        if self._broker is not None:
            with suppress(KafkaError, OSError):
                await self._broker.stop()
            self._broker = None

    async def _subscribe(self) -> None:
        if not self._delivery.topics:
            return
        broker = KafkaBroker(self._bootstrap, client_id=f"rushes-{self._service}", logger=None)
        subscriber = broker.subscriber(
            *(self._prefix + name for name in self._delivery.topics),
            group_id=self._prefix + self._service,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            session_timeout_ms=15_000,
            max_partition_fetch_bytes=8 * 1024 * 1024,
            fetch_max_wait_ms=250,
        )

        async def parse(record: Any) -> KafkaMessage:
            return KafkaMessage(body=b"", raw_message=record, headers={}, consumer=cast(Any, subscriber.consumer))

        async def decode(_: Any) -> None:
            """The delivery policy reads the raw record, so that no malformed message can fail before it."""

        subscriber(self._consume, parser=parse, decoder=decode)
        self._broker = broker
        await broker.start()

    async def _consume(self, message: DeliveredMessage) -> None:
        record = cast(Any, message.raw_message)
        consumer = cast(AIOKafkaConsumer, message.consumer)
        partition = TopicPartition(record.topic, record.partition)
        if record.value is None:  # a tombstone: for the broker's compaction; the deletion has an event of its own
            outcome = Outcome.DONE
        else:
            outcome = await self._delivery.take(_message_of(record, prefix=self._prefix))
        if outcome is Outcome.AGAIN:
            self._pause(consumer, partition, record.offset)
        else:
            self._pauses.pop(partition, None)
            await self._commit(consumer, partition, record.offset + 1)

    async def _commit(self, consumer: AIOKafkaConsumer, partition: TopicPartition, offset: int) -> None:
        """A commit that fails is harmless: the message comes again and the inbox knows it."""
        try:
            await consumer.commit({partition: offset})
        except (CommitFailedError, IllegalStateError, KafkaError) as error:
            logger.info("offset not committed", extra={"error": repr(error)})

    def _pause(self, consumer: AIOKafkaConsumer, partition: TopicPartition, offset: int) -> None:
        """Stop reading a partition for a while, without leaving the group, and come back to the same offset."""
        seconds = self._pauses.get(partition, FIRST_PAUSE_SECONDS)
        self._pauses[partition] = min(seconds * 2, LONGEST_PAUSE_SECONDS)
        with suppress(IllegalStateError):
            consumer.pause(partition)
            consumer.seek(partition, offset)
            task = asyncio.create_task(_resume(consumer, partition, seconds))
            self._resumptions.add(task)
            task.add_done_callback(self._resumptions.discard)


async def _resume(consumer: AIOKafkaConsumer, partition: TopicPartition, seconds: float) -> None:
    await asyncio.sleep(seconds)
    with suppress(IllegalStateError):
        consumer.resume(partition)


def _message_of(record: Any, *, prefix: str) -> Message:
    return Message(
        topic=record.topic.removeprefix(prefix),
        partition=record.partition,
        offset=record.offset,
        key=(record.key or b"").decode(errors="replace"),
        headers={name: (value or b"").decode(errors="replace") for name, value in record.headers},
        value=record.value,
    )
