"""What may be asked of a seam, and what the versions that are current make of a repair."""

from collections.abc import Mapping
from uuid import UUID

import pytest

from services.smoothing.domain import (
    CandidateClip,
    Check,
    CheckState,
    Conflict,
    Meeting,
    Method,
    Refused,
    RepairState,
    SeamId,
    Segment,
    SegmentId,
    Side,
    StoredFile,
    Thresholds,
    Wish,
    clip_of,
    judge,
    needs_smoothing,
    plain,
    plain_clip,
    refuse_wish,
    seam_of,
    settled,
    under,
)
from tests.support.events import sha
from tests.support.smoothing import GREEN, RED

REPAIR, OTHER = UUID(int=1), UUID(int=2)
A, B = 7, 8


def segment(number: int, position: int, *, repair: UUID | None = None) -> Segment:
    return Segment(
        id=SegmentId(number),
        scene_id=5,
        position=position,
        segment_count=3,
        version=1,
        project_id=1,
        character_id=2,
        scene_type_id=3,
        purpose="scene",
        tier="full",
        clip_sha256=sha(number),
        frames=16,
        repair_id=repair,
    )


def clip(number: int, position: int) -> CandidateClip:
    file = StoredFile(
        sha256=sha(number + 100),
        size_bytes=1,
        frame_digest=sha(1),
        width=16,
        height=16,
        frames=14,
        fps=16.0,
        duration_seconds=0.875,
    )
    return CandidateClip(
        segment_id=SegmentId(number),
        position=position,
        based_on_clip_sha256=sha(number),
        file=file,
        last_frame_sha256=sha(2),
        changed_frames=0,
        dropped_at_start=2,
        dropped_at_end=0,
    )


def meeting(check: Check, *, is_current: bool = True) -> Meeting:
    return Meeting(id=SeamId(1), previous=segment(A, 1), next=segment(B, 2), is_current=is_current, check=check)


MEASURED = Check(state=CheckState.MEASURED, seam=RED)


def test_a_measured_seam_of_current_versions_may_be_repaired() -> None:
    refuse_wish(meeting(MEASURED), open_repair=None)


@pytest.mark.parametrize(
    ("seam", "open_repair", "error", "says"),
    [
        (meeting(MEASURED, is_current=False), None, Conflict, "look again"),
        (meeting(Check(state=CheckState.WAITING)), None, Conflict, "still being measured"),
        (meeting(Check(state=CheckState.MEASURING)), None, Conflict, "still being measured"),
        (meeting(Check(state=CheckState.NOT_MEASURABLE, not_measurable="too small")), None, Refused, "too small"),
        (meeting(MEASURED), OTHER, Conflict, str(OTHER)),
    ],
    ids=["replaced", "waiting", "measuring", "not measurable", "under repair"],
)
def test_what_stands_in_the_way_of_a_repair_is_said(
    seam: Meeting, open_repair: UUID | None, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        refuse_wish(seam, open_repair=open_repair)


@pytest.mark.parametrize("frames", [0, -1, 121])
def test_a_repair_has_a_possible_number_of_frames(frames: int) -> None:
    with pytest.raises(Refused, match="1 to 120"):
        Wish(segment_id=SegmentId(B), side=Side.BEFORE, method=Method.FRAME_BLENDING, frames=frames)


SHOWN: dict[str, tuple[Mapping[int, Segment], dict[RepairState, RepairState]]] = {
    "both candidates": (
        {1: segment(70, 1, repair=REPAIR), 2: segment(80, 2, repair=REPAIR)},
        {
            RepairState.PROPOSED: RepairState.CURRENT,
            RepairState.REJECTED: RepairState.CURRENT,
            RepairState.UNDONE: RepairState.CURRENT,
            RepairState.CURRENT: RepairState.CURRENT,
        },
    ),
    "one of two candidates": (
        {1: segment(70, 1, repair=REPAIR), 2: segment(B, 2)},
        {RepairState.PROPOSED: RepairState.PROPOSED, RepairState.CURRENT: RepairState.UNDONE},
    ),
    "what it was made from": (
        {1: segment(A, 1), 2: segment(B, 2)},
        {
            RepairState.PROPOSED: RepairState.PROPOSED,
            RepairState.REJECTED: RepairState.REJECTED,
            RepairState.CURRENT: RepairState.UNDONE,
            RepairState.UNDONE: RepairState.UNDONE,
        },
    ),
    "a version that was rendered anew": (
        {1: segment(70, 1, repair=REPAIR), 2: segment(90, 2)},
        {RepairState.CURRENT: RepairState.CURRENT, RepairState.PROPOSED: RepairState.PROPOSED},
    ),
    "another repair": (
        {1: segment(71, 1, repair=OTHER), 2: segment(81, 2, repair=OTHER)},
        {RepairState.CURRENT: RepairState.CURRENT, RepairState.PROPOSED: RepairState.PROPOSED},
    ),
    "nothing yet": ({}, {RepairState.PROPOSED: RepairState.PROPOSED}),
}


@pytest.mark.parametrize("shown", SHOWN)
def test_what_is_current_decides_what_became_of_a_repair(shown: str) -> None:
    current, outcomes = SHOWN[shown]
    for state, outcome in outcomes.items():
        assert settled(state, REPAIR, [clip(A, 1), clip(B, 2)], current) is outcome


@pytest.mark.parametrize("state", [RepairState.QUEUED, RepairState.MAKING, RepairState.CANCELLED])
def test_what_was_never_proposed_cannot_become_current(state: RepairState) -> None:
    assert settled(state, REPAIR, [clip(B, 2)], {2: segment(80, 2, repair=REPAIR)}) is state


def test_a_measurement_and_a_clip_survive_as_plain_data() -> None:
    assert seam_of(plain(RED)) == RED
    assert clip_of(plain_clip(clip(A, 1))) == clip(A, 1)


def test_other_limits_judge_the_same_measurement_anew() -> None:
    lax = Thresholds(floor_levels=40.0, red_ssim=0.1, green_ssim=0.2)
    assert under(RED, lax).limit_levels > RED.limit_levels
    assert (judge(RED).verdict, judge(under(RED, lax), lax).verdict) == ("red", "green")


def test_a_red_seam_needs_smoothing_unless_somebody_accepted_it() -> None:
    assert needs_smoothing(judge(RED), accepted=False)
    assert not needs_smoothing(judge(RED), accepted=True)
    assert not needs_smoothing(judge(GREEN), accepted=False)
