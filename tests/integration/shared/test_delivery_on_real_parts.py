"""One event through consumer, transaction and outbox, on a real broker and a real database: the risky joint."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from shared.cause import Cause
from shared.clock import Clock, utc_now
from shared.contracts import topics
from shared.contracts.base import Event
from shared.contracts.character import CharacterDeleted, CharacterUpdated
from shared.contracts.regression import RegressionProgressed
from shared.contracts.types import CharacterId, ProjectId, RunId
from shared.errors import NotYetKnown, TransientError
from shared.ids import uuid7
from shared.kafka.consumer import Consumer
from shared.kafka.delivery import Delivery, Outcome
from shared.kafka.envelope import headers_of
from shared.kafka.message import Message
from shared.kafka.parking import Parking
from shared.kafka.relay import Relay
from shared.kafka.topics import create_topics
from shared.postgres import Database
from tests.support.events import say

DEADLINE_SECONDS = 90
SERVICE = "regression"


class Stage:
    """A service without a trade: a consumer, a relay, and a list of what its handlers did."""

    def __init__(self, *, database: Database, bootstrap: str, prefix: str) -> None:
        self.database = database
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.handled: list[int] = []
        self.delivery = self.new_delivery()
        self.consumer = Consumer(service=SERVICE, bootstrap=bootstrap, prefix=prefix, delivery=self.delivery)
        self.relay = Relay(database=database, bootstrap=bootstrap, prefix=prefix)

    def new_delivery(self, *, limit: int = 5, deadline_seconds: float = 60, now: Clock = utc_now) -> Delivery:
        parking = Parking(database=self.database, deadline_seconds=deadline_seconds)
        return Delivery(service=SERVICE, database=self.database, parking=parking, dead_letter_limit=limit, now=now)

    async def send(self, event: Event, *, headers: dict[str, str] | None = None, value: bytes | None = None) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap) as producer:
            await say(producer, self.prefix, event, headers=headers, value=value)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.consumer.start()
        relaying = asyncio.create_task(self.relay.run())
        try:
            yield
        finally:
            relaying.cancel()
            await asyncio.gather(relaying, return_exceptions=True)
            await self.consumer.stop()

    async def read(self, topic: topics.Topic[Any], count: int) -> list[Any]:
        """The first `count` messages of a topic."""
        consumer = AIOKafkaConsumer(
            self.prefix + topic.name, bootstrap_servers=self.bootstrap, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            return [await asyncio.wait_for(consumer.getone(), DEADLINE_SECONDS) for _ in range(count)]
        finally:
            await consumer.stop()


@pytest.fixture
async def stage(
    databases: Callable[[str], Awaitable[Database]], kafka_bootstrap: str, topic_prefix: str
) -> AsyncIterator[Stage]:
    await create_topics(bootstrap=kafka_bootstrap, prefix=topic_prefix)
    yield Stage(database=await databases(SERVICE), bootstrap=kafka_bootstrap, prefix=topic_prefix)


def character(number: int) -> CharacterUpdated:
    return CharacterUpdated(
        character_id=CharacterId(number), project_id=ProjectId(1), name="Ada", source_image_sha256="a" * 64, sequence=1
    )


def progress(number: int) -> RegressionProgressed:
    return RegressionProgressed(
        run_id=RunId(number),
        trigger_type="manual",
        asset_id=None,
        references_total=1,
        references_done=0,
        segments_total=3,
        segments_done=number,
    )


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await condition():
            await asyncio.sleep(0.05)


async def test_an_event_is_handled_in_one_transaction_and_its_answer_reaches_kafka(stage: Stage) -> None:
    async def handle(event: CharacterUpdated, cause: Cause) -> None:
        async with stage.database.transaction(cause) as tx:
            await tx.emit(progress(event.character_id))

    stage.consumer.on(topics.CHARACTER_UPDATED, handle)
    async with stage.running():
        await stage.send(character(7), headers={"ce_correlationid": "00000000-0000-7000-8000-000000000007"})
        (answer,) = await stage.read(topics.REGRESSION_PROGRESSED, 1)
    headers = {name: value.decode() for name, value in answer.headers}
    assert orjson.loads(answer.value)["segments_done"] == 7
    assert answer.key == b"7"
    assert headers["ce_correlationid"] == "00000000-0000-7000-8000-000000000007"
    assert headers["ce_causationid"] != headers["ce_id"]
    assert await stage.database.fetchval("SELECT count(*) FROM inbox") == 1


async def test_the_same_event_twice_has_one_effect(stage: Stage) -> None:
    async def handle(event: CharacterUpdated, cause: Cause) -> None:
        async with stage.database.transaction(cause):
            stage.handled.append(event.character_id)

    stage.consumer.on(topics.CHARACTER_UPDATED, handle)
    same = {"ce_id": str(uuid7())}
    async with stage.running():
        await stage.send(character(1), headers=same)
        await stage.send(character(1), headers=same)
        await stage.send(character(1))
        await until(lambda: _is(stage.handled, [1, 1]))


async def _is(actual: list[int], expected: list[int]) -> bool:
    assert len(actual) <= len(expected), actual
    return actual == expected


async def test_a_transient_error_is_retried_until_it_passes_and_order_is_kept(stage: Stage) -> None:
    attempts: list[int] = []

    async def handle(event: CharacterUpdated, cause: Cause) -> None:
        attempts.append(event.sequence)
        if len(attempts) < 4:
            raise TransientError("away")
        async with stage.database.transaction(cause):
            stage.handled.append(event.sequence)

    stage.consumer.on(topics.CHARACTER_UPDATED, handle)
    async with stage.running():
        await stage.send(character(1).model_copy(update={"sequence": 1}))
        await stage.send(character(1).model_copy(update={"sequence": 2}))
        await until(lambda: _is(stage.handled, [1, 2]))
    assert attempts == [1, 1, 1, 1, 2]


@pytest.mark.parametrize(
    ("headers", "value", "reason"),
    [
        ({}, b"{not json", "malformed"),
        ({}, b'{"character_id": "x"}', "malformed"),
        ({"ce_id": "no uuid"}, None, "malformed"),
        ({"ce_type": "something.else"}, None, "unknown_type"),
    ],
)
async def test_a_message_that_cannot_be_read_is_dead_lettered_and_the_partition_moves_on(
    stage: Stage, headers: dict[str, str], value: bytes | None, reason: str
) -> None:
    async def handle(event: CharacterUpdated, cause: Cause) -> None:
        async with stage.database.transaction(cause):
            stage.handled.append(event.sequence)

    stage.consumer.on(topics.CHARACTER_UPDATED, handle)
    async with stage.running():
        await stage.send(character(1), headers=headers, value=value)
        await stage.send(character(1).model_copy(update={"sequence": 2}))
        await until(lambda: _is(stage.handled, [2]))
        (letter,) = await stage.read(topics.dead_letter_topic(SERVICE), 1)
    body = orjson.loads(letter.value)
    assert body["reason"] == reason
    assert body["original_topic"] == "character.updated"
    assert body["stack"]


async def test_headers_that_are_no_text_are_dead_lettered_too(stage: Stage) -> None:
    async def handle(_: CharacterUpdated, __: Cause) -> None:
        raise AssertionError("never reached")

    stage.consumer.on(topics.CHARACTER_UPDATED, handle)
    async with stage.running():
        async with AIOKafkaProducer(bootstrap_servers=stage.bootstrap) as producer:
            await producer.send_and_wait(
                stage.prefix + "character.updated", key=b"1", value=b"\xff", headers=[("ce_id", b"\xff\xfe")]
            )
        (letter,) = await stage.read(topics.dead_letter_topic(SERVICE), 1)
    assert orjson.loads(letter.value)["event_id"] is None


async def test_an_unknown_field_is_ignored(stage: Stage) -> None:
    async def handle(event: CharacterUpdated, cause: Cause) -> None:
        async with stage.database.transaction(cause):
            stage.handled.append(event.character_id)

    stage.consumer.on(topics.CHARACTER_UPDATED, handle)
    body = character(3).model_dump(mode="json") | {"added_next_year": {"deep": 1}}
    async with stage.running():
        await stage.send(character(3), value=orjson.dumps(body))
        await until(lambda: _is(stage.handled, [3]))


async def test_an_event_before_its_fact_is_parked_and_replayed_when_the_fact_comes(stage: Stage) -> None:
    known: set[int] = set()

    async def learn(event: CharacterUpdated, cause: Cause) -> None:
        async with stage.database.transaction(cause):
            known.add(event.character_id)

    async def need(event: Any, cause: Cause) -> None:
        if event.character_id not in known:
            raise NotYetKnown(f"character:{event.character_id}")
        async with stage.database.transaction(cause):
            stage.handled.append(event.character_id)

    stage.consumer.on(topics.CHARACTER_UPDATED, learn)
    stage.consumer.on(topics.CHARACTER_DELETED, need)
    async with stage.running():
        await stage.send(CharacterDeleted(character_id=CharacterId(5), project_id=ProjectId(1)))
        await until(lambda: _counts(stage.database, "parked_events", 1))
        assert stage.handled == []
        await stage.send(character(5))
        await until(lambda: _is_due(stage.database))
        await stage.delivery.replay_parked()
        assert stage.handled == [5]
        await until(lambda: _counts(stage.database, "parked_events", 0))


async def _counts(database: Database, table: str, expected: int) -> bool:
    statements = {
        "parked_events": "SELECT count(*) FROM parked_events",
        "unpublished": "SELECT count(*) FROM outbox WHERE published_at IS NULL",
    }
    return bool(await database.fetchval(statements[table]) == expected)


async def _is_due(database: Database) -> bool:
    return bool(await database.fetchval("SELECT count(*) FROM parked_events WHERE replay_at <= now()"))


async def test_a_fact_that_never_comes_ends_in_the_dead_letters(stage: Stage) -> None:
    async def need(event: CharacterUpdated, _: Cause) -> None:
        raise NotYetKnown(f"project:{event.project_id}")

    stage.delivery = stage.new_delivery(deadline_seconds=-1)
    stage.consumer = Consumer(service=SERVICE, bootstrap=stage.bootstrap, prefix=stage.prefix, delivery=stage.delivery)
    stage.consumer.on(topics.CHARACTER_UPDATED, need)
    async with stage.running():
        await stage.send(character(1))
        await until(lambda: _counts(stage.database, "parked_events", 1))
        await stage.database.pool.execute("UPDATE parked_events SET replay_at = now() - interval '1 second'")
        await stage.delivery.replay_parked()
        assert await _counts(stage.database, "parked_events", 0)
        (letter,) = await stage.read(topics.dead_letter_topic(SERVICE), 1)
    assert orjson.loads(letter.value)["reason"] == "fact_never_came"


async def test_a_bad_release_stops_at_the_limit_instead_of_emptying_the_topic(stage: Stage) -> None:
    async def broken(_: CharacterUpdated, __: Cause) -> None:
        raise ZeroDivisionError

    stage.delivery = stage.new_delivery(limit=2)
    stage.consumer = Consumer(service=SERVICE, bootstrap=stage.bootstrap, prefix=stage.prefix, delivery=stage.delivery)
    stage.consumer.on(topics.CHARACTER_UPDATED, broken)
    async with stage.running():
        for number in range(4):
            await stage.send(character(1).model_copy(update={"sequence": number}))
        await until(lambda: _has_stopped(stage.delivery))
    assert await stage.database.fetchval("SELECT count(*) FROM dead_letters") == 2
    assert "offset 2" in (stage.delivery.stopped_because or "")


async def test_a_stopped_partition_is_told_of_until_it_goes_on_whatever_the_others_do(stage: Stage) -> None:
    mended = False

    async def broken_for_one(event: CharacterUpdated, cause: Cause) -> None:
        if event.character_id == 1 and not mended:
            raise ZeroDivisionError
        async with stage.database.transaction(cause):
            stage.handled.append(event.character_id)

    clock = [utc_now()]
    delivery = stage.new_delivery(limit=0, now=lambda: clock[0])
    delivery.on(topics.CHARACTER_UPDATED, broken_for_one)
    assert await delivery.take(_message(character(1), partition=0)) is Outcome.AGAIN
    assert await delivery.take(_message(character(2), partition=1)) is Outcome.DONE
    assert "partition 0" in (delivery.stopped_because or "")
    clock[0] += timedelta(minutes=2)
    assert delivery.stopped_because is None, "a partition that was not heard of has gone to another instance"
    assert await delivery.take(_message(character(1), partition=0)) is Outcome.AGAIN
    mended = True
    assert await delivery.take(_message(character(1), partition=0)) is Outcome.DONE
    assert delivery.stopped_because is None


def _message(event: Event, *, partition: int) -> Message:
    topic = topics.topic_of(event)
    return Message(
        topic=topic.name,
        partition=partition,
        offset=0,
        key=event.key,
        headers=headers_of(event, topic=topic, cause=Cause.begin("tester"), source="/test"),
        value=orjson.dumps(event.model_dump(mode="json")),
    )


async def _has_stopped(delivery: Delivery) -> bool:
    return delivery.stopped_because is not None


async def test_a_retired_key_leaves_the_compacted_topic_and_no_handler_is_asked(stage: Stage) -> None:
    async def handle(event: CharacterUpdated, cause: Cause) -> None:
        async with stage.database.transaction(cause):
            stage.handled.append(event.sequence)

    stage.consumer.on(topics.CHARACTER_UPDATED, handle)
    async with stage.running():
        async with stage.database.transaction(Cause.begin("tester")) as tx:
            await tx.emit(character(1))
            await tx.retire(topics.CHARACTER_UPDATED, character(1).key)
            await tx.emit(character(1).model_copy(update={"sequence": 2}))
        said = await stage.read(topics.CHARACTER_UPDATED, 3)
        await until(lambda: _is(stage.handled, [1, 2]))
    assert [(message.key, message.value is None) for message in said] == [(b"1", False), (b"1", True), (b"1", False)]
    assert await stage.database.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_events_that_were_committed_are_said_even_if_the_relay_starts_later(stage: Stage) -> None:
    async with stage.database.transaction(Cause.begin("tester")) as tx:
        for number in range(3):
            await tx.emit(progress(1).model_copy(update={"segments_done": number}))
    async with stage.running():
        said = await stage.read(topics.REGRESSION_PROGRESSED, 3)
        await until(lambda: _counts(stage.database, "unpublished", 0))
    assert [orjson.loads(message.value)["segments_done"] for message in said] == [0, 1, 2]


async def test_a_rolled_back_transaction_says_nothing(stage: Stage) -> None:
    with pytest.raises(ZeroDivisionError):
        async with stage.database.transaction(Cause.begin("tester")) as tx:
            await tx.emit(progress(1))
            raise ZeroDivisionError
    assert await stage.database.fetchval("SELECT count(*) FROM outbox") == 0


async def test_a_parked_event_that_fails_when_replayed_is_dead_lettered_and_not_parked_any_longer(stage: Stage) -> None:
    attempts: list[int] = []

    async def need(event: CharacterUpdated, _: Cause) -> None:
        attempts.append(event.character_id)
        if len(attempts) == 1:
            raise NotYetKnown(f"project:{event.project_id}")
        raise ZeroDivisionError

    stage.consumer.on(topics.CHARACTER_UPDATED, need)
    async with stage.running():
        await stage.send(character(1))
        await until(lambda: _counts(stage.database, "parked_events", 1))
        await stage.database.pool.execute("UPDATE parked_events SET replay_at = now() - interval '1 second'")
        await stage.delivery.replay_parked()
        (letter,) = await stage.read(topics.dead_letter_topic(SERVICE), 1)
    assert orjson.loads(letter.value)["reason"] == "handler_error"
    assert await _counts(stage.database, "parked_events", 0)


async def test_a_parked_event_that_is_ignored_when_replayed_is_not_parked_any_longer(stage: Stage) -> None:
    async def ignore_later(event: CharacterUpdated, _: Cause) -> None:
        stage.handled.append(event.character_id)
        if len(stage.handled) == 1:
            raise NotYetKnown(f"project:{event.project_id}")

    stage.consumer.on(topics.CHARACTER_UPDATED, ignore_later)
    async with stage.running():
        await stage.send(character(1))
        await until(lambda: _counts(stage.database, "parked_events", 1))
        await stage.database.pool.execute("UPDATE parked_events SET replay_at = now() - interval '1 second'")
        await stage.delivery.replay_parked()
    assert await _counts(stage.database, "parked_events", 0)
    assert await stage.database.fetchval("SELECT count(*) FROM dead_letters") == 0
