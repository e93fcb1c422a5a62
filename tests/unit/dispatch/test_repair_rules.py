"""When a repaired clip may become a candidate, and what its gates must be to become current."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from services.dispatch.domain.errors import Conflict
from services.dispatch.domain.repairs import (
    Repair,
    RepairedClip,
    RepairState,
    accepted,
    candidates,
    judge,
    proposed,
    summary,
    worse_gates,
)
from services.dispatch.domain.scenes import Clip, Review, Segment, SegmentState
from services.dispatch.domain.timeline import Timeline, Version
from tests.support.timelines import alike, frame

PASS, WARN, FAIL = (
    {"verdict": "pass", "value": 0.4},
    {"verdict": "warn", "value": 0.12},
    {"verdict": "fail", "value": 0.03},
)
UNMEASURED = {"verdict": "pass", "value": None}
CLIPS = {position: f"{position:064x}" for position in range(1, 6)}


def scored(gate: dict[str, Any] | None, **changes: Any) -> Segment:
    """A version of position 2 whose one gate has this outcome; None: there is no such gate."""
    values: dict[str, Any] = dict.fromkeys(Segment.__dataclass_fields__)
    values |= {"id": 20, "position": 2, "metric_suite_version": "1", "identity_backend": "face-region"}
    return Segment(**values | {"gates": {} if gate is None else {"sharpness": gate}} | changes)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (PASS, PASS, []),
        (WARN, PASS, []),
        (FAIL, FAIL, []),
        (FAIL, WARN, []),
        (PASS, WARN, ["segment 2, sharpness: pass (0.4) before, warn (0.12) after"]),
        (WARN, FAIL, ["segment 2, sharpness: warn (0.12) before, fail (0.03) after"]),
        (FAIL, UNMEASURED, ["segment 2, sharpness: fail (0.03) before, not measured after"]),
        (PASS, None, ["segment 2, sharpness: pass (0.4) before, not measured after"]),
        (UNMEASURED, UNMEASURED, []),
        (UNMEASURED, PASS, []),
        (UNMEASURED, WARN, ["segment 2, sharpness: not measured before, warn (0.12) after"]),
        (None, FAIL, ["segment 2, sharpness: not measured before, fail (0.03) after"]),
        (None, PASS, []),
    ],
)
def test_a_gate_is_worse_by_its_verdict_or_by_not_being_measured_any_more(
    before: dict[str, Any] | None, after: dict[str, Any] | None, told: list[str]
) -> None:
    assert worse_gates(scored(before), scored(after)) == told


def test_a_clip_that_cannot_be_measured_is_worse_whatever_was_before() -> None:
    judgement = judge([(scored(FAIL), scored(None, not_measurable="no frames"))])
    assert judgement.worse == ("segment 2 could not be measured after the repair: no frames",)


@pytest.mark.parametrize("changed", [{"metric_suite_version": "2"}, {"identity_backend": "insightface"}])
@pytest.mark.parametrize("side", [0, 1])
def test_scores_of_different_means_say_nothing_of_each_other(changed: dict[str, Any], side: int) -> None:
    pair = [scored(PASS), scored(FAIL)]
    pair[side] = replace(pair[side], **changed)
    judgement = judge([(pair[0], pair[1])])
    assert not judgement.worse and "score its clip again" in judgement.waits_for


def test_all_scores_are_waited_for_before_any_speaks_against_it() -> None:
    judgement = judge([(scored(PASS), scored(FAIL)), (scored(PASS), scored(PASS, gates=None))])
    assert not judgement.worse and judgement.waits_for == "the repaired clip of segment 20 has no score"
    assert judge([(scored(PASS, gates=None), scored(PASS))]).waits_for.startswith("segment 20 has no score to compare")


def chain(**changes: Any) -> Timeline:
    """Five segments whose frames fit; `changes` are of the third."""
    versions = [
        Version(id=p, position=p, state=SegmentState.GENERATED, seed=frame(10 * (p - 1)), last=frame(10 * p))
        for p in range(1, 6)
    ]
    versions[2] = replace(versions[2], **changes)
    return Timeline.of(versions, alike).settled()


def made(position: int, **changes: Any) -> RepairedClip:
    clip = Clip(
        sha256="e" * 64,
        size_bytes=1,
        frame_digest="e" * 64,
        last_frame_sha256=frame(10 * position + 5),
        width=64,
        height=64,
        frames=3,
        fps=12.0,
        duration_seconds=0.25,
    )
    values: dict[str, Any] = {"changed_frames": 1, "dropped_at_start": 0, "dropped_at_end": 0, "clip": clip}
    return RepairedClip(**values | {"based_on": position, "based_on_clip_sha256": CLIPS[position]} | changes)


def repair(*clips: RepairedClip, **changes: Any) -> Repair:
    """Of the boundary between the second and the third segment."""
    values: dict[str, Any] = {
        "id": UUID(int=1),
        "scene_id": 1,
        "previous_id": 2,
        "previous_clip_sha256": CLIPS[2],
        "next_id": 3,
        "next_clip_sha256": CLIPS[3],
        "method": "frame_blending",
        "clips": clips,
        "before": {},
        "after": {},
        "overwrite": frozenset(),
        "requested_by": "grace",
        "correlation_id": UUID(int=2),
        "deadline_at": datetime(2030, 1, 1, tzinfo=UTC),
        "state": RepairState.PROPOSED,
        "reasons": (),
        "joined": None,
    }
    return Repair(**values | changes)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (repair(made(3), next_id=4, next_clip_sha256=CLIPS[4]), "do not follow each other"),
        (repair(made(3), previous_clip_sha256=CLIPS[5]), "segment 2 has another clip"),
        (repair(made(3), next_clip_sha256=CLIPS[5]), "segment 3 has another clip"),
        (repair(made(4)), "one for each side"),
        (repair(made(3), made(3)), "one for each side"),
        (repair(made(3, based_on_clip_sha256=CLIPS[5])), "made from another clip than it has"),
    ],
)
def test_what_smoothing_should_never_say_makes_no_candidate(wrong: Repair, told: str) -> None:
    with pytest.raises(Conflict, match=told):
        candidates(chain(), wrong, clips=CLIPS)


def test_a_version_that_is_protected_again_after_the_proposal_is_not_replaced() -> None:
    protected = chain(is_locked=True, review=Review.APPROVED)
    [found] = candidates(protected, repair(made(3), overwrite=frozenset({3})), clips=CLIPS)
    timeline = proposed(protected, {9: found})
    assert accepted(timeline, (2, 9))[0].version(9).is_current
    with pytest.raises(Conflict, match="segment 3 was locked while its repair was scored"):
        accepted(timeline.locked(3), (2, 9))
    with pytest.raises(Conflict, match="segment 3 was locked while its repair was scored"):
        accepted(timeline.approved(3), (2, 9))


def test_a_segment_that_is_regenerated_is_neither_proposed_nor_accepted_even_on_the_side_that_stays() -> None:
    timeline = chain()
    [found] = candidates(timeline, repair(made(3)), clips=CLIPS)
    awaited = proposed(timeline, {9: found}).asked(10, timeline.replacement(2))
    with pytest.raises(Conflict, match="segment 2 is being regenerated as segment 10"):
        accepted(awaited, (2, 9))
    with pytest.raises(Conflict, match="segment 2 is being regenerated as segment 10"):
        candidates(awaited, repair(made(3)), clips=CLIPS)


@pytest.mark.parametrize(
    ("changed", "start", "end", "words"),
    [
        (8, 0, 3, "repaired boundary before, 8 frames blended, 3 dropped"),
        (1, 0, 0, "repaired boundary before, 1 frame blended"),
        (0, 2, 1, "repaired boundary before, 3 dropped"),
    ],
)
def test_a_repair_is_summed_up_in_words(changed: int, start: int, end: int, words: str) -> None:
    told = {"side": "before", "changed_frames": changed, "dropped_at_start": start, "dropped_at_end": end}
    assert summary(told) == words
