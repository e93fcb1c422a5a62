"""From segment.generated to segment.scored: once per segment, never twice per question, whatever comes when."""

from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY

from services.scoring import domain
from services.scoring.workers.measurement import MeasurementRequest
from shared.cause import Cause
from shared.contracts.character import CharacterDeleted, CharacterUpdated
from shared.contracts.project import ProjectDeleted
from shared.contracts.scene import SceneDeleted
from shared.contracts.scene_type import SceneTypeDeleted
from shared.contracts.scoring import ScoringRequested
from shared.contracts.segment import SegmentActivated, SegmentGenerated, SegmentReviewed
from shared.contracts.types import CharacterId, ProjectId, SceneId, SceneTypeId, SegmentId
from shared.errors import AlreadyHandled, NotYetKnown, TransientError
from shared.media import MediaStore
from shared.postgres import Database
from shared.processes import BrokeOffError
from tests.support.events import delivered, segment_generated, sha
from tests.support.scoring import METHOD, PlayedPool, Scoring, correlation_of, good_measurement


async def stored(media: MediaStore, **changes: object) -> SegmentGenerated:
    """A generated segment whose clip is there (the played process does not look at it)."""
    return segment_generated(clip_sha256=await media.put_bytes(str(changes.pop("clip", "a clip")).encode()), **changes)


async def test_a_generated_segment_is_measured_judged_and_said(scoring: Scoring, media: MediaStore) -> None:
    event = await stored(media, position=2, request_id="0198a0c0-0000-7000-8000-000000000001")
    cause = delivered(event)
    await scoring.deliver(event, cause=cause)
    assert scoring.woken == 1
    await scoring.work()
    [said] = await scoring.said()
    assert (said.scene_id, said.segment_id, said.position, said.request_id) == (
        event.scene_id,
        event.segment_id,
        2,
        event.request_id,
    )
    assert (said.status, said.gate_verdict, said.sequence) == ("measured", "pass", 1)
    assert said.metrics["sharpness"].value == 0.35
    assert said.identity_backend.is_identity is False
    assert said.metric_suite_version == METHOD.suite_version
    assert said.expected == event.expected
    assert said.measure_seconds == 0.25
    assert await correlation_of(scoring.database, said) == cause.correlation_id


async def test_an_event_twice_is_one_score(scoring: Scoring, media: MediaStore) -> None:
    event = await stored(media)
    cause = delivered(event)
    await scoring.deliver(event, cause=cause)
    with pytest.raises(AlreadyHandled):
        await scoring.deliver(event, cause=cause)
    await scoring.work()
    await scoring.deliver(event)
    await scoring.work()
    assert len(await scoring.said()) == 1


async def test_the_same_question_is_measured_once_and_every_segment_hears_the_answer(
    scoring: Scoring, media: MediaStore, pool: PlayedPool
) -> None:
    first, second = await stored(media), await stored(media)
    await scoring.deliver(first, second)
    await scoring.work()
    promoted = await stored(media, segment_count=8)
    await scoring.deliver(promoted)
    await scoring.work()
    assert len(pool.asked) == 1
    assert [said.segment_id for said in await scoring.said()] == [
        first.segment_id,
        second.segment_id,
        promoted.segment_id,
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"clip": "another clip"},
        {"baseline_clip_sha256": sha(77)},
        {"previous_clip_sha256": sha(78)},
        {"source_image_sha256": sha(79)},
        {"expected": {"width": 160, "height": 160, "frames": 17, "fps": 16}},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_whatever_changes_the_answer_makes_another_question(
    other: dict[str, object], scoring: Scoring, media: MediaStore, pool: PlayedPool
) -> None:
    await scoring.deliver(await stored(media), await stored(media, **other))
    await scoring.work()
    assert len(pool.asked) == 2


async def test_another_metric_suite_asks_again(scoring: Scoring, media: MediaStore, pool: PlayedPool) -> None:
    await scoring.deliver(event := await stored(media))
    await scoring.work()
    newer = domain.Method(suite_version="test-2", identity_backend="face-region", identity_backend_version="1")
    upgraded = Scoring(scoring.database, media, pool=pool, method=newer)
    await upgraded.deliver(ScoringRequested(clip_sha256=event.clip.sha256, requested_by="ada"))
    await upgraded.work()
    assert [(said.metric_suite_version, said.sequence) for said in await upgraded.said()] == [
        ("test-1", 1),
        ("test-2", 2),
    ]


async def test_a_clip_that_is_not_stored_is_not_measurable_with_the_reason(scoring: Scoring, pool: PlayedPool) -> None:
    await scoring.deliver(segment_generated())
    await scoring.work()
    [said] = await scoring.said()
    assert (said.status, said.not_measurable) == ("not_measurable", "the clip is not stored")
    assert (said.gate_verdict, said.quality_score) == ("fail", None)
    assert set(said.metrics) == set(domain.METRICS)
    assert pool.asked == []


async def test_what_is_missing_beside_the_clip_is_a_reason_for_its_metric_only(
    scoring: Scoring, media: MediaStore, pool: PlayedPool
) -> None:
    await scoring.deliver(
        await stored(media, previous_clip_sha256=sha(501), baseline_clip_sha256=sha(502), source_image_sha256=sha(503))
    )
    await scoring.work()
    assert dict(pool.asked[0].absent) == {
        "identity_similarity": "the source image is not stored",
        "handover_ssim": "the previous clip is not stored",
        "ssim_to_baseline": "the baseline clip is not stored",
    }


async def test_a_clip_that_kills_the_decoder_costs_three_attempts_and_gets_its_answer(
    scoring: Scoring, media: MediaStore, pool: PlayedPool
) -> None:
    def crash(request: MeasurementRequest) -> domain.Measurement:
        raise BrokeOffError("the measuring process died (signal 11)")

    pool.answer = crash
    await scoring.deliver(await stored(media))
    await scoring.work()
    [said] = await scoring.said()
    assert len(pool.asked) == 3
    assert said.not_measurable == "measuring broke off 3 times: the measuring process died (signal 11)"
    assert said.metrics["matches_request"].not_measurable == said.not_measurable


async def test_a_store_that_is_away_costs_no_attempt(scoring: Scoring, media: MediaStore, pool: PlayedPool) -> None:
    def away(request: MeasurementRequest) -> domain.Measurement:
        raise TransientError("the media store is away")

    await scoring.deliver(await stored(media))
    pool.answer = away
    for _ in range(5):
        with pytest.raises(TransientError):
            await scoring.worker.step()
    pool.answer = lambda request: good_measurement()
    await scoring.work()
    assert [said.status for said in await scoring.said()] == ["measured"]


async def test_a_worker_that_was_killed_loses_its_lease_and_its_late_answer(
    scoring: Scoring, media: MediaStore, pool: PlayedPool
) -> None:
    await scoring.deliver(await stored(media))
    dead = await scoring.measuring.claim()
    assert dead is not None
    assert await scoring.measuring.claim() is None, "on lease"
    await scoring.database.pool.execute("UPDATE measurements SET leased_until = now() - interval '1 second'")
    await scoring.work()
    assert len(pool.asked) == 1
    assert await scoring.measuring.extend(dead) is False
    await scoring.measuring.finish(dead, good_measurement(sharpness=0.0), measure_seconds=9)
    await scoring.work()
    [said] = await scoring.said()
    [kept] = await scoring.scores.of_segment(domain.SegmentId(said.segment_id), before=None, limit=9)
    assert said.metrics["sharpness"].value == kept.answer.measurement.readings["sharpness"].value == 0.35


async def test_many_lost_leases_end_in_an_answer_too(scoring: Scoring, media: MediaStore, pool: PlayedPool) -> None:
    await scoring.deliver(await stored(media))
    await scoring.database.pool.execute("UPDATE measurements SET claims = $1", domain.MOST_CLAIMS)
    await scoring.work()
    [said] = await scoring.said()
    assert said.not_measurable == f"measuring was begun {domain.MOST_CLAIMS} times and never ended"
    assert pool.asked == []


async def test_a_failed_gate_of_the_scene_type_fails_the_segment(scoring: Scoring, media: MediaStore) -> None:
    async with scoring.gates.transaction(delivered(segment_generated())) as tx:
        strict = domain.Gate(metric="sharpness", warn_below=0.9, fail_below=0.5)
        lax = domain.Gate(metric="sharpness", warn_below=0.1)
        await scoring.gates.replace(tx, [strict], project_id=1, scene_type_id=3)
        await scoring.gates.replace(tx, [lax], project_id=1, scene_type_id=None)
    await scoring.deliver(await stored(media), await stored(media, scene_type_id=4), await stored(media, project_id=9))
    await scoring.work()
    assert [said.gate_verdict for said in await scoring.said()] == ["fail", "pass", "pass"]


class TestScoringRequested:
    async def test_before_its_segment_it_waits_for_it(self, scoring: Scoring, media: MediaStore) -> None:
        event = await stored(media)
        request = ScoringRequested(clip_sha256=event.clip.sha256, requested_by="ada")
        with pytest.raises(NotYetKnown) as waiting:
            await scoring.deliver(request)
        assert waiting.value.fact in event.establishes()

    async def test_another_baseline_is_another_question(
        self, scoring: Scoring, media: MediaStore, pool: PlayedPool
    ) -> None:
        event = await stored(media)
        await scoring.deliver(event)
        await scoring.work()
        baseline = await media.put_bytes(b"a baseline")
        request = ScoringRequested(clip_sha256=event.clip.sha256, baseline_clip_sha256=baseline, requested_by="ada")
        await scoring.deliver(request)
        await scoring.work()
        assert [said.baseline_clip_sha256 for said in await scoring.said()] == [None, baseline]
        assert pool.asked[1].baseline_clip is not None

    async def test_the_same_question_repeats_its_answer_under_todays_gates(
        self, scoring: Scoring, media: MediaStore, pool: PlayedPool
    ) -> None:
        event = await stored(media)
        await scoring.deliver(event)
        await scoring.work()
        async with scoring.gates.transaction(delivered(event)) as tx:
            strict = domain.Gate(metric="sharpness", fail_below=0.5)
            await scoring.gates.replace(tx, [strict], project_id=1, scene_type_id=None)
        await scoring.deliver(ScoringRequested(clip_sha256=event.clip.sha256, requested_by="ada"))
        await scoring.work()
        assert [(said.gate_verdict, said.sequence) for said in await scoring.said()] == [("pass", 1), ("fail", 2)]
        assert len(pool.asked) == 1


DELETIONS = {
    "project": ProjectDeleted(project_id=ProjectId(1)),
    "character": CharacterDeleted(character_id=CharacterId(2), project_id=ProjectId(1)),
    "scene_type": SceneTypeDeleted(scene_type_id=SceneTypeId(3), project_id=ProjectId(1)),
    "scene": SceneDeleted(scene_id=SceneId(55)),
}


@pytest.mark.parametrize("kind", DELETIONS)
class TestDeletion:
    async def test_scores_and_queued_work_go_with_it(self, kind: str, scoring: Scoring, media: MediaStore) -> None:
        await scoring.deliver(await stored(media, scene_id=55))
        await scoring.work()
        await scoring.deliver(await stored(media, scene_id=55, clip="queued"))
        other = await stored(media, clip="other", scene_id=56, project_id=91, character_id=92, scene_type_id=93)
        await scoring.deliver(other)
        await scoring.deliver(DELETIONS[kind])
        assert [await scoring.count(t) for t in ("scored_segments", "quality_scores", "measurements")] == [1, 1, 1]
        await scoring.said()
        await scoring.work()
        assert [said.segment_id for said in await scoring.said()] == [other.segment_id]

    async def test_twice_is_harmless_and_what_comes_late_does_not_come_back(
        self, kind: str, scoring: Scoring, media: MediaStore, pool: PlayedPool
    ) -> None:
        await scoring.deliver(DELETIONS[kind], DELETIONS[kind])
        await scoring.deliver(await stored(media, scene_id=55))
        await scoring.work()
        assert await scoring.said() == []
        assert [await scoring.count(t) for t in ("scored_segments", "measurements")] == [0, 0]

    async def test_an_answer_that_comes_after_it_is_dropped(
        self, kind: str, scoring: Scoring, media: MediaStore
    ) -> None:
        await scoring.deliver(await stored(media, scene_id=55))
        job = await scoring.measuring.claim()
        assert job is not None
        await scoring.deliver(DELETIONS[kind])
        await scoring.measuring.finish(job, good_measurement(), measure_seconds=1)
        await scoring.work()
        assert await scoring.said() == []
        assert await scoring.count("identity_references") == 0


async def test_face_regions_are_kept_used_and_deleted_with_the_character(
    scoring: Scoring, media: MediaStore, pool: PlayedPool
) -> None:
    await scoring.deliver(await stored(media))
    await scoring.work()
    await scoring.deliver(await stored(media, clip="next"))
    await scoring.work()
    assert [asked.known_region for asked in pool.asked] == [None, good_measurement().region]
    updated = {"character_id": CharacterId(2), "project_id": ProjectId(1), "name": "Ada"}
    await scoring.deliver(CharacterUpdated(**updated, source_image_sha256=sha(2)))
    assert await scoring.count("identity_references") == 1, "the same photograph"
    await scoring.deliver(CharacterUpdated(**updated, source_image_sha256=sha(4)))
    assert await scoring.count("identity_references") == 0
    await scoring.deliver(await stored(media, clip="third"))
    await scoring.work()
    assert await scoring.count("identity_references") == 1
    await scoring.deliver(CharacterDeleted(character_id=CharacterId(2), project_id=ProjectId(1)))
    assert await scoring.count("identity_references") == 0


class TestActivationAndReview:
    def activated(self, event: SegmentGenerated, sequence: int) -> SegmentActivated:
        return SegmentActivated.model_validate(
            {
                "scene_id": event.scene_id, "segment_id": event.segment_id, "position": 1, "version": 1,
                "previous_segment_id": None, "clip_sha256": sha(1), "reason": "regenerated", "sequence": sequence,
            }
        )  # fmt: skip

    def reviewed(self, event: SegmentGenerated, decision: str, minute: int) -> SegmentReviewed:
        return SegmentReviewed.model_validate(
            {
                "scene_id": event.scene_id, "segment_id": event.segment_id, "clip_sha256": sha(1),
                "decision": decision, "reviewed_by": f"ada{minute}", "note": f"note {minute}",
                "reviewed_at": datetime(2026, 1, 1, 0, minute, tzinfo=UTC),
            }
        )  # fmt: skip

    async def current(self, scoring: Scoring, scene_id: int) -> list[int]:
        rows = await scoring.database.fetch(
            "SELECT id FROM scored_segments WHERE scene_id = $1 AND is_current ORDER BY id", scene_id
        )
        return [row["id"] for row in rows]

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)], ids=str)
    async def test_the_latest_activation_wins_in_any_order(
        self, order: tuple[int, ...], scoring: Scoring, media: MediaStore
    ) -> None:
        first, second = await stored(media, scene_id=700), await stored(media, scene_id=700)
        await scoring.deliver(first, second)
        events = [self.activated(first, 1), self.activated(second, 2), self.activated(first, 3)]
        await scoring.deliver(*(events[index] for index in order))
        assert await self.current(scoring, 700) == [first.segment_id]

    async def test_the_latest_review_wins_in_any_order(self, scoring: Scoring, media: MediaStore) -> None:
        event = await stored(media)
        await scoring.deliver(event, self.reviewed(event, "rejected", 5), self.reviewed(event, "approved", 3))
        state = await scoring.segments.state(domain.SegmentId(event.segment_id))
        assert state is not None and state.review is not None
        assert (state.review.decision, state.review.by, state.review.note) == ("rejected", "ada5", "note 5")

    async def test_before_the_segment_both_wait_and_of_a_deleted_scene_both_are_ignored(self, scoring: Scoring) -> None:
        event = segment_generated()
        early = (self.activated(event, 1), self.reviewed(event, "approved", 1))
        for told in early:
            with pytest.raises(NotYetKnown) as waiting:
                await scoring.deliver(told)
            assert waiting.value.fact == f"segment:{SegmentId(event.segment_id)}"
        await scoring.deliver(SceneDeleted(scene_id=event.scene_id))
        await scoring.deliver(*early)


async def test_an_answer_is_said_and_judged_as_the_back_end_that_gave_it(
    scoring_database: Database, media: MediaStore, pool: PlayedPool
) -> None:
    """0.5 is one person to the pair of ONNX files, and a changed look to the weightless back-end."""
    pool.answer = lambda request: good_measurement(identity_similarity=0.5)
    pair = domain.Method(suite_version="test-1", identity_backend="onnx-pair", identity_backend_version="1-a-b")
    for method, verdict, is_identity in ((METHOD, "warn", False), (pair, "pass", True)):
        scoring = Scoring(scoring_database, media, pool=pool, method=method)
        await scoring.deliver(segment_generated(clip_sha256=await media.put_bytes(b"clip")))
        later = Scoring(scoring_database, media, pool=pool, method=METHOD)
        await later.work()
        said = (await later.said())[-1]
        assert (said.identity_backend.name, said.gate_verdict) == (method.identity_backend, verdict)
        assert said.identity_backend.version == method.identity_backend_version
        assert said.identity_backend.is_identity is is_identity
        assert said.identity_backend.notice == domain.IDENTITY_KINDS[method.identity_backend].notice


async def test_the_wait_and_the_stages_of_each_measured_clip_are_counted(scoring: Scoring, media: MediaStore) -> None:
    def counts() -> tuple[float, float]:
        def of(name: str, **labels: str) -> float:
            return REGISTRY.get_sample_value(name, labels) or 0.0

        return (
            of("rushes_scoring_queue_wait_seconds_count"),
            of("rushes_scoring_stage_seconds_count", stage="decode"),
        )

    before = counts()
    event = segment_generated(clip_sha256=await media.put_bytes(b"clip"))
    await scoring.deliver(event)
    await scoring.database.pool.execute("UPDATE measurements SET created_at = now() - interval '40 s'")
    await scoring.work()
    assert counts() == (before[0] + 1, before[1] + 1)
    late = REGISTRY.get_sample_value("rushes_scoring_queue_wait_seconds_sum")
    assert late is not None and late >= 40
    await scoring.operations.measure_again(Cause.begin("tester"), event.clip.sha256, baseline_clip_sha256=None)
    await scoring.work()
    assert counts() == (before[0] + 1, before[1] + 1)
