"""Events in."""

from services.smoothing import domain
from services.smoothing.operations import RepairOperations, SegmentOperations, ThresholdOperations
from shared.cause import Cause
from shared.contracts import topics
from shared.contracts.boundary import BoundaryRepairRejected
from shared.contracts.character import CharacterDeleted
from shared.contracts.project import ProjectDeleted, ProjectUpdated
from shared.contracts.scene import SceneDeleted
from shared.contracts.scene_type import SceneTypeDeleted
from shared.contracts.segment import ActivationReason, SegmentActivated, SegmentGenerated
from shared.kafka.consumer import Consumer


class Handlers:
    def __init__(self, segments: SegmentOperations, repairs: RepairOperations, thresholds: ThresholdOperations) -> None:
        self._segments = segments
        self._repairs = repairs
        self._thresholds = thresholds

    async def segment_generated(self, event: SegmentGenerated, cause: Cause) -> None:
        """Keep a copy: it may become current.

        Duplicate: the inbox knows it; a second event for the same segment changes nothing. Of something deleted, also
        when that came first: nothing.
        """
        await self._segments.receive(cause, _segment(event))

    async def segment_activated(self, event: SegmentActivated, cause: Cause) -> None:
        """Measure how the version joins its neighbours, where that is not known; see whether it is a repair, or the end
        of one.

        Duplicate, or stale (the same or a later sequence of that position is known): nothing. Before its
        `segment.generated`: parked. Of a deleted scene: nothing.
        """
        await self._segments.activate(
            cause,
            domain.SegmentId(event.segment_id),
            scene_id=event.scene_id,
            sequence=event.sequence,
            is_chained=event.reason is ActivationReason.GENERATED,
        )

    async def boundary_repair_rejected(self, event: BoundaryRepairRejected, cause: Cause) -> None:
        """Keep why dispatch refused a repair that was proposed.

        Our own rejections, duplicates, and those of a repair that is decided already or deleted: nothing.
        """
        if event.rejected_by == "dispatch":
            await self._repairs.rejected(cause, event.repair_id, event.reasons)

    async def character_deleted(self, event: CharacterDeleted, cause: Cause) -> None:
        """Seams and queued work of it go. Duplicate: nothing left. Final, whatever comes late."""
        await self._segments.forget(cause, domain.Deletable.CHARACTER, event.character_id)

    async def scene_type_deleted(self, event: SceneTypeDeleted, cause: Cause) -> None:
        """Seams and queued work of it go. Duplicate: nothing left. Final, whatever comes late."""
        await self._segments.forget(cause, domain.Deletable.SCENE_TYPE, event.scene_type_id)

    async def project_updated(self, event: ProjectUpdated, cause: Cause) -> None:
        """Know that there is such a project. Duplicate or stale: nothing new. After its deletion: nothing."""
        await self._thresholds.learn_project(cause, event.project_id)

    async def project_deleted(self, event: ProjectDeleted, cause: Cause) -> None:
        """Seams, queued work and limits of it go. Duplicate: nothing left. Final, whatever comes late."""
        await self._segments.forget(cause, domain.Deletable.PROJECT, event.project_id)

    async def scene_deleted(self, event: SceneDeleted, cause: Cause) -> None:
        """Seams and queued work of it go. Duplicate: nothing left. Final, whatever comes late."""
        await self._segments.forget(cause, domain.Deletable.SCENE, event.scene_id)


def _segment(event: SegmentGenerated) -> domain.Segment:
    return domain.Segment(
        id=domain.SegmentId(event.segment_id),
        scene_id=event.scene_id,
        position=event.position,
        segment_count=event.segment_count,
        version=event.version,
        project_id=event.project_id,
        character_id=event.character_id,
        scene_type_id=event.scene_type_id,
        purpose=event.purpose.value,
        tier=event.tier.value,
        clip_sha256=event.clip.sha256,
        frames=event.clip.frames,
        repair_id=event.repair_id,
    )


def register(consumer: Consumer, handlers: Handlers) -> None:
    consumer.on(topics.SEGMENT_GENERATED, handlers.segment_generated)
    consumer.on(topics.SEGMENT_ACTIVATED, handlers.segment_activated)
    consumer.on(topics.BOUNDARY_REPAIR_REJECTED, handlers.boundary_repair_rejected)
    consumer.on(topics.CHARACTER_DELETED, handlers.character_deleted)
    consumer.on(topics.SCENE_TYPE_DELETED, handlers.scene_type_deleted)
    consumer.on(topics.PROJECT_UPDATED, handlers.project_updated)
    consumer.on(topics.PROJECT_DELETED, handlers.project_deleted)
    consumer.on(topics.SCENE_DELETED, handlers.scene_deleted)
