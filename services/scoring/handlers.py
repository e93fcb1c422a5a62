"""Events in."""

from services.scoring import domain
from services.scoring.operations import SegmentOperations
from shared.cause import Cause
from shared.contracts import topics
from shared.contracts.character import CharacterDeleted, CharacterUpdated
from shared.contracts.project import ProjectDeleted
from shared.contracts.scene import SceneDeleted
from shared.contracts.scene_type import SceneTypeDeleted
from shared.contracts.scoring import ScoringRequested
from shared.contracts.segment import SegmentActivated, SegmentGenerated, SegmentReviewed
from shared.kafka.consumer import Consumer


class Handlers:
    def __init__(self, operations: SegmentOperations) -> None:
        self._operations = operations

    async def segment_generated(self, event: SegmentGenerated, cause: Cause) -> None:
        """Queue the clip for scoring; the answer is one `segment.scored`.

        Duplicate: the inbox knows it; a second event for the same segment changes nothing. A clip that was measured
        for the same question before is not measured again. Of something deleted, also when that came first: nothing.
        """
        await self._operations.receive(cause, _segment(event))

    async def scoring_requested(self, event: ScoringRequested, cause: Cause) -> None:
        """Score every segment that has the clip again.

        Duplicate: the inbox knows it; a second request of the same question repeats the answer, under today's gates.
        Before any segment has the clip: parked until `segment.generated`; dead-lettered if that never comes, as for a
        clip whose segments were deleted.
        """
        await self._operations.measure_again(cause, event.clip_sha256, baseline_clip_sha256=event.baseline_clip_sha256)

    async def segment_activated(self, event: SegmentActivated, cause: Cause) -> None:
        """Mark the current segment of its position.

        Stale (a later sequence of that position is known): nothing. Before its segment: parked. Of a deleted scene:
        nothing.
        """
        await self._operations.activate(
            cause, domain.SegmentId(event.segment_id), scene_id=event.scene_id, sequence=event.sequence
        )

    async def segment_reviewed(self, event: SegmentReviewed, cause: Cause) -> None:
        """Keep a person's decision beside the scores.

        Stale (a later decision is known): nothing. Before its segment: parked. Of a deleted scene: nothing.
        """
        await self._operations.review(
            cause,
            domain.SegmentId(event.segment_id),
            domain.Review(decision=event.decision.value, at=event.reviewed_at, by=event.reviewed_by, note=event.note),
            scene_id=event.scene_id,
        )

    async def character_updated(self, event: CharacterUpdated, cause: Cause) -> None:
        """Forget regions of photographs that are no longer the character's source.

        Duplicate or stale: at worst a region is forgotten that will be found again; segments name their own source.
        """
        await self._operations.change_source(cause, event.character_id, source_image_sha256=event.source_image_sha256)

    async def character_deleted(self, event: CharacterDeleted, cause: Cause) -> None:
        """Scores, queued work and face regions of it go. Duplicate: nothing left. Final, whatever comes late."""
        await self._operations.forget(cause, domain.Kind.CHARACTER, event.character_id)

    async def scene_type_deleted(self, event: SceneTypeDeleted, cause: Cause) -> None:
        """Scores, queued work and gates of the scene type go. Duplicate: nothing left. Final, whatever comes late."""
        await self._operations.forget(cause, domain.Kind.SCENE_TYPE, event.scene_type_id)

    async def project_deleted(self, event: ProjectDeleted, cause: Cause) -> None:
        """Scores, queued work and gates of the project go. Duplicate: nothing left. Final, whatever comes late."""
        await self._operations.forget(cause, domain.Kind.PROJECT, event.project_id)

    async def scene_deleted(self, event: SceneDeleted, cause: Cause) -> None:
        """Scores and queued work of the scene go. Duplicate: nothing left. Final, whatever comes late."""
        await self._operations.forget(cause, domain.Kind.SCENE, event.scene_id)


def _segment(event: SegmentGenerated) -> domain.Segment:
    return domain.Segment(
        id=domain.SegmentId(event.segment_id),
        scene_id=event.scene_id,
        position=event.position,
        segment_count=event.segment_count,
        project_id=event.project_id,
        character_id=event.character_id,
        scene_type_id=event.scene_type_id,
        purpose=event.purpose.value,
        tier=event.tier.value,
        request_id=event.request_id,
        clip_sha256=event.clip.sha256,
        baseline_clip_sha256=event.baseline_clip_sha256,
        previous_clip_sha256=event.previous_clip_sha256,
        source_image_sha256=event.source_image_sha256,
        expected=domain.Expectation(**event.expected.model_dump()),
    )


def register(consumer: Consumer, handlers: Handlers) -> None:
    consumer.on(topics.SEGMENT_GENERATED, handlers.segment_generated)
    consumer.on(topics.SCORING_REQUESTED, handlers.scoring_requested)
    consumer.on(topics.SEGMENT_ACTIVATED, handlers.segment_activated)
    consumer.on(topics.SEGMENT_REVIEWED, handlers.segment_reviewed)
    consumer.on(topics.CHARACTER_UPDATED, handlers.character_updated)
    consumer.on(topics.CHARACTER_DELETED, handlers.character_deleted)
    consumer.on(topics.SCENE_TYPE_DELETED, handlers.scene_type_deleted)
    consumer.on(topics.PROJECT_DELETED, handlers.project_deleted)
    consumer.on(topics.SCENE_DELETED, handlers.scene_deleted)
