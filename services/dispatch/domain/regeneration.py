"""What a regeneration or a cascade will touch, before it is asked for; and where a cascade goes next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.dispatch.domain.errors import Unacceptable
from services.dispatch.domain.planning import PARAMETERS, Workflow
from services.dispatch.domain.scenes import Json, Review, SegmentState
from services.dispatch.domain.timeline import Timeline, Version


@dataclass(frozen=True, slots=True, kw_only=True)
class RegenerationFacts:
    """What a person should know before asking for it."""

    message: str
    segment: Version
    may_need_rechecking: tuple[Version, ...]
    approvals_affected: tuple[Version, ...]
    render_seconds: float


def regeneration_facts(timeline: Timeline, version_id: int, *, seconds: Mapping[int, float]) -> RegenerationFacts:
    """`seconds`: recorded render time per version. Raises Conflict when it cannot be regenerated as it is.

    A locked segment has its facts too: whether to unlock it is decided by them.
    """
    version = timeline.version(version_id)
    timeline.replacement(version_id, overwrite=frozenset({version_id}))
    later = tuple(v for v in timeline.after(version.position) if v.state is SegmentState.GENERATED)
    touched = (version, *later)
    return RegenerationFacts(
        message=_message(version.position, [v.position for v in later]),
        segment=version,
        may_need_rechecking=later,
        approvals_affected=tuple(v for v in touched if v.review is Review.APPROVED),
        render_seconds=seconds.get(version_id, 0.0),
    )


def _message(position: int, later: Sequence[int]) -> str:
    first = f"This will regenerate segment {position}."
    match len(later):
        case 0:
            return first
        case 1:
            return f"{first} Segment {later[0]} may need re-checking."
        case _:
            return f"{first} Segments {min(later)}-{max(later)} may need re-checking."


def changed_parameters(parameters: Json, changes: Json, *, workflow: Workflow) -> dict[str, Any]:
    """The segment's own parameters with what is asked for. Raises Unacceptable for what the graph has no place for."""
    asked = {name: value for name, value in changes.items() if value is not None}
    unbound = sorted(set(asked) - set(workflow.inputs))
    if unbound:
        bound = ", ".join(sorted(set(workflow.inputs) & {*PARAMETERS, "seed"})) or "none of them"
        raise Unacceptable(
            f"workflow {workflow.name!r} has no binding for {', '.join(unbound)}; it binds {bound}. "
            "Leave the parameter out"
        )
    return {**parameters, **asked}


class CascadeState(StrEnum):
    """`converged`: a hand-over frame came out as it was before. `stopped`: something is in the way."""

    RUNNING = "running"
    COMPLETED = "completed"
    CONVERGED = "converged"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeStep:
    """Regenerate `segment` next; or, when it is None, the cascade has ended like this."""

    segment: Version | None = None
    state: CascadeState = CascadeState.RUNNING
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadePlan:
    """The most that it would render: it stops earlier where a frame converges. `stops`: what is in its way, if any."""

    segments: tuple[Version, ...]
    voided_approvals: tuple[Version, ...]
    render_seconds: float
    stops: str


def first_step(timeline: Timeline, position: int, *, overwrite: frozenset[int]) -> CascadeStep:
    """A cascade begins at the first stale segment after the one it is asked for."""
    stale = next((v for v in timeline.after(position) if v.is_stale), None)
    if stale is None:
        return CascadeStep(state=CascadeState.COMPLETED, reason=f"no segment after {position} is stale")
    return _step(timeline, stale, overwrite)


def next_step(timeline: Timeline, position: int, *, overwrite: frozenset[int]) -> CascadeStep:
    """Where to go after the regeneration of `position` became current."""
    following = timeline.current(position + 1)
    if following is None:
        return CascadeStep(state=CascadeState.COMPLETED, reason="it reached the end of the scene")
    if not any(cause.position == position for cause in following.causes):
        return CascadeStep(
            state=CascadeState.CONVERGED, reason=f"segment {position} hands over what segment {position + 1} expects"
        )
    return _step(timeline, following, overwrite)


def _step(timeline: Timeline, version: Version, overwrite: frozenset[int]) -> CascadeStep:
    obstacle = _obstacle(timeline, version, overwrite)
    if obstacle:
        return CascadeStep(state=CascadeState.STOPPED, reason=obstacle)
    return CascadeStep(segment=version)


def _obstacle(timeline: Timeline, version: Version, overwrite: frozenset[int]) -> str:
    if version.state is not SegmentState.GENERATED:
        return f"segment {version.id} at position {version.position} is {version.state.value}"
    if timeline.awaited(version.position) is not None:
        return f"segment {version.id} at position {version.position} is being regenerated already"
    if version.is_protected and version.id not in overwrite:
        return f"segment {version.id} at position {version.position} is {version.protection}; name it in overwrite"
    return ""


def cascade_plan(
    timeline: Timeline, position: int, *, overwrite: frozenset[int], seconds: Mapping[int, float]
) -> CascadePlan:
    first = next((v for v in timeline.after(position) if v.is_stale), None)
    candidates = [] if first is None else [first, *timeline.after(first.position)]
    chosen: list[Version] = []
    stops = ""
    for version in candidates:
        stops = _obstacle(timeline, version, overwrite)
        if stops:
            break
        chosen.append(version)
    return CascadePlan(
        segments=tuple(chosen),
        voided_approvals=tuple(v for v in chosen if v.review is Review.APPROVED),
        render_seconds=sum(seconds.get(v.id, 0.0) for v in chosen),
        stops=stops,
    )
