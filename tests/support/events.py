"""Events as tests say them: by hand to a handler, or on a real broker."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer

from shared.cause import Cause
from shared.contracts import topics
from shared.contracts.base import Event
from shared.contracts.segment import SegmentGenerated
from shared.ids import uuid7

_numbers = count(1)


def sha(number: int) -> str:
    return f"{number:064x}"


def delivered(event: Event) -> Cause:
    """The cause of a first delivery."""
    return Cause(
        correlation_id=uuid7(),
        actor="service:test",
        event_id=uuid7(),
        topic=topics.topic_of(event).name,
        establishes=event.establishes(),
    )


async def say(
    producer: AIOKafkaProducer,
    prefix: str,
    event: Event,
    *,
    headers: dict[str, str] | None = None,
    value: bytes | None = None,
) -> None:
    """Says it under an id of its own, unless `headers` have another; `value` takes the place of its body."""
    topic = topics.topic_of(event)
    attributes = {"ce_id": str(uuid7()), "ce_type": topic.name, "ce_source": "/test", "ce_specversion": "1.0"}
    await producer.send_and_wait(
        prefix + topic.name,
        key=event.key.encode(),
        value=orjson.dumps(event.model_dump(mode="json")) if value is None else value,
        headers=[(name, text.encode()) for name, text in (attributes | (headers or {})).items()],
    )


def segment_generated(**changes: Any) -> SegmentGenerated:
    """A segment and a scene of their own, unless told otherwise; ids by hand make it a second event for the same thing.

    `clip_sha256` names other bytes of the same shape.
    """
    number = next(_numbers)
    fields: dict[str, Any] = {
        "scene_id": 1000 + number,
        "segment_id": number,
        "position": 1,
        "segment_count": 3,
        "version": 1,
        "project_id": 1,
        "character_id": 2,
        "scene_type_id": 3,
        "purpose": "scene",
        "tier": "draft",
        "request_id": None,
        "last_frame_sha256": sha(1),
        "seed_image_sha256": sha(2),
        "source_image_sha256": sha(2),
        "previous_clip_sha256": None,
        "baseline_clip_sha256": None,
        "expected": {"width": 160, "height": 160, "frames": 16, "fps": 16},
        "parameters": {"seed": 1},
        "assets": [],
        "environment": {"engine": "test"},
        "job_id": number,
        "attempt": 1,
        "prompt_id": uuid7(),
        "server": "test",
        "queued_seconds": 0,
        "render_seconds": 1,
        "generated_at": datetime(2026, 1, 1, tzinfo=UTC),
    } | changes
    fields["clip"] = {
        "sha256": changes.get("clip_sha256", sha(10_000 + number)),
        "size_bytes": 1,
        "frame_digest": sha(3),
        "width": 160,
        "height": 160,
        "frames": 16,
        "fps": 16,
        "duration_seconds": 1.0,
    }
    return SegmentGenerated.model_validate(fields)
