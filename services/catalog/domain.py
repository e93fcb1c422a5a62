"""What exists in a studio, and the rules for changing it. Errors say what the caller has to change."""

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NewType, assert_never
from uuid import UUID

ProjectId = NewType("ProjectId", int)
UserId = NewType("UserId", int)
CharacterId = NewType("CharacterId", int)
SceneTypeId = NewType("SceneTypeId", int)
AssetId = NewType("AssetId", int)
VersionId = NewType("VersionId", int)

MAX_GRAPH_BYTES = 640 * 1024
"""A published graph travels in an event, and a broker takes messages of up to 1 MiB."""

MAX_GRAPH_DEPTH = 64
"""Real graphs are 4 deep. Deeper ones only exist to exhaust somebody's stack."""

MAX_FILE_NAME_LENGTH = 255

BOOTSTRAP_USER = "admin"
BOOTSTRAP_MARGIN = timedelta(days=1)
"""A token file whose token ends sooner than this is written again at start."""


class CatalogError(Exception):
    """The base of what this service refuses. The text is shown to the caller."""


class NotFound(CatalogError):
    def __init__(self, what: str, identity: object) -> None:
        super().__init__(f"there is no {what} {identity}; list them to see which exist")


class Conflict(CatalogError):
    """What is asked contradicts what exists."""


class Refused(CatalogError):
    """The input is well formed, but its content cannot be used."""


class TooLarge(CatalogError):
    """The upload is bigger than allowed, in bytes or in pixels."""


class UnsupportedMedia(CatalogError):
    """The upload is not of a kind that is accepted."""


class NotAllowed(CatalogError):
    """The caller is known, and may not do this."""


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
    """Written once. A workflow has `graph` and `bindings`, a LoRA or model the name of its file in the render engine."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a new version consists of, already checked."""

    checksum: str
    file_name: str | None = None
    graph: dict[str, Any] | None = None
    bindings: dict[str, Any] | None = None


def hash_of_token(text: str) -> str:
    """SHA-256 is enough here: a signed token has far more entropy than anybody can guess."""
    return hashlib.sha256(text.encode()).hexdigest()


def may_manage_tokens_of(user: User, *, actor: str, actor_is_admin: bool) -> bool:
    """Everybody may manage his own access; an admin may manage everybody's."""
    return actor_is_admin or user.name == actor


def refuse_last_admin(*, user: User, admins: int) -> None:
    """Raises Conflict: an installation without an admin could not be repaired over HTTP."""
    if user.role is Role.ADMIN and admins <= 1:
        raise Conflict(f"{user.name} is the last admin; create another admin first")


def bootstrap_token_serves(token: Token | None, *, owner: User, now: datetime) -> bool:
    """Whether the token in the bootstrap file can be left there."""
    return token is not None and token.user_id == owner.id and token.accepted_at(now + BOOTSTRAP_MARGIN)


def checked_file_name(name: str) -> str:
    """The name, when it is a plain one relative to the render engine's folder; raises Refused.

    Subfolders are allowed, because render engines list their files that way. The name is never used as a path here.
    """
    parts = name.split("/")
    if len(name) > MAX_FILE_NAME_LENGTH:
        raise Refused(f"the file name has {len(name)} characters; the limit is {MAX_FILE_NAME_LENGTH}")
    if any(not part or part != part.strip() or set(part) == {"."} for part in parts):
        raise Refused(
            f"{name!r} is not a plain relative file name; use a name such as 'anna-v2.safetensors' or "
            "'faces/anna-v2.safetensors', without '..', empty parts or a leading '/'"
        )
    if not name.isprintable() or any(character in '\\:*?"<>|' for character in name) or name.startswith("~"):
        raise Refused(
            f"the file name {name!r} has characters that not every file system takes; use letters, digits, . - _"
        )
    return name


def canonical_json(graph: dict[str, Any]) -> bytes:
    """The bytes that a workflow's checksum is taken over: keys sorted, no white space, UTF-8.

    Raises Refused when they are too many, and what `refuse_unstorable` raises.
    """
    refuse_unstorable(graph)
    text = json.dumps(graph, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    if len(text) > MAX_GRAPH_BYTES:
        raise Refused(f"the workflow has {len(text)} bytes of JSON; the limit is {MAX_GRAPH_BYTES}")
    return text


def checksum_of(graph: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(graph)).hexdigest()


def problem_of_text(text: str) -> str | None:
    """Why a text cannot be stored by PostgreSQL or sent as UTF-8; None when it can."""
    if "\x00" in text:
        return "contains a NUL character; remove it"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "contains half of a surrogate pair; send valid Unicode"
    return None


def refuse_unstorable(graph: dict[str, Any]) -> None:
    """Raises Refused for what cannot be stored or sent unchanged.

    That is: nested too deeply, NUL or half a surrogate pair in a text, NaN or infinity, an integer beyond 64 bits.
    """
    waiting: list[tuple[Any, int]] = [(graph, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_GRAPH_DEPTH:
            raise Refused(f"the workflow is nested deeper than {MAX_GRAPH_DEPTH} levels; that is no ComfyUI workflow")
        if isinstance(value, dict):
            waiting.extend((part, depth + 1) for pair in value.items() for part in pair)
        elif isinstance(value, list):
            waiting.extend((part, depth + 1) for part in value)
        elif problem := _problem_of_leaf(value):
            raise Refused(f"the workflow {problem}")


def _problem_of_leaf(value: Any) -> str | None:
    if isinstance(value, str):
        return problem_of_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "contains NaN or an infinite number; use a finite one"
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return "contains an integer beyond 64 bits; use a smaller one"
    return None


def refuse_repeat(new: Content, *, active: AssetVersion | None) -> None:
    """Raises Conflict when a workflow is published that is already the active one, so that nothing is tested twice."""
    if active is None or new.graph is None:
        return
    if (new.checksum, new.bindings) == (active.checksum, active.bindings):
        raise Conflict(
            f"this workflow is already active as version {active.version} (same graph and bindings); nothing to publish"
        )


def refuse_taken_file_name(new: Content, *, holder: AssetVersion, asset: Asset) -> None:
    """Raises Conflict: a file name stands for one content for ever, or a version could change behind its own back."""
    owner = "this asset" if holder.asset_id == asset.id else f"asset {holder.asset_id}"
    if holder.checksum == new.checksum:
        raise Conflict(
            f"{new.file_name!r} with this checksum is already published as version {holder.version} of {owner} "
            f"(version id {holder.id}); nothing to publish"
        )
    raise Conflict(
        f"{new.file_name!r} already belongs to version {holder.version} of {owner} with another checksum; "
        "store the new file under a name of its own and publish that"
    )


class RollbackStep(StrEnum):
    ACTIVATE = "activate"
    NOTHING_TO_DO = "nothing_to_do"
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """What was asked: undo `from_version` in favour of `to_version`, because of a run."""

    run_id: int
    from_version: VersionId
    to_version: VersionId


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackDecision:
    step: RollbackStep
    reason: str = ""


def decide_rollback(
    asked: Rollback, *, active: VersionId | None, last: Activation | None, target_exists: bool
) -> RollbackDecision:
    """A rollback undoes the active version only; a newer one, which it knows nothing of, is never undone.

    Asking a second time for what the same run has already got changes nothing.
    """
    if last is not None and (last.cause, last.run_id, last.version_id) == (
        ActivationCause.ROLLBACK,
        asked.run_id,
        asked.to_version,
    ):
        return RollbackDecision(step=RollbackStep.NOTHING_TO_DO)
    if not target_exists:
        return _rejected(f"the asset has no version {asked.to_version} to go back to")
    if active != asked.from_version:
        return _rejected(f"version {asked.from_version} is not active any more; version {active} is")
    if asked.to_version == active:
        return _rejected(f"version {asked.to_version} is the active one already")
    return RollbackDecision(step=RollbackStep.ACTIVATE)


def _rejected(reason: str) -> RollbackDecision:
    return RollbackDecision(step=RollbackStep.REJECT, reason=reason)


def content_problem(kind: AssetKind, *, sent: frozenset[str]) -> str | None:
    """Which fields a version of this kind needs, when it was sent others."""
    match kind:
        case AssetKind.WORKFLOW:
            needed = frozenset({"graph", "bindings"})
        case AssetKind.LORA | AssetKind.MODEL:
            needed = frozenset({"file_name", "checksum"})
        case _:
            assert_never(kind)
    if sent == needed:
        return None
    got = " and ".join(sorted(sent)) or "neither"
    return f"a version of a {kind} needs {' and '.join(sorted(needed))}, and no other content; this one has {got}"
