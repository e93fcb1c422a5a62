"""The whole service on a real broker, a real database, real clips and its own measuring processes."""

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from PIL import Image

from services.scoring.main import build
from services.scoring.settings import Settings
from shared.contracts import topics
from shared.contracts.scoring import SegmentScored
from shared.kafka.topics import create_topics
from shared.media import MediaStore
from tests.support.clips import ASTRONAUT_FACE, bulged, camera, clip, photograph
from tests.support.events import say, segment_generated
from tests.support.scoring import stored_clip
from tests.support.services import running

DEADLINE_SECONDS = 300
"""Only for what hangs: on a new machine the first clip waits until its kernels are compiled, a minute if it is busy."""


async def heard(listener: AIOKafkaConsumer, number: int) -> dict[int, SegmentScored]:
    found: dict[int, SegmentScored] = {}
    async with asyncio.timeout(DEADLINE_SECONDS):
        while len(found) < number:
            scored = SegmentScored.model_validate_json((await listener.getone()).value)
            found[scored.segment_id] = scored
    return found


async def test_real_clips_come_back_with_real_scores(
    settings_of: Callable[..., dict[str, Any]],
    kafka_bootstrap: str,
    topic_prefix: str,
    media: MediaStore,
    tmp_path: Path,
) -> None:
    file = io.BytesIO()
    Image.fromarray(photograph("astronaut")).save(file, format="PNG")
    source = await media.put_bytes(file.getvalue())
    baseline = await stored_clip(media, tmp_path)
    drifted = bulged(photograph("astronaut"), centre=ASTRONAUT_FACE, radius=80, strength=0.4)
    worse = await media.put_file(clip(tmp_path / "worse.mp4", camera(drifted)))
    broken = await media.put_bytes(b"not a video")
    given = {"source_image_sha256": source, "baseline_clip_sha256": baseline}
    events = [segment_generated(clip_sha256=sha256, **given) for sha256 in (baseline, worse, broken)]

    await create_topics(bootstrap=kafka_bootstrap, prefix=topic_prefix)
    chassis = build(Settings(**settings_of("scoring", kafka_bootstrap=kafka_bootstrap), processes=1))
    listener = AIOKafkaConsumer(
        topic_prefix + topics.SEGMENT_SCORED.name, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest"
    )
    await listener.start()
    try:
        async with (
            AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer,
            running(chassis),
        ):
            for event in [*events, *events]:
                await say(producer, topic_prefix, event)
            scores = await heard(listener, 3)
    finally:
        await listener.stop()

    same, drift, nothing = (scores[event.segment_id] for event in events)
    assert same.metrics["ssim_to_baseline"].value == 1.0
    assert (same.status, same.gate_verdict) == ("measured", "pass")
    one, two = same.metrics["identity_similarity"].value, drift.metrics["identity_similarity"].value
    assert one is not None and two is not None and one - two > 0.1
    assert nothing.status == "not_measurable"
    assert nothing.not_measurable is not None and nothing.not_measurable.startswith("the clip cannot be decoded")
    assert nothing.metrics["matches_request"].value == 0.0
