"""Events in."""

from services.catalog import domain
from services.catalog.operations import AssetOperations
from shared.cause import Cause
from shared.contracts import topics
from shared.contracts.asset import AssetRollbackRequested
from shared.kafka.consumer import Consumer


class Handlers:
    def __init__(self, *, assets: AssetOperations) -> None:
        self._assets = assets

    async def asset_rollback_requested(self, event: AssetRollbackRequested, cause: Cause) -> None:
        """Undo the active version, unless another one has become active since.

        Duplicate: the inbox knows it; a second event of the same run finds the rollback done and says nothing.
        Stale (a newer version is active), unknown asset or unknown version: `asset.rollback_rejected`, nothing changes.
        """
        asked = domain.Rollback(
            run_id=event.run_id,
            from_version=domain.VersionId(event.from_version_id),
            to_version=domain.VersionId(event.to_version_id),
        )
        await self._assets.roll_back(cause, domain.AssetId(event.asset_id), asked, requested_by=event.requested_by)


def register(consumer: Consumer, handlers: Handlers) -> None:
    consumer.on(topics.ASSET_ROLLBACK_REQUESTED, handlers.asset_rollback_requested)
