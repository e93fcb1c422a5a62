"""The feed of what happened, in words, and what is going on now."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class ActivityKind(StrEnum):
    RUN_COMPLETED = "run_completed"
    SEGMENT_FAILED = "segment_failed"
    SEGMENTS_STALED = "segments_staled"
    SCENE_PAUSED = "scene_paused"
    BOUNDARY_RED = "boundary_red"
    BOUNDARY_ACCEPTED = "boundary_accepted"
    REPAIR_REJECTED = "repair_rejected"


@dataclass(frozen=True, kw_only=True)
class Activity:
    """One line of the feed. `subject` names the thing as `run:5`; `data` holds the facts behind the sentence."""

    kind: ActivityKind
    subject: str
    summary: str
    data: dict[str, Any] = field(default_factory=dict)
    happened_at: datetime


ON_BOUNDARIES = (ActivityKind.BOUNDARY_RED, ActivityKind.BOUNDARY_ACCEPTED, ActivityKind.REPAIR_REJECTED)


def page_of(activity: Activity) -> str:
    """Where more is told of it; nothing where no page does."""
    kind, _, identifier = activity.subject.partition(":")
    if kind == "scene" and activity.kind in ON_BOUNDARIES:
        return f"/scenes/{identifier}/boundaries"
    return f"/reports/regression/{identifier}" if kind == "run" else ""


@dataclass(frozen=True, kw_only=True)
class LiveProgress:
    """How far a run or a render is. A hint; `finished` ones are forgotten at once, silent ones after a while."""

    subject: str
    done: float
    total: float
    state: str
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        return self.state in {"done", "failed", "cancelled"}


def run_summary(*, run_id: int, outcome: str, reason: str, superseded: bool) -> str:
    """One sentence on a finished run."""
    tail = " (superseded by a newer update)" if superseded else ""
    why = reason.removeprefix(f"{outcome}: ")
    return f"Run {run_id} {outcome}{tail}{': ' if why else ''}{why}"


def failure_summary(
    *, scene_id: int, position: int, kind: str, message: str, attempts: int, node: str | None = None
) -> str:
    """One sentence on a render that will not happen."""
    tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    where = "" if node is None else f", node {node}"
    what = f"{kind.replace('_', ' ')}{where}"
    return f"Scene {scene_id}, segment {position}: render failed after {tries} ({what}): {message}"


def paused_summary(*, scene_id: int, name: str, reason: str) -> str:
    """One sentence on a scene that waits for a person."""
    return f"Scene {scene_id} ({name}) is paused until somebody says how it goes on: {reason}"


def staled_summary(*, scene_id: int, positions: Sequence[int], causes: Sequence[int]) -> str:
    """One sentence on segments that need a second look, and the positions before them that changed."""
    return (
        f"Scene {scene_id}: {_named(positions)} may need re-checking, since {_named(causes)} "
        f"{'ends' if len(causes) == 1 else 'end'} on another frame now"
    )


def red_summary(*, scene_id: int, positions: tuple[int, int], reason: str, recommendation: str) -> str:
    """One sentence on a boundary that everybody sees."""
    return f"{_between(scene_id, positions)} shows: {reason}; recommended: {recommendation.replace('_', ' ')}"


def accepted_summary(*, scene_id: int, positions: tuple[int, int], accepted_by: str, ssim: float | None) -> str:
    """One sentence on a boundary that somebody accepted."""
    number = "" if ssim is None else f" (SSIM {ssim:.2f})"
    return f"{_between(scene_id, positions)} was accepted as it is by {accepted_by}{number}"


def refused_summary(
    *, scene_id: int, reasons: Sequence[str], visibility_before: float | None, visibility_after: float | None
) -> str:
    """One sentence on a repair that came to nothing, with its numbers where there are some."""
    numbers = (
        ""
        if visibility_before is None or visibility_after is None
        else f" (visibility {visibility_before:.2f} before, {visibility_after:.2f} after)"
    )
    return f"Scene {scene_id}: a repair of a boundary was refused{numbers}: {'; '.join(reasons)}"


def _between(scene_id: int, positions: tuple[int, int]) -> str:
    return f"Scene {scene_id}: the boundary between segments {positions[0]} and {positions[1]}"


def _named(positions: Sequence[int]) -> str:
    if len(positions) == 1:
        return f"segment {positions[0]}"
    if list(positions) == list(range(positions[0], positions[-1] + 1)):
        return f"segments {positions[0]}-{positions[-1]}"
    return f"segments {', '.join(str(position) for position in positions)}"
