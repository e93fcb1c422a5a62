"""A chain that waits for the score of each segment before it goes on, and tries again under other seeds.

What happens next is worked out anew from what is known of the position at which the chain stands, after everything that
may change it: an arrival, a score, a review, a revert, a deadline. So neither order nor repetition of those matters.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.dispatch.domain.planning import SEED_BITS
from services.dispatch.domain.scenes import PassingVerdict, Review, ScoreGate, Segment, SegmentState

MAX_RETRIES = 10


class Course(StrEnum):
    """`AWAIT_RENDER`: another version of the position is on its way. `AWAIT_SCORE`: its clip has no score yet."""

    GO_ON = "go_on"
    AWAIT_RENDER = "await_render"
    AWAIT_SCORE = "await_score"
    RETRY = "retry"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    course: Course
    reason: str = ""


def decide(gate: ScoreGate, versions: Sequence[Segment], *, binds_seed: bool) -> Decision:
    """What a chain does that stands at a position with these versions, the current one among them.

    A person's word outranks the score: what is approved passes, what is rejected does not and is not tried again. A
    new seed is tried only after the newest version: who made another one current, or whose render failed, is asked.
    """
    current = next(version for version in versions if version.is_current)
    newest = max(versions, key=lambda version: version.regeneration_count)
    if current.review is Review.APPROVED:
        return Decision(course=Course.GO_ON)
    if newest.state in (SegmentState.PLANNED, SegmentState.QUEUED):
        return Decision(course=Course.AWAIT_RENDER)
    if current.review is Review.REJECTED:
        return _pause(current, f"it was rejected by {current.reviewed_by}")
    if current.gates is None:
        return Decision(course=Course.AWAIT_SCORE)
    if current.not_measurable is not None:
        return _pause(current, f"it could not be measured: {current.not_measurable}")
    if passes(gate, current):
        return Decision(course=Course.GO_ON)
    obstacle = _obstacle(gate, versions, current, newest, binds_seed=binds_seed)
    if obstacle:
        return _pause(current, f"{shortfall(gate, current)}. {obstacle}{_best(versions, current)}")
    return Decision(course=Course.RETRY, reason=_said(current, shortfall(gate, current)))


def passes(gate: ScoreGate, segment: Segment) -> bool:
    return segment.gate_verdict in _passing(gate)


def asked_for(versions: Sequence[Segment]) -> Segment:
    """The last version that is no retry: planned, or asked for by a person."""
    return max((v for v in versions if not v.is_retry), key=lambda version: version.regeneration_count)


def retries_made(versions: Sequence[Segment]) -> int:
    """Since the last version that was asked for: a person's own regeneration gets its own retries."""
    since = asked_for(versions).regeneration_count
    return sum(1 for version in versions if version.is_retry and version.regeneration_count > since)


def retry_seed(seed: int, *, retry: int) -> int:
    """The seed of the `retry`-th attempt after one with `seed`. Computed, so that it can be told again."""
    digest = hashlib.sha256(f"rushes retry seed {seed} {retry}".encode()).digest()
    return int.from_bytes(digest[:8]) >> (64 - SEED_BITS)


def overdue(segment: Segment, waited_seconds: float) -> str:
    return _said(segment, f"no score came within {waited_seconds:g} s; it goes on by itself when one comes that passes")


def shortfall(gate: ScoreGate, segment: Segment) -> str:
    """The metrics that keep it from passing, with their numbers."""
    messages = [
        str(outcome["message"])
        for outcome in (segment.gates or {}).values()
        if outcome["verdict"] not in _passing(gate)
    ]
    return "; ".join(messages) or f"its verdict is {segment.gate_verdict}"


def _passing(gate: ScoreGate) -> tuple[str, ...]:
    return ("pass",) if gate.wait_for is PassingVerdict.PASS else ("pass", "warn")


def _obstacle(
    gate: ScoreGate, versions: Sequence[Segment], current: Segment, newest: Segment, *, binds_seed: bool
) -> str:
    """Why no other seed is tried; empty when one is."""
    made = retries_made(versions)
    if newest.state is not SegmentState.GENERATED:
        told = "" if newest.failure is None else f": {newest.failure['message']}"
        return f"Segment {newest.id}, which was to replace it, is {newest.state.value}{told}"
    if not newest.is_current:
        return f"Segment {newest.id} is newer and not the current version"
    if current.is_locked:
        return "It is locked, so nothing replaces it"
    if not binds_seed:
        return "The workflow binds no seed, so another render would be the same"
    if made >= gate.retries:
        return f"{made} of {gate.retries} retries were made" if gate.retries else "The scene asks for no retries"
    return ""


def _best(versions: Sequence[Segment], current: Segment) -> str:
    scored = [version for version in versions if version.quality_score is not None]
    best = max(scored, key=lambda version: version.quality_score or 0.0, default=current)
    if best.is_current:
        return ""
    return f"; of all versions, segment {best.id} has the highest quality, {best.quality_score:.3g}"


def _pause(segment: Segment, why: str) -> Decision:
    return Decision(course=Course.PAUSE, reason=_said(segment, why))


def _said(segment: Segment, why: str) -> str:
    return f"segment {segment.id} at position {segment.position}, version {segment.version}: {why}"
