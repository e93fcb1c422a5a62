"""What could not be handled, kept for a person."""

from typing import ClassVar, Literal
from uuid import UUID

from shared.contracts.base import Event
from shared.contracts.types import Instant


class DeadLettered(Event):
    """A message that a service gave up on, with all that is needed to look at it and to send it again."""

    key_field: ClassVar[str] = "original_key"

    service: str
    original_topic: str
    original_partition: int
    original_offset: int
    original_key: str
    original_headers: dict[str, str]
    original_value: str
    event_id: UUID | None
    reason: Literal["malformed", "unknown_type", "handler_error", "fact_never_came"]
    error: str
    stack: str
    dead_lettered_at: Instant
