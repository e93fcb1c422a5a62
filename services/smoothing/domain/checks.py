"""Which seams there are, and the work of measuring them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

from services.smoothing.domain.seams import DEFAULT_THRESHOLDS, Seam, Thresholds

SegmentId = NewType("SegmentId", int)
SeamId = NewType("SeamId", int)
CheckId = NewType("CheckId", int)


class Deletable(StrEnum):
    """What can be deleted elsewhere, and takes seams with it."""

    PROJECT = "project"
    CHARACTER = "character"
    SCENE_TYPE = "scene_type"
    SCENE = "scene"


class NotFound(Exception):
    """What was asked for does not exist; the message says what."""


class Conflict(Exception):
    """Not as things are now; the message says what stands in the way."""


class Refused(Exception):
    """The request makes no sense; the message says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A version of a position that has a clip, as far as its seams need it; ids are those of who owns them."""

    id: SegmentId
    scene_id: int
    position: int
    segment_count: int
    version: int
    project_id: int
    character_id: int
    scene_type_id: int
    purpose: str
    tier: str
    clip_sha256: str
    frames: int
    repair_id: UUID | None

    @property
    def is_seamed(self) -> bool:
        """Only people's scenes are watched as one film; other renders are compared clip by clip."""
        return self.purpose == "scene"

    def belongs_to(self) -> tuple[tuple[Deletable, int], ...]:
        return (
            (Deletable.PROJECT, self.project_id),
            (Deletable.CHARACTER, self.character_id),
            (Deletable.SCENE_TYPE, self.scene_type_id),
            (Deletable.SCENE, self.scene_id),
        )


class CheckState(StrEnum):
    WAITING = "waiting"
    MEASURING = "measuring"
    MEASURED = "measured"
    NOT_MEASURABLE = "not_measurable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The two clips that meet; equal pairs are measured once."""

    previous_clip_sha256: str
    next_clip_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckJob:
    """A pair on lease to one worker. `waited_seconds`: from when it was first asked for."""

    id: CheckId
    lease_token: UUID
    pair: Pair
    claims: int
    crashes: int
    waited_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What is known of a pair of clips. `ahead`: pairs that will be measured before it, while it waits."""

    state: CheckState
    seam: Seam | None = None
    not_measurable: str | None = None
    measured_at: datetime | None = None
    ahead: int = 0

    @property
    def is_pending(self) -> bool:
        return self.state in (CheckState.WAITING, CheckState.MEASURING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """Two versions that follow each other, and the check of their clips. Current: both are their positions' versions
    now. `times_said`: how often something was said of these two."""

    id: SeamId
    previous: Segment
    next: Segment
    is_current: bool
    check: Check
    times_said: int = 0
    accepted_by: str | None = None
    accepted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectThresholds:
    """The limits of a project; version 0 are the defaults, which nobody has changed."""

    version: int = 0
    limits: Thresholds = DEFAULT_THRESHOLDS


MOST_CRASHES = 3
"""A clip that kills the decoder three times will do so again."""

MOST_CLAIMS = 30
"""Leases that ran out without a word: the worker itself was killed. That says little of the clip, hence many; but not
for ever, because everyone waits for an answer."""


def given_up(*, claims: int, crashes: int, reason: str | None = None) -> str | None:
    """Why a piece of work gets no further attempt; None while it does."""
    if crashes >= MOST_CRASHES:
        return f"it broke off {crashes} times: {reason or 'the decoder crashed'}"
    if claims > MOST_CLAIMS:
        return f"it was begun {claims - 1} times and never ended"
    return None
