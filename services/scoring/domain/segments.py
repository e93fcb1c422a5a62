"""What is measured and for whom: segments, questions, and the work between them."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

from services.scoring.domain.gates import GateOutcome, Verdict
from services.scoring.domain.readings import Measurement, SourceRegion

SegmentId = NewType("SegmentId", int)
MeasurementId = NewType("MeasurementId", int)
ScoreId = NewType("ScoreId", int)


class Kind(StrEnum):
    """What can be deleted elsewhere, and takes scores with it."""

    PROJECT = "project"
    CHARACTER = "character"
    SCENE_TYPE = "scene_type"
    SCENE = "scene"


class NotFound(Exception):
    """What was asked for does not exist; the message says what."""


class Refused(Exception):
    """The request makes no sense; the message says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the renderer was asked for; None where nothing was said. Pixels, frames, frames per second."""

    width: int | None = None
    height: int | None = None
    frames: int | None = None
    fps: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A generated segment, as far as its score needs it; ids are those of the services that own them."""

    id: SegmentId
    scene_id: int
    position: int
    segment_count: int
    project_id: int
    character_id: int
    scene_type_id: int
    purpose: str
    tier: str
    request_id: UUID | None
    clip_sha256: str
    baseline_clip_sha256: str | None
    previous_clip_sha256: str | None
    source_image_sha256: str
    expected: Expectation

    def belongs_to(self) -> tuple[tuple[Kind, int], ...]:
        return (
            (Kind.PROJECT, self.project_id),
            (Kind.CHARACTER, self.character_id),
            (Kind.SCENE_TYPE, self.scene_type_id),
            (Kind.SCENE, self.scene_id),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How clips are measured here and now; another method makes another question."""

    suite_version: str
    identity_backend: str
    identity_backend_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """All that an answer depends on. Two equal questions have one answer, which is measured once."""

    clip_sha256: str
    baseline_clip_sha256: str | None
    previous_clip_sha256: str | None
    source_image_sha256: str
    expected: Expectation
    method: Method

    def sha256(self) -> str:
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def question_of(segment: Segment, method: Method, *, baseline_clip_sha256: str | None = None) -> Question:
    """What is to be known of a segment's clip; without another baseline, against the one it was generated with."""
    return Question(
        clip_sha256=segment.clip_sha256,
        baseline_clip_sha256=baseline_clip_sha256 or segment.baseline_clip_sha256,
        previous_clip_sha256=segment.previous_clip_sha256,
        source_image_sha256=segment.source_image_sha256,
        expected=segment.expected,
        method=method,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A question on lease to one worker. `known_region` was found before in the same source photograph.

    `waited_seconds` since it was first asked.
    """

    id: MeasurementId
    lease_token: UUID
    question: Question
    claims: int
    crashes: int
    known_region: SourceRegion | None
    waited_seconds: float = 0.0


MOST_CRASHES = 3
"""A clip that kills the decoder three times will do so again."""

MOST_CLAIMS = 30
"""Leases that ran out without a word: the worker itself was killed. That says little of the clip, hence many; but not
for ever, because everyone waits for an answer."""


def given_up(*, claims: int, crashes: int, reason: str | None = None) -> str | None:
    """Why a question gets no further attempt; None while it does."""
    if crashes >= MOST_CRASHES:
        return f"measuring broke off {crashes} times: {reason or 'the decoder crashed'}"
    if claims > MOST_CLAIMS:
        return f"measuring was begun {claims - 1} times and never ended"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A question's answer, as it is kept."""

    question: Question
    measurement: Measurement
    measure_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A score that has its answer and is still to be said."""

    id: ScoreId
    segment: Segment
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What was said of a segment."""

    id: ScoreId
    answer: Answer
    verdict: Verdict
    outcomes: tuple[GateOutcome, ...]
    quality_score: float | None
    scored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A person's decision on a segment: approved or rejected. `by` is empty where it was not kept."""

    decision: str
    at: datetime
    by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentState:
    """A segment with what people and dispatch said of it since."""

    segment: Segment
    is_current: bool
    review: Review | None
    waiting: int
