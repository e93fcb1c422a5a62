"""What exists in a studio."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType
from uuid import UUID

ProjectId = NewType("ProjectId", int)
UserId = NewType("UserId", int)
CharacterId = NewType("CharacterId", int)
SceneTypeId = NewType("SceneTypeId", int)
AssetId = NewType("AssetId", int)
VersionId = NewType("VersionId", int)


class Role(StrEnum):
    VIEWER = "viewer"
    CREATOR = "creator"
    ADMIN = "admin"


class AssetKind(StrEnum):
    WORKFLOW = "workflow"
    LORA = "lora"
    MODEL = "model"


class ActivationCause(StrEnum):
    RELEASE = "release"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """`version` counts the changes of the row and is the sequence of its events; so for characters and scene types."""

    id: ProjectId
    name: str
    regression: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    id: UserId
    name: str
    role: Role
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token as the catalog remembers it: by a hash, never by its text. `number` is its place in lists."""

    id: UUID
    number: int
    user_id: UserId
    label: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None

    def accepted_at(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedImage:
    """An upload after decoding: upright RGB, written anew as PNG."""

    png: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceImage:
    """A stored photograph: upright, RGB, PNG. Sizes in pixels."""

    sha256: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Character:
    id: CharacterId
    project_id: ProjectId
    name: str
    source_image: SourceImage
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneType:
    id: SceneTypeId
    project_id: ProjectId
    name: str
    segment_count: int
    parameters: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetVersion:
    """Written once. A workflow has `graph` and `bindings`, a LoRA or model its file name in the render engine."""

    id: VersionId
    asset_id: AssetId
    kind: AssetKind
    version: int
    checksum: str
    file_name: str | None
    graph: dict[str, Any] | None
    bindings: dict[str, Any] | None
    note: str
    published_by: str
    published_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """`activation_count` is the sequence of the last `asset.updated`, `version_count` the newest version's number."""

    id: AssetId
    kind: AssetKind
    name: str
    active_version_id: VersionId | None
    version_count: int
    activation_count: int
    created_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """One change of an asset's active version."""

    asset_id: AssetId
    sequence: int
    version_id: VersionId
    previous_version_id: VersionId | None
    cause: ActivationCause
    run_id: int | None
    activated_by: str
    activated_at: datetime
