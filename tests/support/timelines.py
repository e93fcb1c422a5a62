"""Interleavings of what people and renders do to one scene, for the pure model and for the real thing.

Frames are numbers. Neighbours look alike, so that being alike is not transitive, as it is not for pictures.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from random import Random
from typing import Literal
from uuid import UUID

from services.dispatch.domain.errors import Conflict
from services.dispatch.domain.repairs import (
    RepairDraft,
    RepairedClip,
    RepairState,
    accepted,
    candidates,
    proposed,
    undone,
)
from services.dispatch.domain.scenes import Clip, SegmentState
from services.dispatch.domain.timeline import Handover, Timeline, Version

POSITIONS = 4
FRAMES = 8

Verb = Literal[
    "regenerate",
    "arrive",
    "redeliver",
    "fail",
    "revert",
    "approve",
    "reject",
    "lock",
    "unlock",
    "continue",
    "promote",
    "propose",
    "decide",
    "undo",
]
VERBS: tuple[Verb, ...] = Verb.__args__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Act:
    """`choice`: a frame, or which version or repair, or (odd) that the protected one is named."""

    verb: Verb
    position: int
    choice: int

    @property
    def boundary(self) -> int:
        """The position before the boundary that a repair is of."""
        return min(self.position, POSITIONS - 1)

    @property
    def repairs_previous(self) -> bool:
        return self.choice % 3 != 1

    @property
    def repairs_next(self) -> bool:
        return self.choice % 3 != 0

    @property
    def is_better(self) -> bool:
        """Whether the scores speak for the repair that is decided on."""
        return self.choice % 4 != 3


def frame(number: int) -> str:
    return f"{number + 1:064x}"


def repaired_frame(position: int, choice: int) -> str:
    """The frame that a repaired clip ends on; often that of the clip that it was made from, or one beside it."""
    return frame(10 * position + (choice * 3) % FRAMES)


def alike(given: str, taken: str) -> bool:
    return abs(int(given, 16) - int(taken, 16)) <= 1


def random_acts(seed: int, count: int) -> list[Act]:
    """Renders come back more often than the rest, so that there is something to disturb."""
    random = Random(seed)
    verbs = random.choices(VERBS, weights=[5, 6, 1, 1, 3, 2, 1, 1, 1, 3, 1, 6, 6, 2], k=count)
    return [Act(verb, random.randint(1, POSITIONS), random.randrange(FRAMES)) for verb in verbs]


@dataclass
class Told:
    """What happened, in order: who accepted what, which version was asked for when, and what was made to join."""

    accepted: dict[int, set[Handover]] = field(default_factory=dict)
    kept_since_asked: set[int] = field(default_factory=set)
    joined: set[tuple[int, int]] = field(default_factory=set)


@dataclass
class PureRepair:
    """`sides`: what met at the boundary; `joined`: what is to meet there. `protected_since`: it was proposed."""

    state: RepairState
    sides: tuple[int, int]
    joined: tuple[int, int]
    protected_since: set[int] = field(default_factory=set)

    @property
    def made(self) -> list[int]:
        return [one for one in self.joined if one not in self.sides]


class PureScene:
    """The model: a scene whose first two positions are rendered, the third is being rendered."""

    def __init__(self) -> None:
        first = [
            Version(
                id=p, position=p, seed=frame(0) if p == 1 else None, state=SegmentState.QUEUED if p == 1 else _PLANNED
            )
            for p in range(1, POSITIONS + 1)
        ]
        self.timeline = Timeline.of(first, alike)
        self.told = Told()
        self.repairs: list[PureRepair] = []
        for number in (10, 20):
            self._continue(number)

    def do(self, act: Act) -> bool:
        """False when it was refused."""
        before = self.timeline
        try:
            self._do(act)
        except Conflict:
            assert self.timeline is before
            return False
        return True

    def _do(self, act: Act) -> None:
        current = self.timeline.current(act.position)
        assert current is not None
        match act.verb:
            case "regenerate":
                self._regenerate(current, act)
            case "arrive" | "fail":
                self._end(act)
            case "redeliver":
                self._redeliver(act)
            case "revert":
                named = self.named(act)
                self.timeline = self.timeline.reverted(named.id, overwrite=self.overwrite(act))[0]
            case "approve" | "reject":
                self._review(current, act)
            case "lock":
                self.timeline = self.timeline.locked(current.id)
                self._protect(current)
            case "unlock":
                self.timeline = self.timeline.unlocked(current.id)
            case "continue":
                self._continue(10 * act.position + act.choice)
            case "promote":
                self._promote(10 + act.choice)
            case _:
                self._repair(act)

    def _repair(self, act: Act) -> None:
        match act.verb:
            case "propose":
                self._propose(act)
            case "decide":
                self._decide(act)
            case "undo":
                self._undo(act)

    def named(self, act: Act) -> Version:
        versions = [v for v in self.timeline.versions.values() if v.position == act.position]
        return versions[act.choice % len(versions)]

    def overwrite(self, act: Act) -> frozenset[int]:
        current = self.timeline.current(act.position)
        assert current is not None
        return frozenset({current.id}) if act.choice % 2 else frozenset()

    def frontier(self) -> Version | None:
        return next((v for v in self.timeline.chain() if v.state is SegmentState.QUEUED), None)

    def _regenerate(self, current: Version, act: Act) -> None:
        replacement = self.timeline.replacement(current.id, overwrite=self.overwrite(act))
        new_id = max(self.timeline.versions) + 1
        broken = self._broken()
        self.timeline = self.timeline.asked(new_id, replacement)
        self.told.accepted[new_id] = {h for h in broken if h.position < act.position - 1}
        self.told.kept_since_asked.discard(current.id)

    def _end(self, act: Act) -> None:
        awaited = self.timeline.awaited(act.position)
        if awaited is None:
            return
        if act.verb == "fail":
            self.timeline = self.timeline.ended(awaited.id, SegmentState.FAILED)
            return
        before = self.timeline.current(act.position)
        self.timeline, activation = self.timeline.arrived(awaited.id, last=frame(10 * act.position + act.choice))
        assert activation is not None and before is not None
        if activation.is_activated:
            kept = before.is_protected and before.id in self.told.kept_since_asked
            assert not kept, "approved or locked meanwhile, and overwritten"
            assert before.id == awaited.based_on

    def _redeliver(self, act: Act) -> None:
        rendered = [v for v in self.timeline.versions.values() if v.position == act.position and v.last is not None]
        if rendered:
            again, activation = self.timeline.arrived(rendered[act.choice % len(rendered)].id, last=frame(99))
            assert again == self.timeline and activation is None

    def _review(self, current: Version, act: Act) -> None:
        if current.state is not SegmentState.GENERATED:
            raise Conflict("there is no clip to review")
        if act.verb == "approve":
            before = {h for h in self._broken() if h.position < act.position}
            self.told.accepted.setdefault(current.id, set()).update(before)
            self.timeline = self.timeline.approved(current.id)
            self._protect(current)
        else:
            self.told.accepted.pop(current.id, None)
            self.timeline = self.timeline.rejected(current.id)

    def _protect(self, current: Version) -> None:
        self.told.kept_since_asked.add(current.id)
        for repair in self.repairs:
            repair.protected_since.add(current.id)

    def _continue(self, number: int) -> None:
        """The chain's own render comes back, and the next one is queued from its last frame."""
        here = self.frontier() or self.timeline.current(1)
        assert here is not None
        if here.state is not SegmentState.QUEUED:
            return
        last = frame(number)
        self.timeline, _ = self.timeline.arrived(here.id, last=last)
        behind = self.timeline.current(here.position + 1)
        if behind is not None and behind.state is _PLANNED:
            queued = replace(behind, seed=last, state=SegmentState.QUEUED)
            self.timeline = self.timeline.with_versions(queued).settled()

    def _promote(self, number: int) -> None:
        """A test shot becomes the first segment; all that is rendered is kept as older versions."""
        if any(version.is_protected for version in self.timeline.chain()):
            raise Conflict("the shot would replace a protected segment")
        stopped = (v for v in self.timeline.versions.values() if v.is_awaited)
        timeline = self.timeline.with_versions(*(replace(v, state=SegmentState.CANCELLED) for v in stopped))
        for old in self.timeline.chain():
            if old.state is SegmentState.QUEUED:
                timeline = timeline.with_versions(replace(old, state=_PLANNED, seed=None))
            elif old.state is SegmentState.GENERATED:
                numbers = (v.number for v in timeline.versions.values() if v.position == old.position)
                new_id = max(timeline.versions) + 1
                new = Version(id=new_id, position=old.position, number=1 + max(numbers), based_on=old.id)
                timeline = timeline.with_versions(replace(old, is_current=False, causes=()), new)
        first, second = timeline.current(1), timeline.current(2)
        assert first is not None and second is not None
        last = frame(number)
        shot = replace(first, state=SegmentState.GENERATED, seed=frame(0), last=last)
        behind = replace(second, state=SegmentState.QUEUED, seed=last)
        self.timeline = timeline.with_versions(shot, behind).settled()

    def _propose(self, act: Act) -> None:
        previous, following = self.sides(act)
        sides = (previous.id, following.id)
        repair = PureRepair(RepairState.REJECTED, sides, sides)
        self.repairs.append(repair)
        clips = {version.id: _clip_of(version) for version in self.timeline.chain()}
        draft = RepairDraft(
            id=UUID(int=len(self.repairs)),
            scene_id=1,
            previous_id=previous.id,
            previous_clip_sha256=_clip_of(previous),
            next_id=following.id,
            next_clip_sha256=_clip_of(following),
            method="frame_blending",
            clips=[
                _repaired(version, repaired_frame(version.position, act.choice))
                for version, is_repaired in ((previous, act.repairs_previous), (following, act.repairs_next))
                if is_repaired
            ],
            before={},
            after={},
            overwrite=frozenset(sides) if act.choice % 2 else frozenset(),
            requested_by="grace",
            correlation_id=UUID(int=0),
            deadline_at=datetime(2030, 1, 1, tzinfo=UTC),
        )
        found = candidates(self.timeline, draft, clips=clips)
        ids = {max(self.timeline.versions) + 1 + n: candidate for n, candidate in enumerate(found)}
        self.timeline = proposed(self.timeline, ids)
        made = {candidate.based_on.id: version_id for version_id, candidate in ids.items()}
        repair.joined = (made.get(previous.id, previous.id), made.get(following.id, following.id))
        repair.state = RepairState.SCORING

    def sides(self, act: Act) -> tuple[Version, Version]:
        """What meets at the boundary; or, sometimes, what met there once, as an event that comes late says it."""
        previous, following = self.timeline.current(act.boundary), self.timeline.current(act.boundary + 1)
        assert previous is not None and following is not None
        if act.choice == FRAMES - 1:
            previous = self.named(replace(act, position=act.boundary))
        return previous, following

    def chosen(self, act: Act) -> PureRepair | None:
        """One of the last repairs; None as long as there is none."""
        return self.repairs[which(act, len(self.repairs))] if self.repairs else None

    def _decide(self, act: Act) -> None:
        repair = self.chosen(act)
        if repair is None or repair.state is not RepairState.SCORING:
            return
        repair.state = RepairState.REJECTED
        if not act.is_better:
            return
        before = self.timeline
        try:
            self.timeline, activations = accepted(self.timeline, repair.joined)
        except Conflict:
            return
        repair.state = RepairState.ACCEPTED
        assert list(activations) == repair.made
        for side in repair.sides:
            assert before.version(side).is_current, "its numbers were of two versions that are not current"
        for made in repair.made:
            base = before.version(before.version(made).based_on or 0)
            kept = base.is_protected and base.id in repair.protected_since
            assert not kept, "approved or locked meanwhile, and overwritten"
            self.told.accepted[made] = set(self.told.accepted.get(base.id, ()))
        self.told.joined.add(repair.joined)

    def _undo(self, act: Act) -> None:
        repair = self.chosen(act)
        if repair is None:
            return
        if repair.state not in (RepairState.ACCEPTED, RepairState.UNDONE):
            raise Conflict("there is nothing to undo")
        if repair.state is RepairState.UNDONE and not any(self.timeline.version(v).is_current for v in repair.made):
            return
        overwrite = frozenset(repair.made) if act.choice % 2 else frozenset[int]()
        self.timeline, activations = undone(self.timeline, repair.made, overwrite=overwrite)
        repair.state = RepairState.UNDONE
        assert activations and not any(self.timeline.version(v).is_current for v in repair.made)

    def _broken(self) -> set[Handover]:
        """From the frames alone, pair by pair, but for what a repair has made to join."""
        return {
            Handover(position=before.position, given=before.last, taken=behind.seed)
            for before, behind in pairwise(self.timeline.chain())
            if before.last is not None
            and behind.seed is not None
            and (before.id, behind.id) not in self.told.joined
            and not alike(before.last, behind.seed)
        }

    def check(self) -> None:
        """Against the record of what was told, which knows nothing of how the model keeps its books."""
        chain = self.timeline.chain()
        assert [v.position for v in chain] == list(range(1, POSITIONS + 1)), "one current version of each position"
        broken = self._broken()
        for version in chain:
            open_ones = {
                h for h in broken if h.position < version.position and h not in self.told.accepted.get(version.id, ())
            }
            assert set(version.causes) == open_ones, f"position {version.position} is called fresh, or stale, wrongly"
        assert not any(v.is_stale for v in self.timeline.versions.values() if not v.is_current)
        assert not any(v.is_candidate for v in chain), "a repair that was not accepted is current"


_PLANNED = SegmentState.PLANNED


def which(act: Act, count: int) -> int:
    """Of so many repairs, one of the last three."""
    return count - 1 - act.choice % min(3, count)


def _clip_of(version: Version) -> str:
    return f"{version.id:064x}"


def _repaired(version: Version, last: str) -> RepairedClip:
    clip = Clip(
        sha256=f"{10**9 + version.id:064x}",
        size_bytes=1,
        frame_digest=last,
        last_frame_sha256=last,
        width=64,
        height=64,
        frames=3,
        fps=12.0,
        duration_seconds=0.25,
    )
    return RepairedClip(
        based_on=version.id,
        based_on_clip_sha256=_clip_of(version),
        clip=clip,
        changed_frames=1,
        dropped_at_start=0,
        dropped_at_end=0,
    )


def shape(timeline: Timeline) -> dict[tuple[int, int], tuple[object, ...]]:
    """A timeline without its ids, to compare two of them."""
    return {
        (v.position, v.number): (v.is_current, v.state, v.seed, v.last, v.review, v.is_locked, v.is_candidate, v.causes)
        for v in timeline.versions.values()
    }
