"""Drift of a scene's segments, as it is said and as it is asked for: whatever is measured first."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from services.scoring.domain import Measurement, Reading
from services.scoring.main import build
from services.scoring.settings import Settings
from shared.auth import Role
from shared.contracts.scoring import SegmentScored
from shared.contracts.segment import SegmentActivated, SegmentGenerated
from shared.media import MediaStore
from shared.postgres import Database
from shared.service import Chassis
from tests.support.events import segment_generated
from tests.support.http import TestKeys, api_client
from tests.support.scoring import PlayedPool, Scoring, good_measurement

SCENE = 77


@pytest.fixture
async def chassis(settings_of: Callable[..., dict[str, Any]]) -> AsyncIterator[Chassis]:
    chassis = build(Settings(**settings_of("scoring")))
    await chassis.database.open()
    yield chassis
    await chassis.database.close()


@pytest.fixture
async def viewer(chassis: Chassis, keys: TestKeys) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(chassis.app, token=keys.token(Role.VIEWER, name="vic")) as http:
        yield http


class Chain:
    """Segments of one scene, each with a likeness of its own."""

    def __init__(self, scoring: Scoring, media: MediaStore, pool: PlayedPool) -> None:
        self.scoring = scoring
        self._media = media
        self._likeness: dict[str, float] = {}
        pool.answer = lambda request: self._measured(request.clip.name)

    def _measured(self, name: str) -> Measurement:
        likeness = next(value for sha256, value in self._likeness.items() if sha256 in name)
        found = good_measurement(identity_similarity=likeness)
        contrast = Reading(metric="contrast", value=0.2)
        return Measurement(readings={**found.readings, "contrast": contrast})

    async def segment(self, position: int, likeness: float, *, tier: str = "draft") -> SegmentGenerated:
        clip = await self._media.put_bytes(f"{position} {likeness} {tier}".encode())
        self._likeness[clip] = likeness
        return segment_generated(scene_id=SCENE, position=position, segment_count=8, clip_sha256=clip, tier=tier)

    async def hear(self, *segments: SegmentGenerated) -> None:
        await self.scoring.deliver(*segments)

    async def activate(self, segment: SegmentGenerated, *, sequence: int) -> None:
        await self.scoring.deliver(
            SegmentActivated.model_validate(
                {
                    "scene_id": SCENE, "segment_id": segment.segment_id, "position": segment.position, "version": 1,
                    "previous_segment_id": None, "clip_sha256": segment.clip.sha256, "reason": "regenerated",
                    "sequence": sequence,
                }
            )
        )  # fmt: skip

    async def say(self) -> dict[int, SegmentScored]:
        while await self.scoring.measuring.say_one():
            pass
        return {said.position: said for said in await self.scoring.said()}


@pytest.fixture
def chain(scoring: Scoring, media: MediaStore, pool: PlayedPool) -> Chain:
    return Chain(scoring, media, pool)


async def test_each_segment_is_said_with_how_far_it_is_from_the_first(chain: Chain) -> None:
    await chain.hear(*[await chain.segment(at, 0.95 - 0.04 * (at - 1)) for at in range(1, 6)])
    await chain.scoring.work()
    said = {one.position: one for one in await chain.scoring.said()}
    assert said[1].metrics["drift_identity"].not_measurable == "drift is measured against segment 1, and this is it"
    assert said[2].metrics["drift_identity"].value == pytest.approx(-0.04)
    last = said[5].metrics["drift_identity"]
    assert (last.value, last.details["slope"]) == (pytest.approx(-0.16), pytest.approx(-0.04))
    assert last.details["crosses_at"] == 14.0
    assert said[5].metrics["drift_colour"].value == said[5].metrics["drift_contrast"].value == 0.0
    assert {gate.metric for gate in said[5].gates} >= {"drift_colour", "drift_contrast", "drift_identity"}


async def test_drift_beyond_its_limit_is_a_veto(chain: Chain) -> None:
    await chain.hear(await chain.segment(1, 0.97), await chain.segment(2, 0.4))
    await chain.scoring.work()
    [first, second] = await chain.scoring.said()
    assert (first.gate_verdict, second.gate_verdict) == ("pass", "fail")
    failed = [gate for gate in second.gates if gate.verdict == "fail"]
    assert [(gate.metric, gate.limit) for gate in failed] == [("drift_identity", -0.5)]


async def test_a_segment_measured_before_the_first_one_is_said_after_it(chain: Chain) -> None:
    """The same is said, whichever of two workers is quicker."""
    await chain.hear(await chain.segment(1, 0.97), await chain.segment(2, 0.80))
    slow = await chain.scoring.measuring.claim()
    await chain.scoring.worker.step()
    assert await chain.say() == {}
    assert slow is not None
    await chain.scoring.measuring.finish(slow, good_measurement(identity_similarity=0.97), measure_seconds=1)
    said = await chain.say()
    assert said[2].metrics["drift_identity"].value == pytest.approx(-0.17)


async def test_a_first_segment_that_cannot_be_measured_holds_nobody_up(chain: Chain) -> None:
    await chain.hear(await chain.segment(1, 0.97), await chain.segment(2, 0.80))
    for _ in range(3):
        job = await chain.scoring.measuring.claim()
        assert job is not None and job.id
        await chain.scoring.measuring.crashed(job, "signal 11")
    await chain.scoring.work()
    said = {one.position: one for one in await chain.scoring.said()}
    assert said[1].status == "not_measurable"
    reason = said[2].metrics["drift_identity"].not_measurable
    assert reason is not None and reason.startswith("segment 1 has no identity_similarity: measuring broke off 3 times")


async def test_a_segment_whose_first_one_is_not_known_says_so(chain: Chain) -> None:
    await chain.hear(await chain.segment(2, 0.8))
    await chain.scoring.work()
    [said] = await chain.scoring.said()
    assert said.metrics["drift_colour"].not_measurable == "segment 1 is not known"
    assert said.gate_verdict == "pass"


async def test_what_was_said_stays_and_what_is_asked_for_follows_the_current_versions(
    chain: Chain, viewer: httpx.AsyncClient
) -> None:
    first, second, third, fourth = [await chain.segment(at, 0.95 - 0.04 * (at - 1)) for at in range(1, 5)]
    await chain.hear(first, second, third, fourth)
    await chain.scoring.work()
    other = await chain.segment(1, 0.83)
    await chain.hear(other)
    await chain.scoring.work()
    await chain.activate(first, sequence=1)

    async def identity() -> dict[str, Any]:
        told = (await viewer.get(f"/api/scenes/{SCENE}/drift")).json()
        [found] = [metric for metric in told["metrics"] if metric["metric"] == "drift_identity"]
        return {**told, **found}

    before = await identity()
    assert (before["tier"], before["identity_backend"], before["segment_count"]) == ("draft", "face-region", 8)
    assert [segment["segment_id"] for segment in before["segments"]] == [
        each.segment_id for each in (first, second, third, fourth)
    ]
    assert [each["value"] for each in before["values"]] == pytest.approx([0.0, -0.04, -0.08, -0.12])
    assert before["slope"] == pytest.approx(-0.04)
    assert (before["limit_below"], before["crossing"]["limit"], before["crossing"]["position"]) == (-0.5, -0.5, 14)
    await chain.activate(other, sequence=2)
    after = await identity()
    assert after["segments"][0]["segment_id"] == other.segment_id
    assert [each["value"] for each in after["values"]] == pytest.approx([0.0, 0.08, 0.04, 0.0])
    assert (after["crossing"], after["outlook"]) == (None, "no trend: the slope over 4 segments may be zero")
    kept = (await viewer.get(f"/api/segments/{second.segment_id}/scores")).json()["items"][0]
    assert kept["metrics"]["drift_identity"]["value"] == pytest.approx(-0.04)


async def test_what_is_missing_is_named_and_an_unknown_scene_is_not_found(
    chain: Chain, viewer: httpx.AsyncClient
) -> None:
    assert (await viewer.get("/api/scenes/4711/drift")).status_code == 404
    assert (await viewer.get("/api/scenes/0/drift")).status_code == 422
    await chain.hear(await chain.segment(1, 0.97), await chain.segment(2, 0.9, tier="full"))
    await chain.scoring.work()
    await chain.hear(await chain.segment(3, 0.9))
    told = (await viewer.get(f"/api/scenes/{SCENE}/drift")).json()
    missing = {metric["metric"]: metric["values"] for metric in told["metrics"]}["drift_colour"]
    assert [(each["position"], each["value"], each["reason"]) for each in missing] == [
        (1, 0.0, None),
        (2, None, "segment 1 is a draft render, this one a full one"),
        (3, None, "this segment: it is not measured yet"),
    ]


async def test_the_chain_of_a_scene_is_read_by_its_index(chain: Chain, scoring_database: Database) -> None:
    await scoring_database.pool.execute(
        """
        INSERT INTO scored_segments (id, scene_id, position, segment_count, project_id, character_id, scene_type_id,
                                     purpose, tier, clip_sha256, source_image_sha256, expected)
        SELECT n, n / 10, n % 10 + 1, 10, 1, 1, 1, 'scene', 'draft', repeat('a', 64), repeat('b', 64), '{}'
        FROM generate_series(1, 20000) AS n
        """
    )
    await scoring_database.pool.execute("ANALYZE scored_segments")
    plan = await scoring_database.fetch(
        "EXPLAIN SELECT DISTINCT ON (position) id FROM scored_segments WHERE scene_id = 5 "
        "ORDER BY position, is_current DESC, id DESC"
    )
    assert any("idx_scored_segments_scene_position" in row[0] for row in plan)
