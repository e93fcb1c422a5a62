"""Interleavings of what people and renders do to one scene, for the pure model and for the real thing.

Frames are numbers. Neighbours look alike, so that being alike is not transitive, as it is not for pictures.
"""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random
from typing import Literal

from services.dispatch.domain.errors import Conflict
from services.dispatch.domain.scenes import SegmentState
from services.dispatch.domain.timeline import Handover, Timeline, Version

POSITIONS = 4
FRAMES = 8

Verb = Literal["regenerate", "arrive", "redeliver", "fail", "revert", "approve", "reject", "lock", "unlock", "continue"]
VERBS: tuple[Verb, ...] = Verb.__args__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Act:
    """`choice`: a frame, or which version, or (odd) that the protected one is named."""

    verb: Verb
    position: int
    choice: int


def frame(number: int) -> str:
    return f"{number + 1:064x}"


def alike(given: str, taken: str) -> bool:
    return abs(int(given, 16) - int(taken, 16)) <= 1


def random_acts(seed: int, count: int) -> list[Act]:
    """Renders come back more often than the rest, so that there is something to disturb."""
    random = Random(seed)
    verbs = random.choices(VERBS, weights=[5, 6, 1, 1, 3, 3, 1, 1, 1, 3], k=count)
    return [Act(verb, random.randint(1, POSITIONS), random.randrange(FRAMES)) for verb in verbs]


@dataclass
class Told:
    """What happened, in order: who accepted what, and which version was asked for when."""

    accepted: dict[int, set[Handover]] = field(default_factory=dict)
    kept_since_asked: set[int] = field(default_factory=set)


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
        broken = _broken(self.timeline)
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
            before = {h for h in _broken(self.timeline) if h.position < act.position}
            self.told.accepted.setdefault(current.id, set()).update(before)
            self.timeline = self.timeline.approved(current.id)
            self._protect(current)
        else:
            self.told.accepted.pop(current.id, None)
            self.timeline = self.timeline.rejected(current.id)

    def _protect(self, current: Version) -> None:
        self.told.kept_since_asked.add(current.id)

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
            self.timeline = Timeline({**self.timeline.versions, behind.id: queued}, alike).settled()

    def check(self) -> None:
        """Against the record of what was told, which knows nothing of how the model keeps its books."""
        chain = self.timeline.chain()
        assert [v.position for v in chain] == list(range(1, POSITIONS + 1)), "one current version of each position"
        broken = _broken(self.timeline)
        for version in chain:
            open_ones = {
                h for h in broken if h.position < version.position and h not in self.told.accepted.get(version.id, ())
            }
            assert set(version.causes) == open_ones, f"position {version.position} is called fresh, or stale, wrongly"
        assert not any(v.is_stale for v in self.timeline.versions.values() if not v.is_current)


_PLANNED = SegmentState.PLANNED


def _broken(timeline: Timeline) -> set[Handover]:
    """From the frames alone, pair by pair."""
    chain = timeline.chain()
    return {
        Handover(position=before.position, given=before.last, taken=behind.seed)
        for before, behind in pairwise(chain)
        if before.last is not None and behind.seed is not None and not alike(before.last, behind.seed)
    }


def shape(timeline: Timeline) -> dict[tuple[int, int], tuple[object, ...]]:
    """A timeline without its ids, to compare two of them."""
    return {
        (v.position, v.number): (v.is_current, v.state, v.seed, v.last, v.review, v.is_locked, v.causes)
        for v in timeline.versions.values()
    }
