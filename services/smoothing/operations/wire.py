"""Domain to contract: what a seam looks like on the wire."""

from datetime import datetime

from services.smoothing import domain
from shared.contracts import types
from shared.contracts.boundary import (
    BoundaryChecked,
    BoundaryRepairRejected,
    BoundarySmoothed,
    RepairedClip,
    SeamReading,
    SeamRecommendation,
    SeamSide,
    SeamVerdict,
    SmoothingMethod,
)


def checked(meeting: domain.Meeting, limits: domain.Thresholds, *, sequence: int) -> BoundaryChecked:
    """What is known of two versions that meet, judged under these limits. The check is done."""
    check = meeting.check
    assert check.measured_at is not None  # only what is done is said
    seam = None if check.seam is None else domain.under(check.seam, limits)
    judgement = None if seam is None else domain.judge(seam, limits)
    return BoundaryChecked(
        sequence=sequence,
        scene_id=types.SceneId(meeting.next.scene_id),
        project_id=types.ProjectId(meeting.next.project_id),
        previous=side(meeting.previous),
        next=side(meeting.next),
        status="measured" if seam is not None else "not_measurable",
        not_measurable=check.not_measurable,
        reading=None if seam is None else reading(seam),
        verdict=None if judgement is None else SeamVerdict(judgement.verdict.value),
        recommendation=None if judgement is None else SeamRecommendation(judgement.recommendation.value),
        reason="" if judgement is None else judgement.reason,
        accepted_by=meeting.accepted_by,
        checked_at=check.measured_at,
    )


def smoothed(repair: domain.Repair, made: domain.Made, *, at: datetime) -> BoundarySmoothed:
    """What was made of two versions that meet."""
    assert made.before is not None and made.after is not None  # what has clips was measured
    meeting = repair.meeting
    return BoundarySmoothed(
        repair_id=repair.id,
        scene_id=types.SceneId(repair.scene_id),
        project_id=types.ProjectId(meeting.next.project_id),
        previous=side(meeting.previous),
        next=side(meeting.next),
        method=SmoothingMethod(repair.wish.method.value),
        clips=tuple(_clip(clip) for clip in made.clips),
        before=told(made.before),
        after=told(made.after),
        overwrite=tuple(types.SegmentId(segment_id) for segment_id in repair.wish.overwrite),
        requested_by=repair.requested_by,
        smoothed_at=at,
    )


def rejected(repair: domain.Repair, made: domain.Made, *, at: datetime) -> BoundaryRepairRejected:
    """What will not become current, by our own judgement."""
    return BoundaryRepairRejected(
        repair_id=repair.id,
        scene_id=types.SceneId(repair.scene_id),
        rejected_by="smoothing",
        reasons=made.reasons,
        before=None if made.before is None else told(made.before),
        after=None if made.after is None else told(made.after),
        rejected_at=at,
    )


def _clip(clip: domain.CandidateClip) -> RepairedClip:
    return RepairedClip(
        segment_id=types.SegmentId(clip.segment_id),
        based_on_clip_sha256=clip.based_on_clip_sha256,
        clip=types.StoredClip.model_validate(clip.file, from_attributes=True),
        last_frame_sha256=clip.last_frame_sha256,
        changed_frames=clip.changed_frames,
        dropped_at_start=clip.dropped_at_start,
        dropped_at_end=clip.dropped_at_end,
    )


def side(segment: domain.Segment) -> SeamSide:
    return SeamSide(segment_id=types.SegmentId(segment.id), position=segment.position, clip_sha256=segment.clip_sha256)


def reading(seam: domain.Seam) -> SeamReading:
    return told(domain.numbers_of(seam))


def told(numbers: domain.Numbers) -> SeamReading:
    return SeamReading.model_validate(numbers, from_attributes=True)
