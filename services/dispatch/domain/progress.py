"""How far something is that people wait for, and when it will be done."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class ProgressState(StrEnum):
    """`waiting`: in the queue, or behind what runs on its server. `scoring`: for a score that decides how it goes on.

    `held`: paused, or no server can render it; it goes on when that changes. `needs_person`: it goes on when somebody
    says how.
    """

    WAITING = "waiting"
    RENDERING = "rendering"
    SCORING = "scoring"
    HELD = "held"
    NEEDS_PERSON = "needs_person"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`total` is the most it can be: a cascade may end earlier. `outcome`: how it ended; `reason`: why it is as it is.

    `running_since` and `estimated_seconds` are of the render that runs now; `finish_at` estimates the end of all of it.
    None: nothing like it was rendered yet, or nobody can tell when it goes on.
    """

    state: ProgressState
    done: int
    total: int
    outcome: str = ""
    reason: str = ""
    running_since: datetime | None = None
    estimated_seconds: float | None = None
    finish_at: datetime | None = None


def ended(outcome: str, reason: str, *, done: int, total: int) -> Progress:
    return Progress(state=ProgressState.ENDED, outcome=outcome, reason=reason, done=done, total=total)


def end_of(starts_at: datetime | None, seconds: float | None, now: datetime) -> datetime | None:
    """Of a render that starts, or has started, then. One that takes longer than it should may end at any time."""
    if starts_at is None or seconds is None:
        return None
    return max(now, starts_at + timedelta(seconds=seconds))


def after(end: datetime | None, later: Iterable[float | None]) -> datetime | None:
    """When what follows one after the other is done as well; to the second, so that it reads the same twice."""
    needed = list(later)
    if end is None or None in needed:
        return None
    return (end + timedelta(seconds=sum(one for one in needed if one is not None))).replace(microsecond=0)


def last_of(ends: Iterable[datetime | None]) -> datetime | None:
    """When all of them are done, side by side."""
    known = list(ends)
    if not known or None in known:
        return None
    return max(end for end in known if end is not None).replace(microsecond=0)
