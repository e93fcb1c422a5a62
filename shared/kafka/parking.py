"""Events that came before a fact they need wait in the database, not in the partition."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.clock import Clock, utc_now
from shared.kafka.message import Message
from shared.postgres import Database

REPLAY_SECONDS = 5.0
"""A fact that arrives replays its events at once; this beat covers one that commits while its event is being parked."""

BATCH = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    event_id: UUID
    fact: str
    deadline_at: datetime
    message: Message


class Parking:
    def __init__(self, *, database: Database, deadline_seconds: float, now: Clock = utc_now) -> None:
        self._database = database
        self._deadline = timedelta(seconds=deadline_seconds)
        self._now = now

    async def park(self, message: Message, *, fact: str) -> None:
        """Keep a message until `fact` comes. Parking it again moves its next replay, not its deadline."""
        now = self._now()
        await self._database.pool.execute(
            """
            INSERT INTO parked_events
                (event_id, fact, topic, partition, "offset", key, headers, value, deadline_at, replay_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            ON CONFLICT (event_id) DO UPDATE SET fact = excluded.fact, replay_at = excluded.replay_at
            """,
            UUID(message.headers["ce_id"]),
            fact,
            message.topic,
            message.partition,
            message.offset,
            message.key,
            message.headers,
            message.value,
            now + self._deadline,
            now + timedelta(seconds=REPLAY_SECONDS),
        )

    async def due(self, now: datetime) -> list[Parked]:
        """In the order in which they were parked, which keeps the order per key."""
        rows = await self._database.fetch(
            """
            SELECT event_id, fact, topic, partition, "offset", key, headers, value, deadline_at
            FROM parked_events WHERE replay_at <= $1 ORDER BY parked_at LIMIT $2
            """,
            now,
            BATCH,
        )
        return [
            Parked(
                event_id=row["event_id"],
                fact=row["fact"],
                deadline_at=row["deadline_at"],
                message=Message(
                    topic=row["topic"],
                    partition=row["partition"],
                    offset=row["offset"],
                    key=row["key"],
                    headers=row["headers"],
                    value=row["value"],
                ),
            )
            for row in rows
        ]

    async def remove(self, event_id: UUID) -> None:
        await self._database.pool.execute("DELETE FROM parked_events WHERE event_id = $1", event_id)

    async def count(self) -> int:
        return int(await self._database.fetchval("SELECT count(*) FROM parked_events"))
