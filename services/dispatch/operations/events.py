"""What dispatch says of renders, as it travels."""

from datetime import datetime
from typing import Literal

from services.dispatch.domain.jobs import Failure
from services.dispatch.domain.scenes import Scene, Segment
from shared.contracts.generation import GenerationProgressed
from shared.contracts.segment import SegmentFailed, SegmentGenerated
from shared.contracts.types import (
    CharacterId,
    ClipExpectation,
    EnvironmentFingerprint,
    JobId,
    LockedAsset,
    ProjectId,
    Purpose,
    RenderFailure,
    RenderParameters,
    SceneId,
    SceneTypeId,
    SegmentId,
    StoredClip,
    Tier,
)

ProgressState = Literal["queued", "submitted", "running", "storing", "done", "failed", "cancelled"]


def progressed_event(
    scene: Scene, position: int, job_id: int, state: ProgressState, fraction: float = 0.0
) -> GenerationProgressed:
    return GenerationProgressed(
        job_id=JobId(job_id),
        scene_id=SceneId(scene.id),
        request_id=scene.request_id,
        position=position,
        segment_count=scene.segment_count,
        state=state,
        fraction=min(1.0, max(0.0, fraction)),
        purpose=Purpose(scene.purpose.value),
    )


def failed_event(scene: Scene, segment: Segment, failure: Failure, *, attempts: int, now: datetime) -> SegmentFailed:
    return SegmentFailed(
        scene_id=SceneId(scene.id),
        segment_id=SegmentId(segment.id),
        position=segment.position,
        segment_count=scene.segment_count,
        project_id=ProjectId(scene.project_id),
        character_id=CharacterId(scene.character_id),
        scene_type_id=SceneTypeId(scene.scene_type_id),
        purpose=Purpose(scene.purpose),
        tier=Tier(scene.tier),
        request_id=scene.request_id,
        failure=RenderFailure(
            kind=failure.kind, message=failure.message, node=failure.node, permanent=failure.permanent
        ),
        attempts=attempts,
        failed_at=now,
    )


def generated_event(scene: Scene, segment: Segment) -> SegmentGenerated:
    """`segment` as saved with its clip."""
    clip, parameters = segment.clip, RenderParameters.model_validate(segment.parameters)
    assert clip is not None and segment.seed_image_sha256 is not None and segment.server is not None
    assert segment.job_id is not None and segment.attempt is not None and segment.prompt_id is not None
    assert segment.queued_seconds is not None and segment.render_seconds is not None
    assert segment.generated_at is not None
    return SegmentGenerated(
        scene_id=SceneId(scene.id),
        segment_id=SegmentId(segment.id),
        position=segment.position,
        segment_count=scene.segment_count,
        version=segment.version,
        project_id=ProjectId(scene.project_id),
        character_id=CharacterId(scene.character_id),
        scene_type_id=SceneTypeId(scene.scene_type_id),
        purpose=Purpose(scene.purpose.value),
        tier=Tier(scene.tier.value),
        request_id=scene.request_id,
        clip=StoredClip(
            sha256=clip.sha256,
            size_bytes=clip.size_bytes,
            frame_digest=clip.frame_digest,
            width=clip.width,
            height=clip.height,
            frames=clip.frames,
            fps=clip.fps,
            duration_seconds=clip.duration_seconds,
        ),
        last_frame_sha256=clip.last_frame_sha256,
        seed_image_sha256=segment.seed_image_sha256,
        source_image_sha256=scene.source_image_sha256,
        previous_clip_sha256=segment.previous_clip_sha256,
        baseline_clip_sha256=segment.baseline_clip_sha256,
        expected=ClipExpectation(
            width=parameters.width,
            height=parameters.height,
            frames=None if parameters.frames is None else parameters.frames - segment.dropped_frames,
            fps=parameters.fps,
        ),
        parameters=parameters,
        assets=tuple(LockedAsset.model_validate(asset) for asset in scene.assets),
        environment=EnvironmentFingerprint.model_validate(segment.environment),
        job_id=JobId(segment.job_id),
        attempt=segment.attempt,
        prompt_id=segment.prompt_id,
        server=segment.server,
        queued_seconds=segment.queued_seconds,
        render_seconds=segment.render_seconds,
        repair_id=segment.repair_id,
        generated_at=segment.generated_at,
    )
