"""From a wish to a repair that is current, rejected or undone; through duplicates, reordering and crashes."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.smoothing import domain
from services.smoothing.workers.messages import Repaired, RepairRequest, tell_progress
from shared.cause import Cause
from shared.contracts.base import Event
from shared.contracts.boundary import BoundaryChecked, BoundaryRepairRejected, BoundarySmoothed
from shared.contracts.scene import SceneDeleted
from shared.contracts.segment import SegmentGenerated
from shared.contracts.types import SceneId
from shared.errors import AlreadyHandled, TransientError
from shared.postgres import Transaction
from shared.processes import BrokeOffError
from tests.support.events import delivered
from tests.support.smoothing import RED, REFUSED, PlayedPool, PlayedRepairs, Smoothing, activated, generated, made

Scene = tuple[SegmentGenerated, SegmentGenerated, SegmentGenerated]


@pytest.fixture
async def scene(smoothing: Smoothing, pool: PlayedPool) -> Scene:
    """Three segments, with red seams that are measured and said."""
    pool.answer = lambda request: RED
    one, two, three = [await smoothing.segment(position=p, sequence=p) for p in (1, 2, 3)]
    await smoothing.work()
    await smoothing.said()
    return one, two, three


def ada() -> Cause:
    return Cause.begin("ada")


async def asked(
    smoothing: Smoothing,
    segment: SegmentGenerated,
    *,
    side: domain.Side = domain.Side.BEFORE,
    method: domain.Method = domain.Method.FRAME_BLENDING,
    frames: int | None = None,
    overwrite: tuple[int, ...] = (),
) -> UUID:
    wish = domain.Wish(
        segment_id=domain.SegmentId(segment.segment_id), side=side, method=method, frames=frames, overwrite=overwrite
    )
    return await smoothing.repairing.request(ada(), wish)


async def state(smoothing: Smoothing, repair_id: UUID) -> domain.RepairState:
    return (await smoothing.reads.repair(repair_id)).state


def refusal(repair_id: UUID, by: str = "dispatch") -> BoundaryRepairRejected:
    return BoundaryRepairRejected.model_validate(
        {
            "repair_id": repair_id,
            "scene_id": 50,
            "rejected_by": by,
            "reasons": ["segment 2, flicker: pass (0.1) before, fail (0.9) after"],
            "rejected_at": datetime(2026, 1, 1, tzinfo=UTC),
        }
    )


async def candidate(smoothing: Smoothing, of: SegmentGenerated, repair_id: UUID) -> SegmentGenerated:
    """What dispatch makes of a proposal: a version that is not current yet."""
    return await smoothing.segment(position=of.position, version=of.version + 1, repair_id=str(repair_id))


async def test_nothing_is_repaired_unasked(smoothing: Smoothing, scene: Scene, repair_pool: PlayedRepairs) -> None:
    await smoothing.work()
    assert repair_pool.asked == []
    assert await smoothing.count("boundary_repairs") == 0


async def test_a_repair_is_made_stored_and_proposed(
    smoothing: Smoothing, scene: Scene, repair_pool: PlayedRepairs
) -> None:
    one, two, _ = scene
    repair_id = await asked(smoothing, two, method=domain.Method.RE_EXTRACTION, frames=5, overwrite=(two.segment_id,))
    assert await state(smoothing, repair_id) is domain.RepairState.QUEUED
    repair_pool.answer = lambda request: made(request, "previous", "next")
    await smoothing.work()
    assert await state(smoothing, repair_id) is domain.RepairState.PROPOSED
    [request] = repair_pool.asked
    assert (request.method, request.frames) == (domain.Method.RE_EXTRACTION, 5)
    assert not request.out.exists(), "nothing is left behind"
    [said] = await smoothing.said()
    assert isinstance(said, BoundarySmoothed)
    assert (said.repair_id, said.key, said.method) == (repair_id, "50", "re_extraction")
    assert (said.previous.segment_id, said.next.segment_id) == (one.segment_id, two.segment_id)
    assert (said.requested_by, said.overwrite) == ("ada", (two.segment_id,))
    assert (said.before.ssim, said.after.ssim) == (0.6, 0.97)
    first, second = said.clips
    assert (first.segment_id, first.based_on_clip_sha256) == (one.segment_id, one.clip.sha256)
    assert (first.dropped_at_end, second.dropped_at_start) == (2, 2)
    for clip in said.clips:
        assert await smoothing.media.size(clip.clip.sha256) == clip.clip.size_bytes
        assert (await smoothing.media.get(clip.last_frame_sha256, verify=True)).startswith(b"last frame")


async def test_how_far_the_making_is_can_be_seen_while_it_lasts(
    smoothing: Smoothing, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    repair_id = await asked(smoothing, scene[1])
    seen: list[domain.Progress | None] = []

    async def until_it_is_seen(repairs: PlayedRepairs, request: RepairRequest) -> Repaired:
        seen.append((await smoothing.reads.repair(repair_id)).progress)
        tell_progress(request.out, 5, 24)
        async with asyncio.timeout(180):
            while (now := (await smoothing.reads.repair(repair_id)).progress) is None:
                await asyncio.sleep(0.01)
        seen.append(now)
        return made(request, "next")

    monkeypatch.setattr(PlayedRepairs, "ask", until_it_is_seen)
    await smoothing.work()
    proposed = await smoothing.reads.repair(repair_id)
    assert seen == [None, domain.Progress(done=5, total=24)]
    assert (proposed.state, proposed.progress) == (domain.RepairState.PROPOSED, None)


async def test_another_attempt_begins_to_count_again(smoothing: Smoothing, scene: Scene) -> None:
    repair_id = await asked(smoothing, scene[1])
    first = await smoothing.repairing.claim()
    assert first is not None
    assert await smoothing.repairing.progressed(first, domain.Progress(done=20, total=24))
    await smoothing.repairing.give_back(first)
    assert (await smoothing.reads.repair(repair_id)).progress is None, "it is queued"
    assert await smoothing.repairing.claim() is not None
    assert (await smoothing.reads.repair(repair_id)).progress is None, "nothing is encoded yet"
    assert not await smoothing.repairing.progressed(first, domain.Progress(done=21, total=24)), "the lease is another's"


async def test_a_proposal_that_becomes_current_is_current_and_its_seams_are_measured(
    smoothing: Smoothing, scene: Scene
) -> None:
    one, two, three = scene
    repair_id = await asked(smoothing, two)
    await smoothing.work()
    repaired = await candidate(smoothing, two, repair_id)
    assert await state(smoothing, repair_id) is domain.RepairState.PROPOSED
    await smoothing.said()
    await smoothing.deliver(activated(repaired, 4, reason="repaired", repair_id=str(repair_id)))
    await smoothing.work()
    assert await state(smoothing, repair_id) is domain.RepairState.CURRENT
    pairs = [
        (e.previous.segment_id, e.next.segment_id) for e in await smoothing.said() if isinstance(e, BoundaryChecked)
    ]
    assert pairs == [(one.segment_id, repaired.segment_id), (repaired.segment_id, three.segment_id)]


async def test_a_repair_of_two_clips_is_current_when_both_are(
    smoothing: Smoothing, scene: Scene, repair_pool: PlayedRepairs
) -> None:
    one, two, _ = scene
    repair_pool.answer = lambda request: made(request, "previous", "next")
    repair_id = await asked(smoothing, two)
    await smoothing.work()
    clips = [await candidate(smoothing, segment, repair_id) for segment in (one, two)]
    await smoothing.deliver(activated(clips[0], 4, reason="repaired"))
    assert await state(smoothing, repair_id) is domain.RepairState.PROPOSED
    await smoothing.deliver(activated(clips[1], 4, reason="repaired"))
    assert await state(smoothing, repair_id) is domain.RepairState.CURRENT


@pytest.mark.parametrize("said_with_it", [True, False], ids=["undo", "revert"])
async def test_the_old_version_back_is_a_repair_undone(said_with_it: bool, smoothing: Smoothing, scene: Scene) -> None:
    _, two, _ = scene
    repair_id = await asked(smoothing, two)
    await smoothing.work()
    repaired = await candidate(smoothing, two, repair_id)
    await smoothing.deliver(activated(repaired, 4, reason="repaired"))
    extra = {"repair_id": str(repair_id)} if said_with_it else {}
    await smoothing.deliver(activated(two, 5, reason="reverted", **extra))
    assert await state(smoothing, repair_id) is domain.RepairState.UNDONE


async def test_an_undo_that_is_heard_of_before_the_repair_leaves_it_proposed_and_not_current(
    smoothing: Smoothing, scene: Scene
) -> None:
    _, two, _ = scene
    repair_id = await asked(smoothing, two)
    await smoothing.work()
    repaired = await candidate(smoothing, two, repair_id)
    await smoothing.deliver(activated(two, 5, reason="reverted"), activated(repaired, 4, reason="repaired"))
    assert await state(smoothing, repair_id) is domain.RepairState.PROPOSED


async def test_a_repair_that_is_no_improvement_is_rejected_with_its_numbers(
    smoothing: Smoothing, scene: Scene, repair_pool: PlayedRepairs
) -> None:
    repair_pool.answer = lambda request: REFUSED
    repair_id = await asked(smoothing, scene[1])
    await smoothing.work()
    [said] = await smoothing.said()
    assert isinstance(said, BoundaryRepairRejected)
    assert (said.repair_id, said.rejected_by, said.reasons) == (repair_id, "smoothing", REFUSED.reasons)
    assert said.before is not None and said.before.ssim == 0.6
    assert said.after is not None
    repair = await smoothing.reads.repair(repair_id)
    assert (repair.state, repair.rejected_by) == (domain.RepairState.REJECTED, "smoothing")
    await asked(smoothing, scene[1])


async def test_what_was_replaced_while_it_was_made_is_rejected_and_never_proposed(
    smoothing: Smoothing, scene: Scene
) -> None:
    repair_id = await asked(smoothing, scene[1])
    job = await smoothing.repairing.claim()
    assert job is not None
    await smoothing.segment(position=1, version=2, sequence=4)
    clips = (
        domain.clip_of(
            {
                "segment_id": scene[1].segment_id, "position": 2, "based_on_clip_sha256": scene[1].clip.sha256,
                "file": scene[1].clip.model_dump(), "last_frame_sha256": scene[1].last_frame_sha256,
                "changed_frames": 8, "dropped_at_start": 0, "dropped_at_end": 0,
            }
        ),
    )  # fmt: skip
    numbers = domain.numbers_of(RED)
    await smoothing.repairing.finish(job, domain.Made(before=numbers, after=numbers, clips=clips), make_seconds=1)
    [said] = await smoothing.said()
    assert isinstance(said, BoundaryRepairRejected)
    assert "do not meet any more" in said.reasons[0]
    assert await state(smoothing, repair_id) is domain.RepairState.REJECTED


async def test_what_was_replaced_while_it_was_queued_is_not_even_made(
    smoothing: Smoothing, scene: Scene, repair_pool: PlayedRepairs
) -> None:
    repair_id = await asked(smoothing, scene[1])
    await smoothing.segment(position=2, version=2, sequence=4)
    await smoothing.work()
    assert await state(smoothing, repair_id) is domain.RepairState.REJECTED
    assert repair_pool.asked == []


class TestDispatchRefuses:
    async def test_its_reasons_are_kept(self, smoothing: Smoothing, scene: Scene) -> None:
        repair_id = await asked(smoothing, scene[1])
        await smoothing.work()
        await smoothing.said()
        await smoothing.deliver(refusal(repair_id))
        repair = await smoothing.reads.repair(repair_id)
        assert (repair.state, repair.rejected_by) == (domain.RepairState.REJECTED, "dispatch")
        assert repair.made.reasons == ("segment 2, flicker: pass (0.1) before, fail (0.9) after",)
        assert repair.made.before is not None and repair.made.before.ssim == 0.6
        assert await smoothing.said() == [], "it was said already"

    async def test_twice_is_once(self, smoothing: Smoothing, scene: Scene) -> None:
        repair_id = await asked(smoothing, scene[1])
        await smoothing.work()
        event = refusal(repair_id)
        cause = delivered(event)
        await smoothing.deliver(event, cause=cause)
        with pytest.raises(AlreadyHandled):
            await smoothing.deliver(event, cause=cause)
        await smoothing.deliver(refusal(repair_id))
        assert await state(smoothing, repair_id) is domain.RepairState.REJECTED

    async def test_our_own_rejections_unknown_repairs_and_current_ones_change_nothing(
        self, smoothing: Smoothing, scene: Scene
    ) -> None:
        repair_id = await asked(smoothing, scene[1])
        await smoothing.work()
        await smoothing.deliver(refusal(repair_id, by="smoothing"), refusal(UUID(int=77)))
        assert await state(smoothing, repair_id) is domain.RepairState.PROPOSED
        repaired = await candidate(smoothing, scene[1], repair_id)
        await smoothing.deliver(activated(repaired, 4, reason="repaired"), refusal(repair_id))
        assert await state(smoothing, repair_id) is domain.RepairState.CURRENT


class TestDeadline:
    async def expired(self, smoothing: Smoothing, repair_id: UUID) -> list[Event]:
        await smoothing.said()
        assert await smoothing.repairing.expire_one() is False
        await smoothing.database.pool.execute(
            "UPDATE boundary_repairs SET deadline_at = now() - interval '1 second' WHERE id = $1", repair_id
        )
        assert await smoothing.repairing.expire_one() is True
        assert await smoothing.repairing.expire_one() is False
        return await smoothing.said()

    async def test_a_proposal_that_nobody_decides_on_is_given_up(self, smoothing: Smoothing, scene: Scene) -> None:
        repair_id = await asked(smoothing, scene[1])
        await smoothing.work()
        [said] = await self.expired(smoothing, repair_id)
        assert isinstance(said, BoundaryRepairRejected)
        assert said.reasons == ("nobody has decided on it within 60 s",)
        assert said.after is not None and said.after.ssim == 0.97
        assert await state(smoothing, repair_id) is domain.RepairState.REJECTED

    async def test_one_that_becomes_current_after_all_is_current(self, smoothing: Smoothing, scene: Scene) -> None:
        repair_id = await asked(smoothing, scene[1])
        await smoothing.work()
        await self.expired(smoothing, repair_id)
        repaired = await candidate(smoothing, scene[1], repair_id)
        await smoothing.deliver(activated(repaired, 4, reason="repaired"))
        repair = await smoothing.reads.repair(repair_id)
        assert (repair.state, repair.made.reasons) == (domain.RepairState.CURRENT, ())


class TestCrashes:
    async def test_a_clip_that_kills_the_decoder_costs_three_attempts(
        self, smoothing: Smoothing, scene: Scene, repair_pool: PlayedRepairs
    ) -> None:
        def crash(request: RepairRequest) -> Repaired:
            raise BrokeOffError("the repairing process died (signal 9)")

        repair_pool.answer = crash
        await asked(smoothing, scene[1])
        await smoothing.work()
        [said] = await smoothing.said()
        assert isinstance(said, BoundaryRepairRejected)
        assert said.reasons == ("it broke off 3 times: the repairing process died (signal 9)",)
        assert len(repair_pool.asked) == 3

    async def test_a_store_that_is_away_costs_no_attempt(
        self, smoothing: Smoothing, scene: Scene, repair_pool: PlayedRepairs
    ) -> None:
        def away(request: RepairRequest) -> Repaired:
            raise TransientError("the media store is away")

        repair_pool.answer = away
        repair_id = await asked(smoothing, scene[1])
        for _ in range(5):
            with pytest.raises(TransientError):
                await smoothing.proposer.step()
        repair_pool.answer = lambda request: made(request, "next")
        await smoothing.work()
        assert await state(smoothing, repair_id) is domain.RepairState.PROPOSED

    async def test_a_worker_that_was_killed_loses_its_lease_and_its_late_answer(
        self, smoothing: Smoothing, scene: Scene, repair_pool: PlayedRepairs
    ) -> None:
        repair_id = await asked(smoothing, scene[1])
        dead = await smoothing.repairing.claim()
        assert dead is not None
        assert await smoothing.repairing.claim() is None, "on lease"
        await smoothing.database.pool.execute("UPDATE boundary_repairs SET leased_until = now() - interval '1 second'")
        await smoothing.work()
        assert await smoothing.repairing.extend(dead) is False
        await smoothing.repairing.finish(dead, domain.Made(reasons=("late",)), make_seconds=9)
        assert await state(smoothing, repair_id) is domain.RepairState.PROPOSED
        assert [type(event) for event in await smoothing.said()] == [BoundarySmoothed]

    async def test_clips_that_are_not_stored_reject_it(self, smoothing: Smoothing, pool: PlayedPool) -> None:
        pool.answer = lambda request: RED
        one, two = [await smoothing.segment(position=p, sequence=p) for p in (1, 2)]
        await smoothing.work()
        await smoothing.said()
        await asked(smoothing, two)
        # As if somebody had cleared the store.
        await smoothing.database.pool.execute(
            "UPDATE segments SET clip_sha256 = $1 WHERE id = $2", "0" * 64, one.segment_id
        )
        await smoothing.work()
        [said] = await smoothing.said()
        assert isinstance(said, BoundaryRepairRejected)
        assert said.reasons == ("the earlier clip is not stored",)


async def test_only_one_repair_of_a_seam_at_a_time(smoothing: Smoothing, scene: Scene) -> None:
    first = await asked(smoothing, scene[1])
    with pytest.raises(domain.Conflict, match=str(first)):
        await asked(smoothing, scene[0], side=domain.Side.AFTER)
    await asked(smoothing, scene[1], side=domain.Side.AFTER)
    await smoothing.repairing.cancel(ada(), first)
    await asked(smoothing, scene[0], side=domain.Side.AFTER)


WAITING = """
    SELECT EXISTS (
        SELECT FROM pg_locks JOIN pg_database AS d ON d.oid = pg_locks.database
        WHERE NOT granted AND d.datname = current_database()
    )
"""


async def test_of_two_wishes_at_the_same_moment_one_is_granted(
    smoothing: Smoothing, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, _ = scene
    open_of, looks, others = smoothing.repairs.open_of, [], []

    async def look(tx: Transaction, seam_id: domain.SeamId) -> UUID | None:
        """Between looking and writing the first one lets a second one come as far as it may."""
        found = await open_of(tx, seam_id)
        looks.append(found)
        if len(looks) == 1:
            others.append(asyncio.create_task(asked(smoothing, one, side=domain.Side.AFTER)))
            while len(looks) < 2 and not await smoothing.database.fetchval(WAITING):
                pass
        return found

    monkeypatch.setattr(smoothing.repairs, "open_of", look)
    granted = await asked(smoothing, two)
    with pytest.raises(domain.Conflict, match=str(granted)):
        await others[0]


async def test_a_queued_repair_can_be_cancelled_and_a_made_one_cannot(
    smoothing: Smoothing, scene: Scene, repair_pool: PlayedRepairs
) -> None:
    first = await asked(smoothing, scene[1])
    for _ in range(2):
        await smoothing.repairing.cancel(ada(), first)
    await smoothing.work()
    assert (await state(smoothing, first), repair_pool.asked) == (domain.RepairState.CANCELLED, [])
    second = await asked(smoothing, scene[1])
    await smoothing.work()
    with pytest.raises(domain.Conflict, match="is proposed"):
        await smoothing.repairing.cancel(ada(), second)


async def test_accepting_keeps_the_numbers_and_says_who_did(smoothing: Smoothing, scene: Scene) -> None:
    _, two, _ = scene
    await smoothing.repairing.accept(ada(), domain.SegmentId(two.segment_id), domain.Side.BEFORE)
    [said] = await smoothing.said()
    assert isinstance(said, BoundaryChecked)
    assert (said.accepted_by, said.verdict, said.sequence) == ("ada", "red", 2)
    assert said.reading is not None and said.reading.ssim == 0.6
    await smoothing.segment(position=2, version=2, sequence=4)
    await smoothing.work()
    assert [event.accepted_by for event in await smoothing.said() if isinstance(event, BoundaryChecked)] == [None, None]


async def test_what_was_repaired_and_undone_can_be_accepted_as_it_is(smoothing: Smoothing, scene: Scene) -> None:
    _, two, _ = scene
    repair_id = await asked(smoothing, two)
    await smoothing.work()
    repaired = await candidate(smoothing, two, repair_id)
    await smoothing.deliver(activated(repaired, 4), activated(two, 5))
    assert await state(smoothing, repair_id) is domain.RepairState.UNDONE
    await smoothing.work()
    await smoothing.said()
    await smoothing.repairing.accept(ada(), domain.SegmentId(two.segment_id), domain.Side.BEFORE)
    [said] = await smoothing.said()
    assert isinstance(said, BoundaryChecked) and said.reading is not None
    assert (said.accepted_by, said.next.segment_id, said.reading.ssim) == ("ada", two.segment_id, 0.6)


async def test_a_repair_goes_with_its_scene(smoothing: Smoothing, scene: Scene) -> None:
    repair_id = await asked(smoothing, scene[1])
    job = await smoothing.repairing.claim()
    assert job is not None
    await smoothing.deliver(SceneDeleted(scene_id=SceneId(50)))
    await smoothing.repairing.finish(job, domain.Made(reasons=("late",)), make_seconds=1)
    await smoothing.deliver(refusal(repair_id))
    assert await smoothing.count("boundary_repairs") == 0
    assert await smoothing.said() == []


async def test_an_activation_of_something_unrelated_changes_no_repair(smoothing: Smoothing, scene: Scene) -> None:
    repair_id = await asked(smoothing, scene[1])
    await smoothing.work()
    third = generated(position=3, version=2)
    await smoothing.deliver(third, activated(third, 4))
    assert await state(smoothing, repair_id) is domain.RepairState.PROPOSED
