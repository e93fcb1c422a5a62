"""Repairs of seams: clips that would take the place of two versions' clips, and when they may.

A repair is proposed with one or two clips, made from the versions that meet at a seam. Each clip becomes a candidate: a
version of its position that cannot be current until the repair is accepted. It is accepted when no quality gate of a
candidate is worse than that of the version it was made from, and then all its candidates become current at once. It is
refused as soon as what it was based on is not what is current: its numbers are of those two versions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.dispatch.domain.errors import Conflict
from services.dispatch.domain.scenes import Clip, Json, Segment, SegmentState
from services.dispatch.domain.timeline import Activation, Timeline, Version, refuse_protected


class RepairState(StrEnum):
    """`proposed`: as it came. `scoring`: its candidates are there, and wait for their scores."""

    PROPOSED = "proposed"
    SCORING = "scoring"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNDONE = "undone"

    @property
    def is_open(self) -> bool:
        return self in (RepairState.PROPOSED, RepairState.SCORING)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairedClip:
    """`based_on`: the version that it was made from, with the clip it had. Frames are counted."""

    based_on: int
    based_on_clip_sha256: str
    clip: Clip
    changed_frames: int
    dropped_at_start: int
    dropped_at_end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairDraft:
    """What smoothing made. `before` and `after`: what it measured at the seam, as it said it."""

    id: UUID
    scene_id: int
    previous_id: int
    previous_clip_sha256: str
    next_id: int
    next_clip_sha256: str
    method: str
    clips: Sequence[RepairedClip]
    before: Json
    after: Json
    overwrite: frozenset[int]
    requested_by: str
    correlation_id: UUID
    deadline_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair(RepairDraft):
    """`joined`: the versions that meet at the repaired seam, once the candidates are there."""

    state: RepairState
    reasons: Sequence[str]
    joined: tuple[int, int] | None

    @property
    def made(self) -> list[int]:
        """The versions that it made, first position first; none as long as it is only proposed."""
        bases = (self.previous_id, self.next_id)
        return [] if self.joined is None else [one for one in self.joined if one not in bases]

    def refuse_undo_unless_accepted(self) -> None:
        if self.state not in (RepairState.ACCEPTED, RepairState.UNDONE):
            words = "not decided yet" if self.state.is_open else "refused"
            raise Conflict(f"repair {self.id} is {words}; there is nothing to undo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A version to be made: of which one, with which clip, and whether it may replace a protected one."""

    number: int
    based_on: Version
    repaired: RepairedClip
    may_overwrite: bool


def candidates(timeline: Timeline, repair: RepairDraft, *, clips: Mapping[int, str | None]) -> list[Candidate]:
    """The versions that a repair proposes, first position first. `clips`: what the versions of the scene have.

    Raises Conflict when the repair is not of two versions that follow each other and are current, when one of them has
    another clip by now or is being regenerated, and when it would replace a protected one that it does not name.
    """
    before, behind = timeline.version(repair.previous_id), timeline.version(repair.next_id)
    if behind.position != before.position + 1:
        raise Conflict(f"segments {before.id} and {behind.id} do not follow each other")
    _refuse_changed(timeline, before, repair.previous_clip_sha256, clips)
    _refuse_changed(timeline, behind, repair.next_clip_sha256, clips)
    made = {clip.based_on: clip for clip in repair.clips}
    if len(made) < len(repair.clips) or not made.keys() <= {before.id, behind.id}:
        raise Conflict("a repair has one clip, or one for each side of its seam")
    found = []
    for version in (before, behind):
        if version.id not in made:
            continue
        repaired = made[version.id]
        if repaired.based_on_clip_sha256 != clips.get(version.id):
            raise Conflict(f"the repaired clip of segment {version.id} was made from another clip than it has")
        refuse_protected(version, named=repair.overwrite, unlocking=repair.overwrite)
        number = 1 + max(v.number for v in timeline.versions.values() if v.position == version.position)
        found.append(Candidate(number=number, based_on=version, repaired=repaired, may_overwrite=version.is_protected))
    return found


def _refuse_changed(timeline: Timeline, version: Version, clip: str, clips: Mapping[int, str | None]) -> None:
    _refuse_moved(timeline, version)
    if version.state is not SegmentState.GENERATED or clips.get(version.id) != clip:
        raise Conflict(f"segment {version.id} has another clip than the one that was measured")


def _refuse_moved(timeline: Timeline, version: Version) -> None:
    if not version.is_current:
        raise Conflict(f"segment {version.id} is not the current version of its position any more")
    awaited = timeline.awaited(version.position)
    if awaited is not None:
        raise Conflict(f"segment {version.id} is being regenerated as segment {awaited.id}: the boundary will change")


def proposed(timeline: Timeline, found: Mapping[int, Candidate]) -> Timeline:
    """With the candidates, by the ids that they were given."""
    return timeline.with_versions(
        *(
            Version(
                id=version_id,
                position=candidate.based_on.position,
                number=candidate.number,
                based_on=candidate.based_on.id,
                is_current=False,
                is_candidate=True,
                state=SegmentState.GENERATED,
                seed=candidate.based_on.seed,
                last=candidate.repaired.clip.last_frame_sha256,
                may_overwrite=candidate.may_overwrite,
            )
            for version_id, candidate in found.items()
        )
    )


def accepted(timeline: Timeline, joined: tuple[int, int]) -> "tuple[Timeline, dict[int, Activation]]":
    """The candidates among the two versions become current together; by id, what that meant for what comes after.

    What was accepted for the version that a candidate was made from holds for it too: it is the same take. Raises
    Conflict when a version that they were made from is not current any more, is being regenerated, or was approved or
    locked since; and when the other side of the seam is another version by now.
    """
    versions = [timeline.version(version_id) for version_id in joined]
    made = {version.id: _base(timeline, version) for version in versions if version.is_candidate}
    for version in versions:
        base = made.get(version.id, version)
        _refuse_moved(timeline, base)
        if version.id in made and base.is_protected and not version.may_overwrite:
            raise Conflict(f"segment {base.id} was {base.protection} while its repair was scored")
    chosen = (
        replace(timeline.version(version_id), is_candidate=False, accepted=base.accepted)
        for version_id, base in made.items()
    )
    switched = timeline.with_versions(*chosen).with_current(*made)
    after = replace(switched, joined=timeline.joined | {joined}).settled()
    return after, {version_id: after.told(base.position, timeline) for version_id, base in made.items()}


def undone(
    timeline: Timeline, made: Sequence[int], *, overwrite: frozenset[int]
) -> "tuple[Timeline, dict[int, Activation]]":
    """Those of the repair's versions that are current give way to the ones that they were made from; by id of these.

    Raises Conflict when none of them is current, and when one is protected and not named.
    """
    current = [version for version in map(timeline.version, made) if version.is_current]
    if not current:
        raise Conflict("its clips are not current any more: there is nothing to undo")
    for version in current:
        refuse_protected(version, named=overwrite, unlocking=overwrite)
    bases = [_base(timeline, version) for version in current]
    after = timeline.with_current(*(base.id for base in bases)).settled()
    return after, {base.id: after.told(base.position, timeline) for base in bases}


def _base(timeline: Timeline, version: Version) -> Version:
    assert version.based_on is not None  # versions go with their scene, never one by one
    return timeline.version(version.based_on)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`waits_for`: what is missing for a decision. `worse`: the gates that speak against the repair."""

    waits_for: str = ""
    worse: tuple[str, ...] = ()

    @property
    def is_accepted(self) -> bool:
        return not self.waits_for and not self.worse


def judge(pairs: Sequence[tuple[Segment, Segment]]) -> Judgement:
    """`pairs`: a version, and the candidate that was made from it. Scores of different means are not compared."""
    waits = [reason for original, candidate in pairs if (reason := _waits_for(original, candidate))]
    if waits:
        return Judgement(waits_for="; ".join(waits))
    return Judgement(worse=tuple(line for original, candidate in pairs for line in worse_gates(original, candidate)))


def _waits_for(original: Segment, candidate: Segment) -> str:
    if candidate.gates is None:
        return f"the repaired clip of segment {original.id} has no score"
    if original.gates is None:
        return f"segment {original.id} has no score to compare with; score its clip again"
    if _means(original) != _means(candidate):
        return (
            f"segment {original.id} was scored by {_means(original)}, its repaired clip by {_means(candidate)}; "
            "score its clip again"
        )
    return ""


def _means(segment: Segment) -> str:
    return f"suite {segment.metric_suite_version} with {segment.identity_backend}"


_ORDER = ("pass", "warn", "fail")


def worse_gates(original: Segment, candidate: Segment) -> list[str]:
    """One line for each gate that is worse than before, or was measured and cannot be any more.

    A gate that the original has not counts as passed before: nothing says that it was bad.
    """
    if candidate.not_measurable is not None:
        return [f"segment {original.position} could not be measured after the repair: {candidate.not_measurable}"]
    assert original.gates is not None and candidate.gates is not None  # judged once both are scored
    found = []
    for metric in sorted(original.gates.keys() | candidate.gates.keys()):
        before, after = original.gates.get(metric), candidate.gates.get(metric)
        if _is_worse(before, after):
            found.append(f"segment {original.position}, {metric}: {_said(before)} before, {_said(after)} after")
    return found


def _is_worse(before: Json | None, after: Json | None) -> bool:
    was_measured = before is not None and before["value"] is not None
    if after is None or after["value"] is None:
        return was_measured
    return _ORDER.index(after["verdict"]) > (_ORDER.index(before["verdict"]) if before is not None else 0)


def _said(gate: Json | None) -> str:
    if gate is None or gate["value"] is None:
        return "not measured"
    return f"{gate['verdict']} ({gate['value']:.4g})"


def summary(repair: Json) -> str:
    """One line for people: what a repaired version is."""
    words = [f"repaired boundary {repair['side']}"]
    if repair["changed_frames"]:
        words.append(f"{repair['changed_frames']} frame{'' if repair['changed_frames'] == 1 else 's'} blended")
    if dropped := repair["dropped_at_start"] + repair["dropped_at_end"]:
        words.append(f"{dropped} dropped")
    return ", ".join(words)
