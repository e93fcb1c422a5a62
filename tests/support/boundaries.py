"""What smoothing says of the cut between two versions."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from services.dispatch.domain.scenes import Segment
from shared.contracts.boundary import (
    BoundaryChecked,
    BoundarySmoothed,
    RepairedClip,
    SeamReading,
    SeamSide,
    SeamVerdict,
    SmoothingMethod,
)
from shared.contracts.types import ProjectId, SceneId, SegmentId, StoredClip
from shared.media import MediaStore
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


async def repaired(
    media: MediaStore,
    segment: Segment,
    *,
    last_frame: bytes | None = None,
    changed: int = 8,
    start: int = 0,
    end: int = 0,
) -> RepairedClip:
    """A stored clip that was made of a segment's, which ends on another frame if one is given. Not a real video."""
    clip = segment.clip
    assert clip is not None
    content = f"segment {segment.id}, repaired {uuid4()}".encode()
    return RepairedClip(
        segment_id=SegmentId(segment.id),
        based_on_clip_sha256=clip.sha256,
        clip=StoredClip(
            sha256=await media.put_bytes(content),
            size_bytes=len(content),
            frame_digest=clip.frame_digest,
            width=clip.width,
            height=clip.height,
            frames=clip.frames - start - end,
            fps=clip.fps,
            duration_seconds=(clip.frames - start - end) / clip.fps,
        ),
        last_frame_sha256=clip.last_frame_sha256 if last_frame is None else await media.put_bytes(last_frame),
        changed_frames=changed,
        dropped_at_start=start,
        dropped_at_end=end,
    )


def smoothed(previous: Segment, following: Segment, *clips: RepairedClip, **changes: Any) -> BoundarySmoothed:
    values: dict[str, Any] = {
        "repair_id": uuid4(),
        "scene_id": SceneId(previous.scene_id),
        "project_id": ProjectId(PROJECT),
        "previous": side(previous),
        "next": side(following),
        "method": SmoothingMethod.FRAME_BLENDING,
        "clips": clips,
        "before": reading(0.71, visibility=2.4),
        "after": reading(0.95, visibility=0.8),
        "requested_by": "grace",
        "smoothed_at": datetime.now(UTC),
    }
    return BoundarySmoothed(**values | changes)
