"""A repaired clip is a candidate until it is scored, and current only if no gate got worse; and it can be undone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from PIL import Image

from services.dispatch.domain.errors import Conflict, NotFound
from services.dispatch.domain.scenes import PassingVerdict, ScoreGate, Segment, SegmentState
from services.dispatch.operations.scenes import NewScene
from shared.cause import Cause
from shared.contracts.boundary import BoundarySmoothed
from shared.contracts.segment import ReviewDecision
from shared.media import MediaStore
from tests.support.boundaries import repaired, smoothed
from tests.support.dispatch import (
    CHARACTER,
    SCENE_TYPE,
    WORKFLOW,
    Dispatch,
    FakeRenderServer,
    generation_requested,
    said,
    score,
)

WISH = NewScene(name="dawn", character_id=CHARACTER, scene_type_id=SCENE_TYPE, workflow_id=WORKFLOW, segment_count=4)


class SetClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.at

    def go_on(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def picture(seed: int) -> bytes:
    """Noise: no two of them look alike."""
    buffer = BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def dispatch(databases: Any, media: MediaStore, clock: SetClock) -> Dispatch:
    return Dispatch(await databases("dispatch"), media, [FakeRenderServer()], now=clock)


@pytest.fixture
async def chain(dispatch: Dispatch, cause: Cause) -> list[Segment]:
    """A scene of four segments, rendered and scored; each ends on the frame that the next one was rendered from."""
    await dispatch.ready()
    scene = await dispatch.scenes.create(WISH, cause)
    await dispatch.work()
    await score_all(dispatch)
    return await dispatch.store.segments_of(scene.id)


async def score_all(dispatch: Dispatch, **changes: Any) -> None:
    """Every clip that was said to be generated is scored; `changes` are of the repaired ones."""
    for event in await said(dispatch.database, "segment.generated"):
        await dispatch.hear(score(event, **(changes if event["repair_id"] else {})))


async def repair(dispatch: Dispatch, event: BoundarySmoothed, **changes: Any) -> None:
    """Heard, looked at, scored, decided."""
    await dispatch.hear(event)
    await dispatch.repairing.step()
    await score_all(dispatch, **changes)
    while await dispatch.repairing.step():
        pass


async def current(dispatch: Dispatch, chain: list[Segment]) -> list[Segment]:
    return await dispatch.store.segments_of(chain[0].scene_id)


async def versions(dispatch: Dispatch, segment: Segment) -> list[Segment]:
    return await dispatch.store.versions_of(segment.id)


async def refusal(dispatch: Dispatch, event: BoundarySmoothed) -> str:
    """Why it was refused; nothing but what was current before is current."""
    [told] = await said(dispatch.database, "boundary.repair_rejected")
    assert told["repair_id"] == str(event.repair_id) and told["rejected_by"] == "dispatch"
    assert (told["before"]["ssim"], told["after"]["ssim"]) == (0.71, 0.95)
    assert await activations(dispatch, event.repair_id) == []
    return "; ".join(told["reasons"])


async def activations(dispatch: Dispatch, repair_id: UUID) -> list[dict[str, Any]]:
    return [e for e in await said(dispatch.database, "segment.activated") if e["repair_id"] == str(repair_id)]


async def regenerate(dispatch: Dispatch, segment: Segment, cause: Cause) -> None:
    await dispatch.regenerations.regenerate(segment.id, changes={}, overwrite=frozenset(), cause=cause)


async def approve(dispatch: Dispatch, segment: Segment, cause: Cause) -> None:
    await dispatch.reviews.review(segment.id, ReviewDecision.APPROVED, "", cause)


async def test_a_repair_makes_candidates_that_are_scored_and_says_what_they_are(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore
) -> None:
    one, two, three, _ = chain
    event = smoothed(two, three, await repaired(media, two, end=1), await repaired(media, three, changed=0))
    await dispatch.hear(event)
    await dispatch.repairing.step()
    previous, following = (await said(dispatch.database, "segment.generated"))[-2:]
    assert {previous["repair_id"], following["repair_id"]} == {str(event.repair_id)}
    assert (previous["position"], previous["version"], following["position"]) == (2, 2, 3)
    assert (previous["expected"]["frames"], following["expected"]["frames"]) == (4, 5)
    assert one.clip is not None and previous["previous_clip_sha256"] == one.clip.sha256
    assert following["previous_clip_sha256"] == previous["clip"]["sha256"]
    assert previous["render_seconds"] == 0 and previous["job_id"] == two.job_id
    assert [s.id for s in await current(dispatch, chain)] == [s.id for s in chain]
    candidate = (await versions(dispatch, two))[0]
    assert candidate.is_candidate and not candidate.is_current and candidate.boundary_ssim_after is None
    assert candidate.repair == {
        "method": "frame_blending",
        "side": "after",
        "changed_frames": 8,
        "dropped_at_start": 0,
        "dropped_at_end": 1,
    }


async def test_a_repair_whose_gates_are_no_worse_becomes_current_as_a_whole(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore
) -> None:
    _, two, three, _ = chain
    event = smoothed(two, three, await repaired(media, two, last_frame=picture(1)), await repaired(media, three))
    await repair(dispatch, event)
    first, second = await activations(dispatch, event.repair_id)
    assert (first["position"], second["position"]) == (2, 3) and first["sequence"] == second["sequence"]
    assert {first["reason"], second["reason"]} == {"repaired"}
    assert (first["previous_segment_id"], second["previous_segment_id"]) == (two.id, three.id)
    now = await current(dispatch, chain)
    assert [s.version for s in now] == [1, 2, 2, 1] and not any(s.is_candidate or s.is_stale for s in now)
    assert (now[1].boundary_ssim_after, now[2].boundary_ssim_before) == (0.95, 0.95)
    assert now[1].activation is not None and now[1].activation["outcome"] == "joined"
    assert now[2].activation is not None and now[2].activation["outcome"] == "equal_bytes"
    assert await said(dispatch.database, "boundary.repair_rejected") == []


async def test_a_repair_that_ends_on_another_frame_makes_what_continues_from_it_stale(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore
) -> None:
    _, two, three, _ = chain
    await repair(dispatch, smoothed(two, three, await repaired(media, three, last_frame=picture(1))))
    assert [s.is_stale for s in await current(dispatch, chain)] == [False, False, False, True]


async def test_a_repair_of_a_broken_hand_over_makes_fresh_what_was_stale_by_it(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore
) -> None:
    _, two, three, _ = chain
    await repair(dispatch, smoothed(two, three, await repaired(media, two, last_frame=picture(1))))
    await dispatch.regenerations.revert(two.id, overwrite=frozenset(), cause=Cause.begin("grace"))
    other = smoothed(two, three, await repaired(media, three, last_frame=picture(2)))
    await repair(dispatch, other)
    assert [s.is_stale for s in await current(dispatch, chain)] == [False, False, False, True]
    _, two, three, four = await current(dispatch, chain)
    await repair(dispatch, smoothed(three, four, await repaired(media, four)))
    assert [s.is_stale for s in await current(dispatch, chain)] == [False, False, False, False]


async def test_what_joins_is_these_two_versions_and_no_others(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore, cause: Cause
) -> None:
    _, two, three, _ = chain
    event = smoothed(two, three, await repaired(media, two, last_frame=picture(1)), await repaired(media, three))
    await repair(dispatch, event)
    await dispatch.regenerations.revert(three.id, overwrite=frozenset(), cause=cause)
    assert [s.is_stale for s in await current(dispatch, chain)] == [False, False, True, True]


async def test_nothing_is_decided_before_every_candidate_is_scored(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore
) -> None:
    _, two, three, _ = chain
    event = smoothed(two, three, await repaired(media, two), await repaired(media, three))
    await dispatch.hear(event)
    await dispatch.repairing.step()
    first, second = (await said(dispatch.database, "segment.generated"))[-2:]
    await dispatch.hear(score(second))
    await dispatch.repairing.step()
    assert await activations(dispatch, event.repair_id) == []
    await dispatch.hear(score(first))
    await dispatch.repairing.step()
    assert len(await activations(dispatch, event.repair_id)) == 2


async def test_a_worse_gate_refuses_all_of_a_repair_with_its_numbers(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore, cause: Cause
) -> None:
    _, two, three, _ = chain
    event = smoothed(two, three, await repaired(media, two), await repaired(media, three))
    await dispatch.hear(event)
    await dispatch.repairing.step()
    first, second = (await said(dispatch.database, "segment.generated"))[-2:]
    await dispatch.hear(score(first))
    await dispatch.hear(score(second, verdict="warn"))
    await dispatch.repairing.step()
    assert await refusal(dispatch, event) == "segment 3, sharpness: pass (0.4) before, warn (0.12) after"
    assert [s.id for s in await current(dispatch, chain)] == [s.id for s in chain]
    for segment in (two, three):
        refused = (await versions(dispatch, segment))[0]
        assert refused.is_candidate and refused.activation is not None
        assert refused.activation["reason"].startswith("refused: segment 3, sharpness")
        with pytest.raises(Conflict, match="a repair that was not accepted"):
            await dispatch.regenerations.revert(refused.id, overwrite=frozenset(), cause=cause)


async def test_a_gate_that_cannot_be_measured_any_more_is_worse(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore
) -> None:
    _, two, three, _ = chain
    event = smoothed(two, three, await repaired(media, three))
    gone = {"metric": "sharpness", "verdict": "pass", "value": None, "limit": None, "message": "no"}
    await repair(dispatch, event, gates=[gone])
    assert await refusal(dispatch, event) == (
        "segment 3, flicker: pass (0.001) before, not measured after; "
        "segment 3, sharpness: pass (0.4) before, not measured after"
    )


async def test_a_clip_that_cannot_be_measured_is_refused(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore
) -> None:
    _, two, three, _ = chain
    event = smoothed(two, three, await repaired(media, three))
    await repair(dispatch, event, verdict="fail", status="not_measurable", not_measurable="no frames", gates=[])
    assert await refusal(dispatch, event) == "segment 3 could not be measured after the repair: no frames"


@pytest.mark.parametrize(
    ("means", "told"),
    [
        ({"metric_suite_version": "2"}, "suite 2 with appearance 1"),
        (
            {"identity_backend": {"name": "appearance", "version": "2", "is_identity": False}},
            "suite 1 with appearance 2",
        ),
    ],
    ids=["suite", "back-end"],
)
async def test_scores_of_different_means_are_not_compared_and_waited_for_until_a_deadline(
    means: dict[str, Any], told: str, dispatch: Dispatch, chain: list[Segment], media: MediaStore, clock: SetClock
) -> None:
    _, two, three, _ = chain
    event = smoothed(two, three, await repaired(media, three))
    await repair(dispatch, event, **means)
    assert await said(dispatch.database, "boundary.repair_rejected") == []
    clock.go_on(599)
    assert not await dispatch.repairing.step()
    clock.go_on(1)
    assert await dispatch.repairing.step()
    assert await refusal(dispatch, event) == (
        f"no decision in time: segment {three.id} was scored by suite 1 with appearance 1, its repaired clip by "
        f"{told}; score its clip again"
    )


async def test_a_score_of_the_original_that_comes_later_decides(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore
) -> None:
    _, two, three, _ = chain
    event = smoothed(two, three, await repaired(media, three))
    await repair(dispatch, event, metric_suite_version="2")
    [original] = [e for e in await said(dispatch.database, "segment.generated") if e["segment_id"] == three.id]
    await dispatch.hear(score(original, metric_suite_version="2", sequence=2))
    await dispatch.repairing.step()
    assert len(await activations(dispatch, event.repair_id)) == 1


async def test_a_clip_that_is_not_stored_is_refused(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore
) -> None:
    _, two, three, _ = chain
    made = await repaired(media, three)
    lost = made.model_copy(update={"clip": made.clip.model_copy(update={"sha256": "e" * 64})})
    event = smoothed(two, three, lost)
    await dispatch.hear(event)
    await dispatch.repairing.step()
    assert await refusal(dispatch, event) == f"the repaired clip {'e' * 64} is not in the media store"


async def test_an_approved_or_locked_segment_is_replaced_only_when_it_is_named(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore, cause: Cause
) -> None:
    _, two, three, _ = chain
    await approve(dispatch, three, cause)
    event = smoothed(two, three, await repaired(media, two), await repaired(media, three))
    await repair(dispatch, event)
    assert await refusal(dispatch, event) == f"segment {three.id} is approved; name it in overwrite to replace it"
    named = event.model_copy(update={"repair_id": uuid4(), "overwrite": (three.id,)})
    await repair(dispatch, named)
    assert len(await activations(dispatch, named.repair_id)) == 2


async def test_a_segment_that_is_approved_while_its_repair_is_scored_stays(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore, cause: Cause
) -> None:
    _, two, three, _ = chain
    await dispatch.regenerations.lock(three.id, cause)
    event = smoothed(two, three, await repaired(media, three), overwrite=(three.id,))
    await dispatch.hear(event)
    await dispatch.repairing.step()
    await approve(dispatch, three, cause)
    await score_all(dispatch)
    await dispatch.repairing.step()
    assert await refusal(dispatch, event) == f"segment {three.id} was locked while its repair was scored"


@pytest.mark.parametrize("changed", [1, 2])
async def test_a_side_that_is_replaced_meanwhile_refuses_the_repair_even_if_only_the_other_is_repaired(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore, cause: Cause, changed: int
) -> None:
    _, two, three, _ = chain
    event = smoothed(two, three, await repaired(media, two))
    await dispatch.hear(event)
    await dispatch.repairing.step()
    await regenerate(dispatch, chain[changed], cause)
    await dispatch.work()
    await dispatch.repairing.step()
    reason = f"segment {chain[changed].id} is not the current version of its position any more"
    assert await refusal(dispatch, event) == reason


async def test_a_segment_that_is_being_regenerated_is_not_repaired(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore, cause: Cause
) -> None:
    _, two, three, _ = chain
    await regenerate(dispatch, two, cause)
    event = smoothed(two, three, await repaired(media, three))
    await repair(dispatch, event)
    assert f"segment {two.id} is being regenerated as segment" in await refusal(dispatch, event)


async def test_of_two_repairs_that_touch_one_segment_the_second_is_refused(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore
) -> None:
    _, two, three, four = chain
    first = smoothed(two, three, await repaired(media, three))
    second = smoothed(three, four, await repaired(media, three))
    for event in (first, second):
        await dispatch.hear(event)
        await dispatch.repairing.step()
    await score_all(dispatch)
    while await dispatch.repairing.step():
        pass
    assert len(await activations(dispatch, first.repair_id)) == 1
    assert "is not the current version of its position any more" in await refusal(dispatch, second)


async def test_a_repair_and_its_scores_told_again_change_nothing(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore
) -> None:
    _, two, three, _ = chain
    event = smoothed(two, three, await repaired(media, three))
    for _ in range(2):
        await repair(dispatch, event)
    assert len(await activations(dispatch, event.repair_id)) == 1
    assert [s.version for s in await versions(dispatch, three)] == [2, 1]


async def test_a_look_that_breaks_off_is_repeated(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore, clock: SetClock
) -> None:
    _, two, three, _ = chain
    event = smoothed(two, three, await repaired(media, three))
    await dispatch.hear(event)
    assert await dispatch.repairs.take() is not None
    assert not await dispatch.repairing.step()
    clock.go_on(10)
    assert await dispatch.repairing.step()
    await score_all(dispatch)
    assert await dispatch.repairs.take() is not None
    clock.go_on(10)
    assert await dispatch.repairing.step()
    assert len(await activations(dispatch, event.repair_id)) == 1


async def test_a_repair_that_nobody_could_look_at_in_time_is_refused(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore, clock: SetClock
) -> None:
    _, two, three, _ = chain
    event = smoothed(two, three, await repaired(media, three))
    await dispatch.hear(event)
    clock.go_on(600)
    await dispatch.repairing.step()
    assert await refusal(dispatch, event) == "its clips could not be looked at in time"


async def test_a_repair_of_a_deleted_scene_is_refused_and_one_that_is_open_goes_with_its_scene(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore, cause: Cause
) -> None:
    _, two, three, _ = chain
    open_one = smoothed(two, three, await repaired(media, three))
    await dispatch.hear(open_one)
    await dispatch.repairing.step()
    await dispatch.scenes.delete(two.scene_id, cause)
    assert not await dispatch.repairing.step()
    late = smoothed(two, three, await repaired(media, three))
    await dispatch.hear(late)
    assert await refusal(dispatch, late) == "a segment of the boundary does not exist any more"


async def test_undoing_brings_back_what_was_there_at_once_and_once(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore, cause: Cause
) -> None:
    _, two, three, _ = chain
    event = smoothed(two, three, await repaired(media, two), await repaired(media, three, last_frame=picture(1)))
    await repair(dispatch, event)
    told = await dispatch.undoing.undo(event.repair_id, overwrite=frozenset(), cause=cause)
    assert [s.id for s in told.segments] == [two.id, three.id]
    assert told.activations[0].became_fresh == (4,)
    assert [(s.id, s.is_stale) for s in await current(dispatch, chain)] == [(s.id, False) for s in chain]
    said_of_it = (await activations(dispatch, event.repair_id))[2:]
    assert [(e["segment_id"], e["reason"]) for e in said_of_it] == [(two.id, "reverted"), (three.id, "reverted")]
    again = await dispatch.undoing.undo(event.repair_id, overwrite=frozenset(), cause=cause)
    assert [s.id for s in again.segments] == [two.id, three.id] and again.activations == ()
    assert len(await activations(dispatch, event.repair_id)) == 4


async def test_undoing_leaves_alone_what_was_replaced_since(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore, cause: Cause
) -> None:
    _, two, three, _ = chain
    event = smoothed(two, three, await repaired(media, two), await repaired(media, three))
    await repair(dispatch, event)
    await regenerate(dispatch, (await current(dispatch, chain))[2], cause)
    await dispatch.work()
    told = await dispatch.undoing.undo(event.repair_id, overwrite=frozenset(), cause=cause)
    assert [s.id for s in told.segments] == [two.id]
    assert [s.version for s in await current(dispatch, chain)] == [1, 1, 3, 1]


async def test_what_cannot_be_undone_says_why(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore, cause: Cause
) -> None:
    _, two, three, _ = chain
    with pytest.raises(NotFound):
        await dispatch.undoing.undo(uuid4(), overwrite=frozenset(), cause=cause)
    event = smoothed(two, three, await repaired(media, three))
    await dispatch.hear(event)
    with pytest.raises(Conflict, match="not decided yet"):
        await dispatch.undoing.undo(event.repair_id, overwrite=frozenset(), cause=cause)
    await dispatch.repairing.step()
    await score_all(dispatch)
    await dispatch.repairing.step()
    here = (await current(dispatch, chain))[2]
    await approve(dispatch, here, cause)
    with pytest.raises(Conflict, match=f"segment {here.id} is approved; name it in overwrite"):
        await dispatch.undoing.undo(event.repair_id, overwrite=frozenset(), cause=cause)
    await dispatch.regenerations.revert(three.id, overwrite=frozenset({here.id}), cause=cause)
    with pytest.raises(Conflict, match="not current any more"):
        await dispatch.undoing.undo(event.repair_id, overwrite=frozenset(), cause=cause)
    refused = smoothed(two, three, await repaired(media, three))
    await repair(dispatch, refused, verdict="fail")
    with pytest.raises(Conflict, match="refused"):
        await dispatch.undoing.undo(refused.repair_id, overwrite=frozenset(), cause=cause)


async def test_a_repaired_segment_is_regenerated_as_it_was_asked_for(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore, cause: Cause
) -> None:
    _, two, three, _ = chain
    event = smoothed(
        two, three, await repaired(media, two, last_frame=picture(1), end=1), await repaired(media, three, start=2)
    )
    await repair(dispatch, event)
    _, previous, here, _ = await current(dispatch, chain)
    await dispatch.database.pool.execute("UPDATE segments SET render_seconds = 7 WHERE id = $1", three.id)
    assert (await dispatch.regenerations.facts(here.id)).render_seconds == 7
    await regenerate(dispatch, here, cause)
    await dispatch.work()
    told = (await said(dispatch.database, "segment.generated"))[-1]
    assert previous.clip is not None and told["seed_image_sha256"] == previous.clip.last_frame_sha256
    assert told["expected"]["frames"] == 5 and told["repair_id"] is None
    assert told["previous_clip_sha256"] == previous.clip.sha256
    assert [s.version for s in await current(dispatch, chain)] == [1, 2, 3, 1]


async def test_a_second_repair_of_the_same_segment_drops_from_what_the_first_left(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore
) -> None:
    _, two, three, _ = chain
    await repair(dispatch, smoothed(two, three, await repaired(media, three, start=1)))
    _, _, here, four = await current(dispatch, chain)
    await repair(dispatch, smoothed(here, four, await repaired(media, here, end=1)))
    told = (await said(dispatch.database, "segment.generated"))[-1]
    assert told["expected"]["frames"] == 3 and told["version"] == 3


async def test_a_repair_is_no_render_in_the_usage(dispatch: Dispatch, chain: list[Segment], media: MediaStore) -> None:
    _, two, three, _ = chain
    before = await dispatch.database.fetch("SELECT * FROM usage_entries")
    await repair(dispatch, smoothed(two, three, await repaired(media, three)))
    assert await dispatch.database.fetch("SELECT * FROM usage_entries") == before


async def test_a_regeneration_saves_the_renders_that_repaired_segments_were_made_of(
    dispatch: Dispatch, chain: list[Segment], media: MediaStore, cause: Cause
) -> None:
    one, two, three, _ = chain
    await dispatch.database.pool.execute("UPDATE segments SET render_seconds = 10")
    await repair(dispatch, smoothed(two, three, await repaired(media, two, last_frame=picture(1))))
    await regenerate(dispatch, one, cause)
    await dispatch.work()
    saved = "SELECT segments, render_seconds FROM usage_entries WHERE entry = 'saved_by_regeneration'"
    assert [tuple(row) for row in await dispatch.database.fetch(saved)] == [(3, 30.0)]


async def held_scene(dispatch: Dispatch, cause: Cause, *, retries: int) -> list[Segment]:
    """A scene of three segments that waits for the score of the second one."""
    await dispatch.ready()
    gate = ScoreGate(wait_for=PassingVerdict.PASS, retries=retries)
    scene = await dispatch.scenes.create(replace(WISH, segment_count=3, score_gate=gate), cause)
    await dispatch.work()
    await score_all(dispatch)
    await dispatch.work()
    found = await dispatch.store.segments_of(scene.id)
    assert [s.state for s in found] == [SegmentState.GENERATED, SegmentState.GENERATED, SegmentState.PLANNED]
    return found


async def test_a_candidate_does_not_keep_a_held_scene_from_trying_another_seed(
    dispatch: Dispatch, media: MediaStore, cause: Cause
) -> None:
    one, two, _ = await held_scene(dispatch, cause, retries=1)
    event = smoothed(one, two, await repaired(media, two))
    await dispatch.hear(event)
    await dispatch.repairing.step()
    [generated] = [e for e in await said(dispatch.database, "segment.generated") if e["segment_id"] == two.id]
    await dispatch.hear(score(generated, verdict="warn"))
    [retry] = [s for s in await versions(dispatch, two) if s.is_retry]
    assert retry.state is SegmentState.QUEUED
    await dispatch.repairing.step()
    assert f"is being regenerated as segment {retry.id}" in await refusal(dispatch, event)


async def test_a_repair_that_passes_lets_a_paused_scene_go_on_from_its_last_frame(
    dispatch: Dispatch, media: MediaStore, cause: Cause
) -> None:
    one, two, three = await held_scene(dispatch, cause, retries=0)
    [generated] = [e for e in await said(dispatch.database, "segment.generated") if e["segment_id"] == two.id]
    await dispatch.hear(score(generated, verdict="warn"))
    event = smoothed(one, two, await repaired(media, two, last_frame=picture(1)))
    await dispatch.hear(event)
    await dispatch.repairing.step()
    await dispatch.hear(score((await said(dispatch.database, "segment.generated"))[-1]))
    await dispatch.repairing.step()
    following = await dispatch.store.segment(three.id)
    assert following is not None and following.state is SegmentState.QUEUED
    assert following.seed_image_sha256 == event.clips[0].last_frame_sha256


async def test_what_was_rendered_for_a_regression_is_not_repaired(dispatch: Dispatch, media: MediaStore) -> None:
    request = generation_requested(await dispatch.ready())
    await dispatch.learn(request)
    await dispatch.work()
    one, two = await dispatch.store.segments_of((await dispatch.scene_of(request)).id)
    event = smoothed(one, two, await repaired(media, two))
    await dispatch.hear(event)
    await dispatch.repairing.step()
    assert "was rendered for a regression, which stays as it is" in await refusal(dispatch, event)
