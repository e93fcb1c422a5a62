"""Why something happens: carried by hand from the edge of a service to its transaction."""

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from shared.ids import uuid7


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """A client's promise that two requests with this key are one. `fingerprint` is a hash of method, path and body."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """`event_id` is set when a delivered event is the cause: it opens the inbox, so one event is one transaction."""

    correlation_id: UUID
    actor: str
    event_id: UUID | None = None
    topic: str | None = None
    establishes: tuple[str, ...] = ()
    idempotency: IdempotencyKey | None = None

    @classmethod
    def begin(cls, actor: str, correlation_id: UUID | None = None) -> Self:
        """A cause of our own: a worker, a timer, a start-up task."""
        return cls(correlation_id=correlation_id or uuid7(), actor=actor)
