"""CloudEvents 1.0 in Kafka's binary content mode: attributes in headers, JSON in the value."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError

from shared.cause import Cause
from shared.contracts.base import Event
from shared.contracts.topics import Topic
from shared.ids import uuid7


class MalformedEvent(Exception):
    """A message that is no event of its topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message's attributes, checked; the value is still bytes."""

    event_id: UUID
    type: str
    source: str
    correlation_id: UUID


def headers_of(event: Event, *, topic: Topic[Any], cause: Cause, source: str) -> dict[str, str]:
    """The attributes of a new event. The trace is the correlation: one id follows a story through all services."""
    event_id = uuid7()
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(event_id),
        "ce_type": topic.name,
        "ce_source": f"/rushes/{source}",
        "ce_time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "ce_correlationid": str(cause.correlation_id),
        "ce_sequence": str(event.sequence),
        "content-type": "application/json",
        "traceparent": f"00-{cause.correlation_id.hex}-{event_id.hex[:16]}-01",
    }
    if cause.event_id is not None:
        headers["ce_causationid"] = str(cause.event_id)
    return headers


def read_envelope(headers: dict[str, str]) -> Envelope:
    """Raises MalformedEvent when a mandatory attribute is missing or no UUID."""
    try:
        event_id = UUID(headers["ce_id"])
        return Envelope(
            event_id=event_id,
            type=headers["ce_type"],
            source=headers.get("ce_source", ""),
            correlation_id=UUID(headers["ce_correlationid"]) if "ce_correlationid" in headers else event_id,
        )
    except KeyError as error:
        raise MalformedEvent(f"the header {error.args[0]} is missing") from error
    except ValueError as error:
        raise MalformedEvent(f"a header is no UUID: {error}") from error


def read_event(event_type: type[Event], value: bytes) -> Event:
    """Raises MalformedEvent with the reasons; unknown fields are no reason."""
    try:
        return event_type.model_validate(orjson.loads(value))
    except orjson.JSONDecodeError as error:
        raise MalformedEvent(f"the value is no JSON: {error}") from error
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
        raise MalformedEvent(reasons) from error
