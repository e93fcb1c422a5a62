"""The whole service on a real broker, a real database, real clips and its own measuring processes."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from services.smoothing.main import build
from services.smoothing.settings import Settings
from services.smoothing.workers.checking import check
from shared.auth import Role
from shared.contracts import topics
from shared.contracts.boundary import BoundaryChecked, BoundarySmoothed
from shared.kafka.topics import create_topics
from shared.media import MediaStore
from shared.video.decode import examine
from tests.support.clips import camera, clip, photograph
from tests.support.events import say
from tests.support.http import TestKeys, api_client
from tests.support.services import running
from tests.support.smoothing import activated, generated

DEADLINE_SECONDS = 300


async def heard(listener: AIOKafkaConsumer, number: int) -> dict[int, BoundaryChecked]:
    """By the position of the later side."""
    found: dict[int, BoundaryChecked] = {}
    async with asyncio.timeout(DEADLINE_SECONDS):
        while len(found) < number:
            checked = BoundaryChecked.model_validate_json((await listener.getone()).value)
            found[checked.next.position] = checked
    return found


async def test_real_clips_come_back_as_judged_seams_whatever_comes_first(
    settings_of: Callable[..., dict[str, Any]],
    kafka_bootstrap: str,
    topic_prefix: str,
    media: MediaStore,
    tmp_path: Path,
) -> None:
    frames = list(camera(photograph("astronaut"), frames=48))
    darker = [(frame * 0.8).astype("uint8") for frame in frames[32:]]
    shas = []
    for number, part in enumerate((frames[:16], frames[16:32], darker)):
        shas.append(await media.put_file(clip(tmp_path / f"{number}.mp4", iter(part))))
    segments = [generated(position=number, clip_sha256=sha) for number, sha in enumerate(shas, 1)]
    segments.append(generated(position=4, segment_count=4, clip_sha256=await media.put_bytes(b"not a video")))

    await create_topics(bootstrap=kafka_bootstrap, prefix=topic_prefix)
    chassis = build(Settings(**settings_of("smoothing", kafka_bootstrap=kafka_bootstrap)))
    listener = AIOKafkaConsumer(
        topic_prefix + topics.BOUNDARY_CHECKED.name, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest"
    )
    await listener.start()
    try:
        async with (
            AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer,
            running(chassis),
        ):
            for number, segment in enumerate(segments, 1):
                await say(producer, topic_prefix, activated(segment, number))
            for segment in [*segments, *segments]:
                await say(producer, topic_prefix, segment)
            seams = await heard(listener, 3)
    finally:
        await listener.stop()

    assert (seams[2].verdict, seams[3].verdict) == ("green", "red")
    assert seams[3].reading is not None and seams[3].reading.luminance_step < -0.02
    assert (seams[4].status, seams[4].verdict) == ("not_measurable", None)
    assert seams[4].not_measurable is not None and "not a readable" in seams[4].not_measurable


async def test_a_repair_that_is_asked_for_is_made_of_real_clips_and_proposed(
    settings_of: Callable[..., dict[str, Any]],
    kafka_bootstrap: str,
    topic_prefix: str,
    media: MediaStore,
    keys: TestKeys,
    tmp_path: Path,
) -> None:
    frames = list(camera(photograph("astronaut"), frames=48))
    darker = [(frame * 0.85).astype("uint8") for frame in frames[24:]]
    parts = [clip(tmp_path / f"{number}.mp4", iter(part)) for number, part in enumerate((frames[:24], darker))]
    segments = [
        generated(position=number, clip_sha256=await media.put_file(part)) for number, part in enumerate(parts, 1)
    ]

    await create_topics(bootstrap=kafka_bootstrap, prefix=topic_prefix)
    chassis = build(Settings(**settings_of("smoothing", kafka_bootstrap=kafka_bootstrap)))
    listener = AIOKafkaConsumer(
        topic_prefix + topics.BOUNDARY_CHECKED.name,
        topic_prefix + topics.BOUNDARY_SMOOTHED.name,
        topic_prefix + topics.BOUNDARY_REPAIR_REJECTED.name,
        bootstrap_servers=kafka_bootstrap,
        auto_offset_reset="earliest",
    )
    await listener.start()
    try:
        async with (
            AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer,
            running(chassis),
            api_client(chassis.app, token=keys.token(Role.CREATOR)) as http,
            asyncio.timeout(DEADLINE_SECONDS),
        ):
            for number, segment in enumerate(segments, 1):
                await say(producer, topic_prefix, segment)
                await say(producer, topic_prefix, activated(segment, number))
            assert (await listener.getone()).topic.endswith(topics.BOUNDARY_CHECKED.name)
            address = f"/api/segments/{segments[1].segment_id}/smooth-boundary"
            asked = await http.post(address, json={"position": "before", "method": "frame_blending"})
            assert asked.status_code == 202, asked.text
            said = BoundarySmoothed.model_validate_json((await listener.getone()).value)
    finally:
        await listener.stop()

    assert said.after.worst_visibility < said.before.worst_visibility
    [made] = said.clips
    assert (made.segment_id, made.based_on_clip_sha256) == (segments[1].segment_id, segments[1].clip.sha256)
    async with media.local_path(made.clip.sha256, verify=True) as path:
        found = examine(path)
        assert check(parts[0], path).worst_visibility < check(*parts).worst_visibility
    assert (found.frame_digest, found.info.frames) == (made.clip.frame_digest, 24)
    assert await media.get(made.last_frame_sha256, verify=True) == found.last_frame_png
