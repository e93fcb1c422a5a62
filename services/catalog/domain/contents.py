"""What a version may consist of."""

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any, assert_never

from services.catalog.domain.errors import Conflict, Refused
from services.catalog.domain.nouns import Asset, AssetKind, AssetVersion

MAX_GRAPH_BYTES = 640 * 1024
"""A published graph travels in an event, and a broker takes messages of up to 1 MiB."""


MAX_GRAPH_DEPTH = 64
"""Real graphs are 4 deep. Deeper ones only exist to exhaust somebody's stack."""


MAX_FILE_NAME_LENGTH = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a new version consists of, already checked."""

    checksum: str
    file_name: str | None = None
    graph: dict[str, Any] | None = None
    bindings: dict[str, Any] | None = None


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
