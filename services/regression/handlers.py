"""Events in. Each is one transaction; a second delivery ends in the inbox, before anything is written."""

from services.regression.operations.answers import Answers
from services.regression.operations.facts import Facts
from services.regression.operations.references import References
from services.regression.operations.rollbacks import Rollbacks
from shared.cause import Cause
from shared.contracts import topics
from shared.contracts.asset import AssetRollbackRejected, AssetUpdated, AssetVersionPublished
from shared.contracts.character import CharacterDeleted, CharacterUpdated
from shared.contracts.project import ProjectDeleted, ProjectUpdated
from shared.contracts.scene import SceneConfigured, SceneDeleted
from shared.contracts.scene_type import SceneTypeDeleted, SceneTypeUpdated
from shared.contracts.scoring import SegmentScored
from shared.contracts.segment import SegmentFailed, SegmentGenerated
from shared.kafka.consumer import Consumer


class Handlers:
    def __init__(self, *, facts: Facts, references: References, answers: Answers, rollbacks: Rollbacks) -> None:
        self._facts = facts
        self._references = references
        self._answers = answers
        self._rollbacks = rollbacks

    async def project_updated(self, event: ProjectUpdated, cause: Cause) -> None:
        """Older than what is known, or of a deleted project: changes nothing."""
        await self._facts.project_updated(event, cause)

    async def character_updated(self, event: CharacterUpdated, cause: Cause) -> None:
        """Older than what is known, or of a deleted character: changes nothing."""
        await self._facts.character_updated(event, cause)

    async def scene_type_updated(self, event: SceneTypeUpdated, cause: Cause) -> None:
        """Older than what is known, or of a deleted scene type: changes nothing."""
        await self._facts.scene_type_updated(event, cause)

    async def project_deleted(self, event: ProjectDeleted, cause: Cause) -> None:
        """May come before facts of the project: a tombstone keeps them out. Twice is once."""
        await self._references.project_deleted(event, cause)

    async def character_deleted(self, event: CharacterDeleted, cause: Cause) -> None:
        """May come before scenes of the character: a tombstone keeps them out. Twice is once."""
        await self._references.character_deleted(event, cause)

    async def scene_type_deleted(self, event: SceneTypeDeleted, cause: Cause) -> None:
        """May come before scenes of the type: a tombstone keeps them out. Twice is once."""
        await self._references.scene_type_deleted(event, cause)

    async def scene_configured(self, event: SceneConfigured, cause: Cause) -> None:
        """Keep what the scene is made with now; references that were made of it stay as they were pinned.

        Stale: an older sequence changes nothing. Of something deleted: nothing.
        """
        await self._facts.scene_configured(event, cause)

    async def scene_deleted(self, event: SceneDeleted, cause: Cause) -> None:
        """May come before the scene: a tombstone keeps it out. Twice is once."""
        await self._references.scene_deleted(event, cause)

    async def asset_version_published(self, event: AssetVersionPublished, cause: Cause) -> None:
        """Versions never change, so a repetition changes nothing."""
        await self._facts.asset_version_published(event, cause)

    async def asset_updated(self, event: AssetUpdated, cause: Cause) -> None:
        """Parked until the version's own event has come. An older activation still gets its run, marked superseded."""
        await self._facts.asset_updated(event, cause)

    async def asset_rollback_rejected(self, event: AssetRollbackRejected, cause: Cause) -> None:
        """Of a run that waits for no answer: changes nothing."""
        await self._rollbacks.rejected(event, cause)

    async def segment_generated(self, event: SegmentGenerated, cause: Cause) -> None:
        """Before or after its score, in any order of positions; the first one of a position stands."""
        await self._answers.segment_generated(event, cause)

    async def segment_scored(self, event: SegmentScored, cause: Cause) -> None:
        """Before or after its clip's own event; the newest one of a position stands until the render is judged."""
        await self._answers.segment_scored(event, cause)

    async def segment_failed(self, event: SegmentFailed, cause: Cause) -> None:
        """Of a render that has ended, or that we do not know: changes nothing."""
        await self._answers.segment_failed(event, cause)


def register(consumer: Consumer, handlers: Handlers) -> None:
    consumer.on(topics.PROJECT_UPDATED, handlers.project_updated)
    consumer.on(topics.PROJECT_DELETED, handlers.project_deleted)
    consumer.on(topics.CHARACTER_UPDATED, handlers.character_updated)
    consumer.on(topics.CHARACTER_DELETED, handlers.character_deleted)
    consumer.on(topics.SCENE_TYPE_UPDATED, handlers.scene_type_updated)
    consumer.on(topics.SCENE_TYPE_DELETED, handlers.scene_type_deleted)
    consumer.on(topics.SCENE_CONFIGURED, handlers.scene_configured)
    consumer.on(topics.SCENE_DELETED, handlers.scene_deleted)
    consumer.on(topics.ASSET_VERSION_PUBLISHED, handlers.asset_version_published)
    consumer.on(topics.ASSET_UPDATED, handlers.asset_updated)
    consumer.on(topics.ASSET_ROLLBACK_REJECTED, handlers.asset_rollback_rejected)
    consumer.on(topics.SEGMENT_GENERATED, handlers.segment_generated)
    consumer.on(topics.SEGMENT_SCORED, handlers.segment_scored)
    consumer.on(topics.SEGMENT_FAILED, handlers.segment_failed)
