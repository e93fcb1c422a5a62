"""Kafka in. Every handler is harmless when its event comes twice: the inbox lets only the first through."""

from services.dispatch.operations.facts import FactOperations
from services.dispatch.operations.repairs import RepairOperations
from services.dispatch.operations.requests import RequestOperations
from services.dispatch.operations.reviews import ReviewOperations
from services.dispatch.operations.seams import SeamOperations
from shared.cause import Cause
from shared.contracts import topics
from shared.contracts.asset import AssetUpdated, AssetVersionPublished
from shared.contracts.boundary import BoundaryChecked, BoundarySmoothed
from shared.contracts.character import CharacterDeleted, CharacterUpdated
from shared.contracts.generation import GenerationCancelRequested, GenerationRequested
from shared.contracts.project import ProjectDeleted, ProjectUpdated
from shared.contracts.scene_type import SceneTypeDeleted, SceneTypeUpdated
from shared.contracts.scoring import SegmentScored
from shared.kafka.consumer import Consumer


class Handlers:
    def __init__(
        self,
        *,
        facts: FactOperations,
        requests: RequestOperations,
        reviews: ReviewOperations,
        seams: SeamOperations,
        repairs: RepairOperations,
    ) -> None:
        self._facts = facts
        self._requests = requests
        self._reviews = reviews
        self._seams = seams
        self._repairs = repairs

    async def project_updated(self, event: ProjectUpdated, cause: Cause) -> None:
        """Keep a copy. Stale: an older sequence changes nothing; after the project's deletion it is ignored."""
        await self._facts.project_updated(event, cause)

    async def project_deleted(self, event: ProjectDeleted, cause: Cause) -> None:
        """Remove all scenes of the project with their queued work. The id is remembered against late events."""
        await self._facts.project_deleted(event.project_id, cause)

    async def character_updated(self, event: CharacterUpdated, cause: Cause) -> None:
        """Keep a copy. Stale: an older sequence changes nothing; after the character's deletion it is ignored."""
        await self._facts.character_updated(event, cause)

    async def character_deleted(self, event: CharacterDeleted, cause: Cause) -> None:
        """Remove all scenes of the character with their queued work. The id is remembered against late events."""
        await self._facts.character_deleted(event.character_id, cause)

    async def scene_type_updated(self, event: SceneTypeUpdated, cause: Cause) -> None:
        """Keep a copy. Stale: an older sequence changes nothing; after the scene type's deletion it is ignored."""
        await self._facts.scene_type_updated(event, cause)

    async def scene_type_deleted(self, event: SceneTypeDeleted, cause: Cause) -> None:
        """Remove all scenes of the scene type with their queued work. The id is remembered against late events."""
        await self._facts.scene_type_deleted(event.scene_type_id, cause)

    async def asset_version_published(self, event: AssetVersionPublished, cause: Cause) -> None:
        """Keep the version, which never changes. Brings parked requests back that wait for it."""
        await self._facts.asset_version_published(event, cause)

    async def asset_updated(self, event: AssetUpdated, cause: Cause) -> None:
        """New scenes use this version. Stale: an older sequence changes nothing. May come before the version itself."""
        await self._facts.asset_updated(event, cause)

    async def generation_requested(self, event: GenerationRequested, cause: Cause) -> None:
        """Queue a chain. The same request under another event id changes nothing.

        Parked until the workflow's version is here; answered by `segment.failed` when its project, character or scene
        type is deleted or it was cancelled first.
        """
        await self._requests.request(event, cause)

    async def generation_cancel_requested(self, event: GenerationCancelRequested, cause: Cause) -> None:
        """Stop what is not finished. Before its request: remembered. After the end, or again: nothing."""
        await self._requests.cancel(event, cause)

    async def segment_scored(self, event: SegmentScored, cause: Cause) -> None:
        """Keep every gate's outcome with the clip. For a deleted segment, or one with another clip: nothing.

        Stale: an older sequence of the same segment changes nothing.
        """
        await self._reviews.scored(event, cause)

    async def boundary_checked(self, event: BoundaryChecked, cause: Cause) -> None:
        """Keep the number with the two versions that meet there.

        Stale: an older sequence of the same pair changes nothing; a pair of which one is no longer current is kept, and
        shown when both are again. Versions are named here before anybody else hears of them, so that an unknown one is
        deleted: nothing.
        """
        await self._seams.checked(event, cause)

    async def boundary_smoothed(self, event: BoundarySmoothed, cause: Cause) -> None:
        """Write the repair down; answered by `segment.activated` or `boundary.repair_rejected`.

        The same repair under another event id: nothing. Of something that is deleted or was replaced since: refused.
        """
        await self._repairs.smoothed(event, cause)


def register(consumer: Consumer, handlers: Handlers) -> None:
    consumer.on(topics.PROJECT_UPDATED, handlers.project_updated)
    consumer.on(topics.PROJECT_DELETED, handlers.project_deleted)
    consumer.on(topics.CHARACTER_UPDATED, handlers.character_updated)
    consumer.on(topics.CHARACTER_DELETED, handlers.character_deleted)
    consumer.on(topics.SCENE_TYPE_UPDATED, handlers.scene_type_updated)
    consumer.on(topics.SCENE_TYPE_DELETED, handlers.scene_type_deleted)
    consumer.on(topics.ASSET_VERSION_PUBLISHED, handlers.asset_version_published)
    consumer.on(topics.ASSET_UPDATED, handlers.asset_updated)
    consumer.on(topics.GENERATION_REQUESTED, handlers.generation_requested)
    consumer.on(topics.GENERATION_CANCEL_REQUESTED, handlers.generation_cancel_requested)
    consumer.on(topics.SEGMENT_SCORED, handlers.segment_scored)
    consumer.on(topics.BOUNDARY_CHECKED, handlers.boundary_checked)
    consumer.on(topics.BOUNDARY_SMOOTHED, handlers.boundary_smoothed)
