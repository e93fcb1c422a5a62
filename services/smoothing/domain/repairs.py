"""Repairs of seams: what was asked for, what was made, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.smoothing.domain.checks import Conflict, Meeting, Refused, Segment, SegmentId
from services.smoothing.domain.seams import DEFAULT_THRESHOLDS, Method, Seam, Thresholds


class Side(StrEnum):
    """Which end of a segment: the seam with what is before it, or with what is after it."""

    BEFORE = "before"
    AFTER = "after"


class RepairState(StrEnum):
    """`proposed`: its clips are made, and wait for their scores. `current`: the scene shows them. `undone`: it did."""

    QUEUED = "queued"
    MAKING = "making"
    PROPOSED = "proposed"
    CURRENT = "current"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    UNDONE = "undone"

    @property
    def is_open(self) -> bool:
        return self in (RepairState.QUEUED, RepairState.MAKING, RepairState.PROPOSED)


MOST_FRAMES = 120
"""That a blend may change, or a re-extraction may drop from each clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody asks for. `frames`: None leaves it to the method. `overwrite`: protected versions that it may
    replace."""

    segment_id: SegmentId
    side: Side
    method: Method
    frames: int | None = None
    overwrite: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.frames is not None and not 1 <= self.frames <= MOST_FRAMES:
            raise Refused(f"{self.frames} frames are not possible; 1 to {MOST_FRAMES} are")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A decoded and stored clip."""

    sha256: str
    size_bytes: int
    frame_digest: str
    width: int
    height: int
    frames: int
    fps: float
    duration_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateClip:
    """What would take the place of a version's clip."""

    segment_id: SegmentId
    position: int
    based_on_clip_sha256: str
    file: StoredFile
    last_frame_sha256: str
    changed_frames: int
    dropped_at_start: int
    dropped_at_end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """A seam in numbers, as it is told: see `Seam`."""

    ssim: float
    typical_ssim: float
    worst_offset: int
    worst_visibility: float
    luminance_step: float
    contrast_step: float
    saturation_step: float


def numbers_of(seam: Seam) -> Numbers:
    return Numbers(
        ssim=seam.ssim,
        typical_ssim=seam.typical_ssim,
        worst_offset=seam.worst.offset,
        worst_visibility=seam.worst_visibility,
        luminance_step=seam.luminance_step,
        contrast_step=seam.contrast_step,
        saturation_step=seam.saturation_step,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What came of an attempt. No clips: it was refused, and `reasons` say why. Numbers are None if none were got."""

    reasons: tuple[str, ...] = ()
    before: Numbers | None = None
    after: Numbers | None = None
    clips: tuple[CandidateClip, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairJob:
    """A repair on lease to one worker. `waited_seconds`: from when it was asked for."""

    id: UUID
    lease_token: UUID
    meeting: Meeting
    method: Method
    frames: int | None
    correlation_id: UUID
    claims: int
    crashes: int
    waited_seconds: float
    limits: Thresholds = DEFAULT_THRESHOLDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Frames that are encoded, of how many over all the clips that are changed."""

    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """As it is kept. `ahead`: repairs that are made before it, while it is queued. `progress`: while it is made, from
    the first frame on that is encoded."""

    id: UUID
    scene_id: int
    wish: Wish
    meeting: Meeting
    state: RepairState
    made: Made
    rejected_by: str | None
    requested_by: str
    correlation_id: UUID
    created_at: datetime
    proposed_at: datetime | None
    ended_at: datetime | None
    ahead: int = 0
    progress: Progress | None = None


def refuse_wish(meeting: Meeting, *, open_repair: UUID | None) -> None:
    """Raises Conflict when a seam is not to be touched now, Refused when it never can be."""
    if not meeting.is_current:
        raise Conflict("the versions that meet there changed at this moment; look again")
    if meeting.check.is_pending:
        raise Conflict("this boundary is still being measured; ask again when that is done")
    if meeting.check.seam is None:
        raise Refused(f"this boundary cannot be measured, so that no repair of it could be judged: {_why(meeting)}")
    if open_repair is not None:
        raise Conflict(f"repair {open_repair} of this boundary is not decided yet; wait for it, or cancel it")


def _why(meeting: Meeting) -> str:
    return meeting.check.not_measurable or "unknown"


def replaced(meeting: Meeting) -> str:
    """Why a repair of two versions that do not meet any more is worth nothing."""
    return (
        f"segments {meeting.previous.id} and {meeting.next.id} do not meet any more: "
        "another version became current while the repair was made"
    )


def settled(
    state: RepairState, repair_id: UUID, clips: Sequence[CandidateClip], current: Mapping[int, Segment]
) -> RepairState:
    """What the versions that are current now (by position) make of a repair, in whatever order that became known.

    All of its clips are shown: it is current, even if it was given up meanwhile. One of the versions that it had
    replaced is back: it is undone. Anything else says nothing of it: a version that was rendered anew did not undo it.
    """
    if not clips or state in (RepairState.QUEUED, RepairState.MAKING, RepairState.CANCELLED):
        return state
    shown = [current.get(clip.position) for clip in clips]
    if all(version is not None and version.repair_id == repair_id for version in shown):
        return RepairState.CURRENT
    back = any(
        version is not None and version.id == clip.segment_id for version, clip in zip(shown, clips, strict=True)
    )
    return RepairState.UNDONE if state is RepairState.CURRENT and back else state


def plain_clip(clip: CandidateClip) -> dict[str, Any]:
    """As plain data, for a row or a line; `clip_of` reads it."""
    return asdict(clip)


def clip_of(fields: Mapping[str, Any]) -> CandidateClip:
    return CandidateClip(**{**fields, "file": StoredFile(**fields["file"])})
