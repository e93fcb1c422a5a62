"""From segment.activated to boundary.checked: once per pair of clips, for the scene as it is, whatever comes when."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from services.smoothing import domain
from services.smoothing.workers.messages import CheckRequest
from shared.contracts.boundary import BoundaryChecked
from shared.contracts.character import CharacterDeleted
from shared.contracts.project import ProjectDeleted
from shared.contracts.scene import SceneDeleted
from shared.contracts.scene_type import SceneTypeDeleted
from shared.contracts.segment import SegmentGenerated
from shared.contracts.types import CharacterId, ProjectId, SceneId, SceneTypeId
from shared.errors import AlreadyHandled, NotYetKnown, TransientError
from shared.processes import BrokeOffError
from tests.support.events import delivered
from tests.support.smoothing import GREEN, RED, PlayedPool, Smoothing, activated, generated


async def checked(smoothing: Smoothing) -> list[tuple[int, int]]:
    """The pairs that were said since the last look, by their segments."""
    said = await smoothing.said()
    assert all(isinstance(event, BoundaryChecked) for event in said)
    return [(e.previous.segment_id, e.next.segment_id) for e in said if isinstance(e, BoundaryChecked)]


async def test_two_current_versions_that_follow_each_other_are_measured_and_said(
    smoothing: Smoothing, pool: PlayedPool
) -> None:
    pool.answer = lambda request: RED
    first = await smoothing.segment(position=1, sequence=1)
    assert smoothing.woken == 1
    second = generated(position=2, clip_sha256=await smoothing.media.put_bytes(b"second"))
    await smoothing.deliver(second)
    activation = activated(second, 2)
    cause = delivered(activation)
    await smoothing.deliver(activation, cause=cause)
    await smoothing.work()
    [said] = await smoothing.said()
    assert isinstance(said, BoundaryChecked)
    assert (said.scene_id, said.project_id, said.sequence) == (50, 1, 1)
    assert (said.previous.segment_id, said.previous.position) == (first.segment_id, 1)
    assert (said.next.segment_id, said.next.clip_sha256) == (second.segment_id, second.clip.sha256)
    assert (said.status, said.verdict, said.recommendation) == ("measured", "red", "frame_blending")
    assert said.reading is not None
    assert (said.reading.ssim, said.reading.worst_offset) == (0.6, 0)
    assert said.reading.worst_visibility == pytest.approx(20 / (2 + 2 * 1 + 0.05 * 2))
    headers = await smoothing.database.fetchval("SELECT headers FROM outbox")
    assert headers["ce_correlationid"] == str(cause.correlation_id)


async def test_another_version_is_checked_against_both_neighbours(smoothing: Smoothing, pool: PlayedPool) -> None:
    one, two, three = [await smoothing.segment(position=p, sequence=p) for p in (1, 2, 3)]
    await smoothing.work()
    assert await checked(smoothing) == [(one.segment_id, two.segment_id), (two.segment_id, three.segment_id)]
    again = await smoothing.segment(position=2, version=2, sequence=4)
    await smoothing.work()
    assert await checked(smoothing) == [(one.segment_id, again.segment_id), (again.segment_id, three.segment_id)]
    assert len(pool.asked) == 4


async def test_versions_that_meet_again_are_said_again_and_not_measured_again(
    smoothing: Smoothing, pool: PlayedPool
) -> None:
    one, old = [await smoothing.segment(position=p, sequence=p) for p in (1, 2)]
    await smoothing.segment(position=2, version=2, sequence=3)
    await smoothing.work()
    await smoothing.said()
    await smoothing.deliver(activated(old, 4, reason="reverted"))
    asked = len(pool.asked)
    await smoothing.work()
    assert await checked(smoothing) == [(one.segment_id, old.segment_id)]
    assert len(pool.asked) == asked + 1, "it was never measured, as it was replaced at once"
    await smoothing.deliver(activated(old, 5, reason="reverted"))
    await smoothing.work()
    [again] = await smoothing.said()
    assert again.sequence == 2
    assert len(pool.asked) == asked + 1


async def test_pairs_that_meet_no_more_are_not_waited_for(smoothing: Smoothing, pool: PlayedPool) -> None:
    await smoothing.segment(position=1, sequence=1)
    for version in (1, 2, 3):
        last = await smoothing.segment(position=2, version=version, sequence=1 + version)
    found = (await smoothing.reads.boundaries(domain.SegmentId(last.segment_id))).before
    assert found is not None and found.meeting is not None
    assert (found.meeting.check.ahead, await smoothing.checks.count_open()) == (0, 1)
    await smoothing.work()
    assert (len(pool.asked), await smoothing.checks.count_open()) == (1, 0)


async def test_the_same_two_clips_are_measured_once_in_two_scenes(smoothing: Smoothing, pool: PlayedPool) -> None:
    for scene_id in (50, 51):
        for position in (1, 2):
            await smoothing.segment(scene_id=scene_id, position=position, sequence=position, clip=f"clip {position}")
    await smoothing.work()
    assert len(pool.asked) == 1
    assert [event.key for event in await smoothing.said()] == ["50", "51"]


async def test_an_event_twice_is_one_check(smoothing: Smoothing) -> None:
    await smoothing.segment(position=1, sequence=1)
    second = await smoothing.segment(position=2)
    activation = activated(second, 2)
    cause = delivered(activation)
    await smoothing.deliver(activation, cause=cause)
    with pytest.raises(AlreadyHandled):
        await smoothing.deliver(activation, cause=cause)
    await smoothing.work()
    await smoothing.deliver(activation, second)
    await smoothing.work()
    assert len(await smoothing.said()) == 1


async def test_an_older_activation_that_comes_late_changes_nothing(smoothing: Smoothing, pool: PlayedPool) -> None:
    one = await smoothing.segment(position=1, sequence=1)
    old, new = await smoothing.segment(position=2), await smoothing.segment(position=2, version=2)
    await smoothing.deliver(activated(new, 3), activated(old, 2))
    await smoothing.work()
    assert await checked(smoothing) == [(one.segment_id, new.segment_id)]
    assert len(pool.asked) == 1


async def test_an_activation_before_its_segment_waits_for_it(smoothing: Smoothing) -> None:
    event = generated()
    with pytest.raises(NotYetKnown) as waiting:
        await smoothing.deliver(activated(event, 1))
    assert waiting.value.fact in event.establishes()


@pytest.mark.parametrize("purpose", ["baseline", "regression", "rollback_proof", "test_shot"])
async def test_what_nobody_watches_as_a_scene_has_no_seams(purpose: str, smoothing: Smoothing) -> None:
    for position in (1, 2):
        await smoothing.segment(position=position, purpose=purpose, sequence=position)
    assert [await smoothing.count(table) for table in ("segments", "positions", "seams")] == [2, 0, 0]


async def test_a_pair_that_was_replaced_while_it_was_measured_is_kept_and_not_said(
    smoothing: Smoothing, pool: PlayedPool
) -> None:
    one, old = [await smoothing.segment(position=p, sequence=p) for p in (1, 2)]
    job = await smoothing.checking.claim()
    assert job is not None
    new = await smoothing.segment(position=2, version=2, sequence=3)
    await smoothing.checking.finish(job, RED, measure_seconds=1)
    await smoothing.work()
    assert await checked(smoothing) == [(one.segment_id, new.segment_id)]
    kept = await smoothing.reads.boundaries(domain.SegmentId(old.segment_id))
    assert kept.before is not None and kept.before.meeting is not None
    assert kept.before.meeting.check.seam == RED
    assert not kept.is_current and not kept.is_pending


class TestAChainThatStartsOver:
    """As when a test shot is promoted to a scene: everything after it is rendered anew."""

    async def promoted(self, smoothing: Smoothing, sequence: int) -> SegmentGenerated:
        shot = await smoothing.segment(position=1, version=2)
        await smoothing.deliver(activated(shot, sequence, reason="generated"))
        return shot

    async def test_what_was_after_it_meets_it_no_more(self, smoothing: Smoothing, pool: PlayedPool) -> None:
        old = [await smoothing.segment(position=p, sequence=p) for p in (1, 2, 3)]
        await smoothing.work()
        await smoothing.said()
        shot = await self.promoted(smoothing, 4)
        await smoothing.work()
        assert await checked(smoothing) == []
        found = await smoothing.reads.boundaries(domain.SegmentId(shot.segment_id))
        assert found.after is not None and found.after.meeting is None
        assert not (await smoothing.reads.boundaries(domain.SegmentId(old[1].segment_id))).is_current
        again = await smoothing.segment(position=2, version=2, sequence=5)
        await smoothing.work()
        assert await checked(smoothing) == [(shot.segment_id, again.segment_id)]

    async def test_what_came_later_and_was_heard_of_before_it_stays(self, smoothing: Smoothing) -> None:
        later = await smoothing.segment(position=2, version=2, sequence=5)
        shot = await self.promoted(smoothing, 4)
        await smoothing.work()
        assert await checked(smoothing) == [(shot.segment_id, later.segment_id)]

    async def test_what_was_before_and_is_heard_of_late_does_not_come_back(self, smoothing: Smoothing) -> None:
        old = await smoothing.segment(position=2)
        await self.promoted(smoothing, 4)
        await smoothing.deliver(activated(old, 2))
        await smoothing.work()
        assert await checked(smoothing) == []


async def test_neighbours_that_become_current_at_the_same_moment_meet(smoothing: Smoothing) -> None:
    segments = [await smoothing.segment(position=p, segment_count=8) for p in range(1, 9)]
    await asyncio.gather(*(smoothing.database.fetchval("SELECT 1") for _ in segments))  # a connection for each
    await asyncio.gather(
        *(smoothing.deliver(activated(segment, n, reason="regenerated")) for n, segment in enumerate(segments, 1))
    )
    await smoothing.work()
    ids = [segment.segment_id for segment in segments]
    assert sorted(await checked(smoothing)) == list(pairwise(ids))


async def test_a_clip_that_is_not_stored_is_not_measurable_with_the_reason(
    smoothing: Smoothing, pool: PlayedPool
) -> None:
    first, second = generated(position=1), generated(position=2)
    await smoothing.deliver(first, second, activated(first, 1), activated(second, 2))
    await smoothing.work()
    [said] = await smoothing.said()
    assert isinstance(said, BoundaryChecked)
    assert (said.status, said.not_measurable) == ("not_measurable", "the earlier clip is not stored")
    assert (said.reading, said.verdict, said.recommendation) == (None, None, None)
    assert pool.asked == []


async def test_a_clip_that_kills_the_decoder_costs_three_attempts_and_one_seam(
    smoothing: Smoothing, pool: PlayedPool
) -> None:
    def crash(request: CheckRequest) -> domain.Seam:
        if len(pool.asked) <= 3:
            raise BrokeOffError("the measuring process died (signal 11)")
        return GREEN

    pool.answer = crash
    for position in (1, 2, 3):
        await smoothing.segment(position=position, sequence=position)
    await smoothing.work()
    bad, good = await smoothing.said()
    assert isinstance(bad, BoundaryChecked) and isinstance(good, BoundaryChecked)
    assert bad.not_measurable == "it broke off 3 times: the measuring process died (signal 11)"
    assert good.verdict == "green"


async def test_a_store_that_is_away_costs_no_attempt(smoothing: Smoothing, pool: PlayedPool) -> None:
    def away(request: CheckRequest) -> domain.Seam:
        raise TransientError("the media store is away")

    for position in (1, 2):
        await smoothing.segment(position=position, sequence=position)
    pool.answer = away
    for _ in range(5):
        with pytest.raises(TransientError):
            await smoothing.worker.step()
    pool.answer = lambda request: GREEN
    await smoothing.work()
    assert len(await checked(smoothing)) == 1


async def test_a_worker_that_was_killed_loses_its_lease_and_its_late_answer(
    smoothing: Smoothing, pool: PlayedPool
) -> None:
    for position in (1, 2):
        await smoothing.segment(position=position, sequence=position)
    dead = await smoothing.checking.claim()
    assert dead is not None
    assert await smoothing.checking.claim() is None, "on lease"
    await smoothing.database.pool.execute("UPDATE boundary_checks SET leased_until = now() - interval '1 second'")
    await smoothing.work()
    assert await smoothing.checking.extend(dead) is False
    await smoothing.checking.finish(dead, RED, measure_seconds=9)
    await smoothing.work()
    [said] = await smoothing.said()
    assert isinstance(said, BoundaryChecked) and said.verdict == "green"
    kept = (await smoothing.reads.boundaries(domain.SegmentId(said.next.segment_id))).before
    assert kept is not None and kept.meeting is not None and kept.meeting.check.seam == GREEN


async def test_many_lost_leases_end_in_an_answer_too(smoothing: Smoothing, pool: PlayedPool) -> None:
    for position in (1, 2):
        await smoothing.segment(position=position, sequence=position)
    await smoothing.database.pool.execute("UPDATE boundary_checks SET claims = $1", domain.MOST_CLAIMS)
    await smoothing.work()
    [said] = await smoothing.said()
    assert isinstance(said, BoundaryChecked)
    assert said.not_measurable == f"it was begun {domain.MOST_CLAIMS} times and never ended"
    assert pool.asked == []


DELETIONS = {
    "project": ProjectDeleted(project_id=ProjectId(1)),
    "character": CharacterDeleted(character_id=CharacterId(2), project_id=ProjectId(1)),
    "scene_type": SceneTypeDeleted(scene_type_id=SceneTypeId(3), project_id=ProjectId(1)),
    "scene": SceneDeleted(scene_id=SceneId(50)),
}


@pytest.mark.parametrize("kind", DELETIONS)
class TestDeletion:
    async def test_seams_and_queued_work_go_with_it(self, kind: str, smoothing: Smoothing) -> None:
        other = {"scene_id": 56, "project_id": 91, "character_id": 92, "scene_type_id": 93}
        for position in (1, 2, 3):
            await smoothing.segment(position=position, sequence=position)
            await smoothing.segment(position=position, sequence=position, **other)
        await smoothing.deliver(DELETIONS[kind])
        tables = ("segments", "positions", "seams", "boundary_checks")
        assert [await smoothing.count(table) for table in tables] == [3, 3, 2, 2]
        await smoothing.work()
        assert [event.key for event in await smoothing.said()] == ["56", "56"]

    async def test_twice_is_harmless_and_what_comes_late_does_not_come_back(
        self, kind: str, smoothing: Smoothing
    ) -> None:
        await smoothing.deliver(DELETIONS[kind], DELETIONS[kind])
        await smoothing.segment(position=1)
        assert await smoothing.count("segments") == 0

    async def test_an_answer_that_comes_after_it_is_dropped(self, kind: str, smoothing: Smoothing) -> None:
        for position in (1, 2):
            await smoothing.segment(position=position, sequence=position)
        job = await smoothing.checking.claim()
        assert job is not None
        await smoothing.deliver(DELETIONS[kind])
        await smoothing.checking.finish(job, GREEN, measure_seconds=1)
        await smoothing.work()
        assert await smoothing.said() == []


async def test_a_scene_that_is_deleted_at_the_moment_of_an_activation_is_deleted(
    smoothing: Smoothing, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = smoothing.segments.find
    await smoothing.segment(position=1, sequence=1)
    second = await smoothing.segment(position=2)

    async def found_and_deleted(*known: Any, **more: Any) -> domain.Segment | None:
        found = await find(*known, **more)
        await smoothing.deliver(SceneDeleted(scene_id=SceneId(50)))
        return found

    monkeypatch.setattr(smoothing.segments, "find", found_and_deleted)
    await smoothing.deliver(activated(second, 2))
    assert [await smoothing.count(table) for table in ("segments", "positions", "seams")] == [0, 0, 0]


async def test_an_activation_in_a_deleted_scene_does_not_wait_for_ever(smoothing: Smoothing) -> None:
    await smoothing.deliver(SceneDeleted(scene_id=SceneId(50)))
    await smoothing.deliver(activated(generated(), 1))


async def test_claiming_and_announcing_use_their_indexes_on_a_long_history(smoothing: Smoothing) -> None:
    await smoothing.segment(position=1, sequence=1)
    pool = smoothing.database.pool
    await pool.execute(
        """
        INSERT INTO boundary_checks (previous_clip_sha256, next_clip_sha256, state, seam, measure_seconds, measured_at)
        SELECT lpad(to_hex(n), 64, '0'), lpad('1', 64, '0'), 'measured', '{}', 1, now()
        FROM generate_series(1, 5000) AS n
        """
    )
    await pool.execute("ANALYZE boundary_checks")
    plan = await smoothing.database.fetch(
        "EXPLAIN SELECT id FROM boundary_checks WHERE state IN ('waiting', 'measuring') ORDER BY id LIMIT 1"
    )
    assert "idx_boundary_checks_open" in "\n".join(row[0] for row in plan)


async def test_every_table_with_updated_at_has_its_trigger(smoothing: Smoothing) -> None:
    missing = await smoothing.database.fetch(
        """
        SELECT c.table_name FROM information_schema.columns AS c
        WHERE c.table_schema = 'smoothing' AND c.column_name = 'updated_at'
          AND NOT EXISTS (
              SELECT FROM information_schema.triggers AS t
              WHERE t.event_object_schema = 'smoothing' AND t.event_object_table = c.table_name
                AND t.trigger_name = 'set_updated_at'
          )
        """
    )
    assert missing == []
