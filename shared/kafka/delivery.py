"""The delivery policy, written once: what happens to a message that a handler takes, delays or cannot take.

* handled, handled before, or not for us: the offset is committed;
* `TransientError`, or database or broker away: the partition is paused and the message comes again, for ever;
* `NotYetKnown`: the message is parked in the database and replayed when its fact comes, dead-lettered at a deadline;
* anything else: the message goes to the dead letters, up to a limit; beyond it the partition stops, so that a bad
  release does not empty a topic.
"""

import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Literal, TypeVar
from uuid import UUID

from aiokafka.errors import KafkaError

from shared.cause import Cause
from shared.clock import Clock, utc_now
from shared.contracts.base import Event
from shared.contracts.dead_letter import DeadLettered
from shared.contracts.topics import Topic, dead_letter_topic
from shared.errors import AlreadyHandled, NotYetKnown, TransientError
from shared.kafka.envelope import MalformedEvent, read_envelope, read_event
from shared.kafka.message import Message
from shared.kafka.parking import Parking
from shared.logs import correlation
from shared.metrics import EVENTS_HANDLED
from shared.postgres import Database
from shared.postgres.errors import is_transient

logger = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)
Handler = Callable[[E, Cause], Awaitable[None]]
Reason = Literal["malformed", "unknown_type", "handler_error", "fact_never_came"]

LIMIT_WINDOW_SECONDS = 3600
STOP_FORGOTTEN_AFTER = timedelta(minutes=1)

PARKED = "parked"


class UnknownType(Exception):
    """A well-formed envelope of an event that does not belong on this topic."""


@dataclass(frozen=True, slots=True)
class _Stop:
    reason: str
    at: datetime


class Outcome(Enum):
    DONE = auto()
    AGAIN = auto()
    """Not now: pause the partition and come back to this message."""


class Delivery:
    """Takes one message at a time to the handler of its topic."""

    def __init__(
        self,
        *,
        service: str,
        database: Database,
        parking: Parking,
        dead_letter_limit: int,
        now: Clock = utc_now,
    ) -> None:
        self._service = service
        self._database = database
        self._parking = parking
        self._dead_letter_limit = dead_letter_limit
        self._now = now
        self._handlers: dict[str, tuple[Topic[Any], Handler[Any]]] = {}
        self._stops: dict[tuple[str, int], _Stop] = {}

    def on(self, topic: Topic[E], handler: Handler[E]) -> None:
        """Register the one handler of a topic. Raises ValueError unless this service is among the topic's consumers."""
        if self._service not in topic.consumers:
            raise ValueError(f"the registry does not name {self._service} as a consumer of {topic.name}")
        if topic.name in self._handlers:
            raise ValueError(f"{topic.name} has a handler already")
        self._handlers[topic.name] = (topic, handler)

    @property
    def stopped_because(self) -> str | None:
        """Of the partitions that stand still, the first one's reason.

        A partition that is still ours comes back to its message every few seconds; one that was not heard of for a
        minute has gone to another instance, which says so itself.
        """
        heard_since = self._now() - STOP_FORGOTTEN_AFTER
        return next((stop.reason for stop in self._stops.values() if stop.at >= heard_since), None)

    @property
    def topics(self) -> list[str]:
        return sorted(self._handlers)

    async def take(self, message: Message) -> Outcome:
        """Never raises, but for cancellation."""
        outcome, _ = await self._take(message)
        return outcome

    async def _take(self, message: Message) -> tuple[Outcome, str]:
        try:
            outcome, result = await self._attempt(message)
        except Exception as error:
            if not _is_away(error):
                logger.exception("the delivery itself failed; will try again", extra=_where(message))
            outcome, result = Outcome.AGAIN, "transient"
        EVENTS_HANDLED.labels(topic=message.topic, outcome=result).inc()
        return outcome, result

    async def _attempt(self, message: Message) -> tuple[Outcome, str]:
        try:
            await self._handle(message)
            self._stops.pop((message.topic, message.partition), None)
            return Outcome.DONE, "handled"
        except AlreadyHandled:
            return Outcome.DONE, "duplicate"
        except NotYetKnown as missing:
            await self._parking.park(message, fact=missing.fact)
            return Outcome.DONE, PARKED
        except UnknownType as error:
            return await self._dead_letter(message, "unknown_type", error)
        except MalformedEvent as error:
            return await self._dead_letter(message, "malformed", error)
        except Exception as error:
            if _is_away(error):
                logger.warning("will try again", extra=_where(message) | {"error": repr(error)})
                return Outcome.AGAIN, "transient"
            return await self._dead_letter(message, "handler_error", error)

    async def _handle(self, message: Message) -> None:
        envelope = read_envelope(message.headers)
        topic, handler = self._handlers[message.topic]
        if envelope.type != topic.name:
            raise UnknownType(f"the type is {envelope.type}, the topic carries {topic.name}")
        event = read_event(topic.event, message.value)
        token = correlation.set(envelope.correlation_id)
        try:
            await handler(
                event,
                Cause(
                    correlation_id=envelope.correlation_id,
                    actor=f"service:{self._service}",
                    event_id=envelope.event_id,
                    topic=message.topic,
                    establishes=event.establishes(),
                ),
            )
        finally:
            correlation.reset(token)

    async def replay_parked(self) -> bool:
        """Try the parked messages that are due, and give up those past their deadline. True when there was one.

        What was handled, ignored or dead-lettered waits no longer; what still misses its fact is parked again.
        """
        due = await self._parking.due(self._now())
        for parked in due:
            outcome, result = await self._take(parked.message)
            if result == PARKED and parked.deadline_at <= self._now():
                outcome, result = await self._dead_letter(parked.message, "fact_never_came", NotYetKnown(parked.fact))
            if outcome is Outcome.DONE and result != PARKED:
                await self._parking.remove(parked.event_id)
        return bool(due)

    async def _dead_letter(self, message: Message, reason: Reason, error: Exception) -> tuple[Outcome, str]:
        """Keep the message for a person; the record and the letter leave in one transaction."""
        logger.error("dead letter", extra=_where(message) | {"reason": reason, "error": repr(error)}, exc_info=error)
        async with self._database.transaction(Cause.begin(f"service:{self._service}")) as tx:
            if reason == "handler_error" and await self._limit_is_reached(tx.connection):
                reason_to_stop = (
                    f"{self._dead_letter_limit} dead letters within an hour: stopped at {message.topic} partition "
                    f"{message.partition} offset {message.offset}; mend the cause, or see `rushes dead-letters list`"
                )
                self._stops[message.topic, message.partition] = _Stop(reason_to_stop, self._now())
                return Outcome.AGAIN, "dead_letter_limit"
            first_time = await tx.connection.fetchval(
                """
                INSERT INTO dead_letters (topic, partition, "offset", reason) VALUES ($1, $2, $3, $4)
                ON CONFLICT DO NOTHING RETURNING 1
                """,
                message.topic,
                message.partition,
                message.offset,
                reason,
            )
            if first_time is not None:
                await tx.emit(self._letter(message, reason, error), dead_letter_topic(self._service))
        return Outcome.DONE, "dead_letter"

    async def _limit_is_reached(self, connection: Any) -> bool:
        count = await connection.fetchval(
            """
            SELECT count(*) FROM dead_letters
            WHERE reason = 'handler_error' AND dead_lettered_at > now() - make_interval(secs => $1)
            """,
            float(LIMIT_WINDOW_SECONDS),
        )
        return bool(count >= self._dead_letter_limit)

    def _letter(self, message: Message, reason: Reason, error: Exception) -> DeadLettered:
        return DeadLettered(
            service=self._service,
            original_topic=message.topic,
            original_partition=message.partition,
            original_offset=message.offset,
            original_key=message.key,
            original_headers=message.headers,
            original_value=message.value.decode(errors="backslashreplace"),
            event_id=_event_id(message),
            reason=reason,
            error=repr(error)[:2_000],
            stack="".join(traceback.format_exception(error))[-8_000:],
            dead_lettered_at=self._now(),
        )


def _event_id(message: Message) -> UUID | None:
    try:
        return UUID(message.headers["ce_id"])
    except (KeyError, ValueError):
        return None


def _is_away(error: Exception) -> bool:
    return isinstance(error, TransientError | KafkaError) or is_transient(error)


def _where(message: Message) -> dict[str, object]:
    return {"topic": message.topic, "partition": message.partition, "offset": message.offset, "key": message.key}
