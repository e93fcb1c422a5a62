"""What smoothing says of the cut between two versions."""

from datetime import UTC, datetime
from typing import Any

from services.dispatch.domain.scenes import Segment
from shared.contracts.boundary import BoundaryChecked, SeamReading, SeamSide, SeamVerdict
from shared.contracts.types import ProjectId, SceneId, SegmentId
from tests.support.dispatch import PROJECT


def side(segment: Segment) -> SeamSide:
    assert segment.clip is not None
    return SeamSide(segment_id=SegmentId(segment.id), position=segment.position, clip_sha256=segment.clip.sha256)


def reading(ssim: float, *, visibility: float = 2.0) -> SeamReading:
    return SeamReading(
        ssim=ssim,
        typical_ssim=0.97,
        worst_offset=0,
        worst_visibility=visibility,
        luminance_step=0.02,
        contrast_step=0.0,
        saturation_step=0.0,
    )


def checked(previous: Segment, following: Segment, ssim: float | None, *, sequence: int = 1) -> BoundaryChecked:
    """`ssim` None: it could not be measured."""
    outcome: dict[str, Any] = {"status": "not_measurable", "not_measurable": "a clip is not stored"}
    if ssim is not None:
        outcome = {"status": "measured", "reading": reading(ssim), "verdict": SeamVerdict.RED}
    return BoundaryChecked(
        scene_id=SceneId(previous.scene_id),
        project_id=ProjectId(PROJECT),
        previous=side(previous),
        next=side(following),
        checked_at=datetime.now(UTC),
        sequence=sequence,
        **outcome,
    )
