"""Jobs and their attempts: what is sent under which id, and what follows from how it went.

A job is one segment to be rendered. Its prompts are numbered attempts; each is written down before it is sent. Whatever
happens between, exactly one attempt of a job is adopted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from uuid import UUID, uuid5

from services.dispatch.domain.scenes import Json


class JobState(StrEnum):
    QUEUED = "queued"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AttemptState(StrEnum):
    """`prepared`: written down, perhaps sent. `submitted`: the server said yes. The others are ends.

    `lost`: the server does not know it. `abandoned`: it may still run somewhere, but nobody waits for it. `withdrawn`:
    taken back before it began.
    """

    PREPARED = "prepared"
    SUBMITTED = "submitted"
    ADOPTED = "adopted"
    FAILED = "failed"
    LOST = "lost"
    ABANDONED = "abandoned"
    WITHDRAWN = "withdrawn"


FailureKind = Literal[
    "invalid_graph", "node_error", "out_of_memory", "timeout", "bad_output", "lost", "cancelled", "deleted"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a render did not happen. `permanent`: another attempt would end the same."""

    kind: FailureKind
    message: str
    permanent: bool
    node: str | None = None

    @property
    def text(self) -> str:
        """For people: with the node that it happened in, where the engine names one."""
        return self.message if self.node is None else f"node {self.node}: {self.message}"

    def as_json(self) -> Json:
        return {"kind": self.kind, "message": self.message, "permanent": self.permanent, "node": self.node}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    id: int
    uid: UUID
    scene_id: int
    segment_id: int
    needs_id: int
    priority: int
    remaining: int
    state: JobState
    attempt: int
    failed_attempts: int
    repeated_renders: int
    deadline_at: datetime | None
    leased_until: datetime | None
    lease_token: UUID | None
    server: str | None
    failure: Json | None
    queued_at: datetime
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    job_id: int
    attempt: int
    prompt_id: UUID
    server: str
    file_prefix: str
    state: AttemptState
    submitted_at: datetime | None
    created_at: datetime
    began_at: datetime | None = None
    """When it was seen to run. Between submission and this it waited behind other prompts."""

    @property
    def is_open(self) -> bool:
        return self.state in (AttemptState.PREPARED, AttemptState.SUBMITTED)

    def began(self, *, found_at: datetime, render_seconds: float) -> datetime:
        """When its render began, by our clock: beginning and end are both seen a moment late.

        The server's own clock is not asked: it may differ from ours.
        """
        counted_back = found_at - timedelta(seconds=render_seconds)
        seen = counted_back if self.began_at is None else min(self.began_at, counted_back)
        return max(self.submitted_at or self.created_at, seen)


def prompt_id_of(uid: UUID, attempt: int) -> UUID:
    """The prompt id of an attempt. Computed, so that a resend after a crash cannot get another one."""
    return uuid5(uid, f"attempt {attempt}")


def file_prefix_of(uid: UUID, attempt: int) -> str:
    """Its own prefix for every attempt: the server reuses the names of deleted files and lists an older run's files."""
    return f"rushes/{uid}/{attempt}/clip"


class Whereabouts(StrEnum):
    """Where the server of an attempt says that it is. `unknown`: the server did not answer."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What to do with a job that was worked on before: go on with `attempt`, or start another when it is None.

    `lost` attempts are closed. Those of unknown whereabouts stay open: their server may come back with the clip.
    """

    attempt: Attempt | None
    lost: tuple[Attempt, ...]


def recover(found: Sequence[tuple[Attempt, Whereabouts]]) -> Recovery:
    """Finished beats running beats queued; among equals the newest. Only when no server has one is there another."""
    ranks = {Whereabouts.FINISHED: 3, Whereabouts.RUNNING: 2, Whereabouts.QUEUED: 1}
    alive = [(ranks[where], attempt.attempt, attempt) for attempt, where in found if where in ranks]
    best = max(alive, key=lambda entry: entry[:2], default=None)
    lost = tuple(attempt for attempt, where in found if where is Whereabouts.ABSENT)
    return Recovery(attempt=best[2] if best else None, lost=lost)


class Next(StrEnum):
    RETRY = "retry"
    GIVE_UP = "give_up"


def after_failure(failure: Failure, *, failed_attempts: int, max_attempts: int) -> Next:
    """`failed_attempts` counts this failure too."""
    if failure.permanent or failed_attempts >= max_attempts:
        return Next.GIVE_UP
    return Next.RETRY


def backoff(failed_attempts: int) -> timedelta:
    """0, 1, 2, 4 ... at most 30 seconds: the first repeat is at once, since most losses are a restart that is over."""
    if failed_attempts <= 1:
        return timedelta(0)
    return timedelta(seconds=min(30.0, 2.0 ** (failed_attempts - 2)))


def is_repeat(attempts: Sequence[Attempt]) -> bool:
    """Whether a new attempt may render again what an earlier one rendered or still renders."""
    return any(
        attempt.is_open or (attempt.submitted_at is not None and attempt.state is not AttemptState.WITHDRAWN)
        for attempt in attempts
    )


def overdue(job: Job, now: datetime) -> bool:
    return job.deadline_at is not None and now >= job.deadline_at
