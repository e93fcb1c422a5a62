"""Domain to contract: what a seam looks like on the wire."""

from services.smoothing import domain
from shared.contracts import types
from shared.contracts.boundary import (
    BoundaryChecked,
    SeamReading,
    SeamRecommendation,
    SeamSide,
    SeamVerdict,
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


def side(segment: domain.Segment) -> SeamSide:
    return SeamSide(segment_id=types.SegmentId(segment.id), position=segment.position, clip_sha256=segment.clip_sha256)


def reading(seam: domain.Seam) -> SeamReading:
    return SeamReading(
        ssim=seam.ssim,
        typical_ssim=seam.typical_ssim,
        worst_offset=seam.worst.offset,
        worst_visibility=seam.worst_visibility,
        luminance_step=seam.luminance_step,
        contrast_step=seam.contrast_step,
        saturation_step=seam.saturation_step,
    )
