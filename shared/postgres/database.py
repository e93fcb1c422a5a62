"""One service's database: its pool, and transactions that keep state and messages together."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson

from shared.cause import Cause
from shared.contracts.base import Event
from shared.contracts.topics import Topic, topic_of
from shared.errors import AlreadyHandled
from shared.ids import uuid7
from shared.kafka.envelope import headers_of
from shared.postgres.errors import is_transient

logger = logging.getLogger(__name__)

COMMAND_TIMEOUT_SECONDS = 60
"""No statement of ours takes longer; a lock that is held longer is a defect that should show."""

NOT_MADE_YET = (asyncpg.InvalidCatalogNameError, asyncpg.InvalidAuthorizationSpecificationError)
"""Before the first migration there is neither our database nor our role."""


class DuplicateRequest(Exception):
    """The request's Idempotency-Key was used before; what it did stands."""


class Transaction:
    """An open transaction. What it writes and what it says leave together, or not at all."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", *, cause: Cause, service: str) -> None:
        self.connection = connection
        self.cause = cause
        self._service = service

    async def emit(self, event: Event, topic: Topic[Any] | None = None) -> None:
        """Say an event when this transaction commits. Lock the event's aggregate first: that keeps its order."""
        topic = topic or topic_of(event)
        headers = headers_of(event, topic=topic, cause=self.cause, source=self._service)
        await self.connection.execute(
            """
            INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers)
            VALUES ($1, $2, $3, $4, $5, $6)
            """,
            headers["ce_id"],
            topic.name,
            event.key,
            topic.name,
            event.model_dump(mode="json"),
            headers,
        )

    async def retire(self, topic: Topic[Any], key: str) -> None:
        """Take what was last said under this key out of a compacted topic: a message without a value (a tombstone).

        Without it a service that starts for the first time would learn of a thing whose deletion is no longer kept.
        """
        await self.connection.execute(
            """
            INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers)
            VALUES ($1, $2, $3, $2, NULL, '{}')
            """,
            uuid7(),
            topic.name,
            key,
        )


class Database:
    """A pool bound to one role, whose search path is the service's own schema. The schema has the service's name."""

    def __init__(self, *, dsn: str, service: str, pool_size: int = 8) -> None:
        self._dsn = dsn
        self.service = service
        self._pool_size = pool_size
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self.away_because: str | None = "the database is not connected yet"

    @property
    def pool(self) -> "asyncpg.Pool[asyncpg.Record]":
        if self._pool is None:
            raise ConnectionError("the database is not connected yet")
        return self._pool

    async def open(self) -> None:
        """Connect. Raises the connection's error when the database is away; call again."""
        self._pool = await asyncpg.create_pool(
            self._dsn,
            min_size=1,
            max_size=self._pool_size,
            init=prepare_connection,
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            max_inactive_connection_lifetime=60,
            reset=_nothing_to_reset,
        )

    async def open_when_there(self) -> None:
        """Connect, waiting for server, database and role as long as it takes: start-up needs no order."""
        delay_seconds = 0.1
        while True:
            try:
                await self.open()
            except Exception as error:
                if not (is_transient(error) or isinstance(error, NOT_MADE_YET)):
                    raise
                self.away_because = f"waiting for the database: {error}"
                logger.info("waiting for the database", extra={"error": repr(error)})
                await asyncio.sleep(delay_seconds)
                delay_seconds = min(delay_seconds * 2, 2)
            else:
                self.away_because = None
                return

    async def close(self) -> None:
        if self._pool is not None:
            try:
                await asyncio.wait_for(self._pool.close(), timeout=5)
            except TimeoutError:
                self._pool.terminate()
            self._pool = None

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection of one's own, outside the pool: for LISTEN and advisory locks. The caller closes it."""
        connection = await asyncpg.connect(self._dsn, command_timeout=COMMAND_TIMEOUT_SECONDS)
        await prepare_connection(connection)
        return connection

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self.pool.fetch(sql, *args)
        return rows

    async def fetchrow(self, sql: str, *args: Any) -> asyncpg.Record | None:
        return await self.pool.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: Any) -> Any:
        return await self.pool.fetchval(sql, *args)

    @asynccontextmanager
    async def transaction(self, cause: Cause) -> AsyncIterator[Transaction]:
        """One transaction; its first statement records its cause.

        Raises AlreadyHandled when the cause is an event handled before, DuplicateRequest when it is a repeated request.
        """
        async with self.pool.acquire() as connection, connection.transaction():
            if cause.event_id is not None:
                await _receive(connection, cause)
            if cause.idempotency is not None:
                await _remember_request(connection, cause)
            yield Transaction(connection, cause=cause, service=self.service)


async def _nothing_to_reset(_: Any) -> None:
    """A pooled connection keeps nothing of its user: settings and locks of ours end with their transaction, and the
    pool rolls an open one back. Asking the server to reset costs every statement a second round trip.
    """


async def prepare_connection(connection: Any) -> None:
    for type_name in ("json", "jsonb"):
        await connection.set_type_codec(
            type_name,
            schema="pg_catalog",
            encoder=lambda value: orjson.dumps(value, default=str).decode(),
            decoder=orjson.loads,
        )


async def _receive(connection: Any, cause: Cause) -> None:
    received = await connection.fetchval(
        "INSERT INTO inbox (event_id, topic) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1",
        cause.event_id,
        cause.topic or "",
    )
    if received is None:
        raise AlreadyHandled
    await connection.execute("DELETE FROM parked_events WHERE event_id = $1", cause.event_id)
    if cause.establishes:
        await connection.execute(
            "UPDATE parked_events SET replay_at = now() WHERE fact = ANY($1::text[])", list(cause.establishes)
        )


async def _remember_request(connection: Any, cause: Cause) -> None:
    assert cause.idempotency is not None
    remembered = await connection.fetchval(
        """
        INSERT INTO idempotency_keys (actor, key, fingerprint) VALUES ($1, $2, $3)
        ON CONFLICT DO NOTHING RETURNING 1
        """,
        cause.actor,
        cause.idempotency.key,
        cause.idempotency.fingerprint,
    )
    if remembered is None:
        raise DuplicateRequest
