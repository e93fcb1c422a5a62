"""The outbox relay: takes events from the outbox to Kafka, in order, until they are all said."""

import asyncio
import logging
from contextlib import suppress
from typing import Any

import asyncpg
import orjson
from aiokafka import AIOKafkaProducer

from shared.metrics import EVENTS_SAID, OUTBOX_WAITING
from shared.postgres import Database

logger = logging.getLogger(__name__)

BATCH = 200
POLL_SECONDS = 1.0
"""Upper bound on how long a lost notification delays an event."""
RETRY_SECONDS = 1.0
SEND_DEADLINE_SECONDS = 30
SENT_IS_KEPT_DAYS = 7


class Relay:
    """At most one relay per schema is active: the one that holds the schema's advisory lock.

    Rows are chosen because they are unpublished, never by a cursor over `seq`: insertion order is not commit order. A
    crash between publishing and marking repeats events; the consumers' inboxes make that harmless.
    """

    def __init__(self, *, database: Database, bootstrap: str, prefix: str) -> None:
        self._database = database
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._wake = asyncio.Event()
        self.broken_because: str | None = "not started"

    async def run(self) -> None:
        """Until cancelled. Any failure, of the database or of the broker, starts over after a pause."""
        while True:
            try:
                await self._relay()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                self.broken_because = repr(error)
                logger.warning("the outbox relay starts over", extra={"error": repr(error)})
            await asyncio.sleep(RETRY_SECONDS)

    async def _relay(self) -> None:
        connection = await self._database.connect()
        try:
            await self._become_active(connection)
            await connection.add_listener(f"outbox_{self._database.service}", self._notified)
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                enable_idempotence=True,
                acks="all",
                linger_ms=2,
                request_timeout_ms=SEND_DEADLINE_SECONDS * 1000,
                max_request_size=8 * 1024 * 1024,
            )
            try:
                await producer.start()
                self.broken_because = None
                while True:
                    await self._publish_all(connection, producer)
                    await self._wait()
            finally:
                await _stop(producer)
        finally:
            with suppress(Exception):
                await connection.close(timeout=2)

    async def _become_active(self, connection: Any) -> None:
        key = f"outbox:{self._database.service}"
        while not await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", key):
            self.broken_because = None
            await asyncio.sleep(POLL_SECONDS)

    def _notified(self, *_: Any) -> None:
        self._wake.set()

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), timeout=POLL_SECONDS)
        self._wake.clear()

    async def _publish_all(self, connection: Any, producer: AIOKafkaProducer) -> None:
        while rows := await connection.fetch(
            """
            SELECT seq, aggregatetype, aggregateid, payload, headers FROM outbox
            WHERE published_at IS NULL ORDER BY seq LIMIT $1
            """,
            BATCH,
        ):
            OUTBOX_WAITING.set(len(rows))
            await asyncio.wait_for(self._publish(producer, rows), timeout=SEND_DEADLINE_SECONDS)
            await connection.execute(
                "UPDATE outbox SET published_at = now() WHERE seq = ANY($1::bigint[])", [row["seq"] for row in rows]
            )
        OUTBOX_WAITING.set(0)

    async def _publish(self, producer: AIOKafkaProducer, rows: list[asyncpg.Record]) -> None:
        sent = [
            await producer.send(
                self._prefix + row["aggregatetype"],
                key=row["aggregateid"].encode(),
                value=None if row["payload"] is None else orjson.dumps(row["payload"]),
                headers=[(name, value.encode()) for name, value in row["headers"].items()],
            )
            for row in rows
        ]
        await asyncio.gather(*sent)
        for row in rows:
            EVENTS_SAID.labels(topic=row["aggregatetype"]).inc()


async def _stop(producer: AIOKafkaProducer) -> None:
    with suppress(Exception):
        await asyncio.wait_for(producer.stop(), timeout=5)
