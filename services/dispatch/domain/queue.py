"""Whose turn it is. Waiting counts like priority, so everything's turn comes.

Effective priority is points plus time waited. As all work ages at the same speed, its order never changes while it
waits: it is the order of (time of request - points), a number that is stored with the job and indexed.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Literal, assert_never

from services.dispatch.domain.scenes import Purpose

AGEING_SECONDS = 600
"""Waiting so long is worth one point. Within such a span the longest chain goes first, then the oldest request: finer
steps would break up the chains of one run, which together decide when the run ends."""


class WorkKind(StrEnum):
    TEST_SHOT = "test_shot"
    REGENERATION = "regeneration"
    SCENE = "scene"
    REGRESSION = "regression"


POINTS = {WorkKind.TEST_SHOT: 144, WorkKind.REGENERATION: 72, WorkKind.SCENE: 36, WorkKind.REGRESSION: 0}
"""Ahead by 24, 12 and 6 hours of waiting: people who sit before it come first, and nothing starves behind them. The
priority that somebody gives, -100 to 100, is added: up to 17 hours either way."""


def kind_of(purpose: Purpose, *, is_new_version: bool) -> WorkKind:
    """`is_new_version`: the segment replaces one that was rendered before."""
    match purpose:
        case Purpose.TEST_SHOT:
            return WorkKind.TEST_SHOT
        case Purpose.SCENE:
            return WorkKind.REGENERATION if is_new_version else WorkKind.SCENE
        case Purpose.BASELINE | Purpose.REGRESSION | Purpose.ROLLBACK_PROOF:
            return WorkKind.REGRESSION
    assert_never(purpose)


def turn_of(kind: WorkKind, *, priority: int, requested_at: datetime) -> int:
    """Lower comes first."""
    return int(requested_at.timestamp() // AGEING_SECONDS) - POINTS[kind] - priority


def moved_turn(to: Literal["front", "back"], *, first: int, last: int) -> int:
    """The turn of something that a person puts before or behind everything that waits."""
    return first - 1 if to == "front" else last + 1


def starts(*, running: Sequence[float | None], waiting: Sequence[float | None], servers: int) -> list[float | None]:
    """Seconds until each waiting job starts, in order; None where that is unknown.

    `running`: seconds that each running job still needs, `waiting`: that each needs in all; None: nobody knows.
    A server with such a job may be free at any time, so nothing is promised of it.
    """
    unknown = float("inf")
    free = sorted(unknown if left is None else left for left in running)[:servers]
    free += [0.0] * (servers - len(free))
    found: list[float | None] = []
    for needed in waiting:
        start = min(free, default=unknown)
        found.append(None if start == unknown else start)
        if free:
            free[free.index(start)] = unknown if needed is None else start + needed
    return found
