"""Assets: workflows, LoRAs and models with immutable versions; one version is active."""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from shared.contracts.base import Event
from shared.contracts.types import AssetId, AssetKind, AssetVersionId, Instant, JsonObject, RunId, Sha256
from shared.contracts.workflow import Bindings


class UpdateCause(StrEnum):
    RELEASE = "release"
    ROLLBACK = "rollback"


class AssetVersionPublished(Event):
    """A version exists, unchanged for ever; workflows have `graph` and `bindings`, the others `file_name`."""

    key_field: ClassVar[str] = "version_id"

    version_id: AssetVersionId
    asset_id: AssetId
    kind: AssetKind
    name: str
    version: int = Field(ge=1)
    checksum: Sha256
    file_name: str | None = None
    graph: JsonObject | None = None
    bindings: Bindings | None = None
    note: str = ""
    published_by: str
    published_at: Instant

    def establishes(self) -> tuple[str, ...]:
        return (f"asset_version:{self.version_id}",)


class AssetUpdated(Event):
    """Another version became active. `sequence` counts the activations of this asset."""

    key_field: ClassVar[str] = "asset_id"

    asset_id: AssetId
    kind: AssetKind
    name: str
    previous_version_id: AssetVersionId | None
    version_id: AssetVersionId
    cause: UpdateCause
    run_id: RunId | None = Field(default=None, description="the run whose report asked for the rollback")
    updated_by: str

    def establishes(self) -> tuple[str, ...]:
        return (f"asset:{self.asset_id}",)


class AssetRollbackRequested(Event):
    """Go back from one version to the one before it. Refused when `from_version_id` is no longer the active one."""

    key_field: ClassVar[str] = "asset_id"

    asset_id: AssetId
    run_id: RunId
    from_version_id: AssetVersionId
    to_version_id: AssetVersionId
    requested_by: str


class AssetRollbackRejected(Event):
    key_field: ClassVar[str] = "asset_id"

    asset_id: AssetId
    run_id: RunId
    reason: str
    active_version_id: AssetVersionId | None
