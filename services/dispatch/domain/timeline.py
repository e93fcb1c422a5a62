"""The versions of a scene's positions: which one is current, which ones need a second look, and why.

Every segment is rendered from one frame, and hands its own last frame over to the next position. A hand-over is broken
when the current version before it ends on another frame than the current version after it was rendered from, and the
two are not perceptually equal either. A segment is stale as long as a hand-over anywhere before it is broken that was
not accepted for this very version. Staleness is worked out from the frames after every change and never set by hand,
so no order of events can leave a segment fresh that is not; reverting a change takes away what it caused.

Two acts accept broken hand-overs: approving a segment (it is good as it is), and regenerating it (it follows today's
frame, whatever is still open further up). What was accepted is that pair of frames: another frame breaks it anew.
A repair of a seam does more: where two versions were made to join, and were measured to, their hand-over is not broken,
whatever its frames are. That holds for these two versions only.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from services.dispatch.domain.errors import Conflict, NotFound
from services.dispatch.domain.scenes import Review, SegmentState


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Handover:
    """From `position` to the one after it: the frame that is `given` now, and the one that was `taken` then."""

    position: int
    given: str
    taken: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of one position, as far as currency and staleness go.

    `seed` is the frame it is rendered from, `last` the one it ends on. `based_on`: the version that was current when
    it was asked for. `may_overwrite`: whoever asked for it named a protected version. `causes`: the broken hand-overs
    that make it stale. `is_candidate`: made by a repair that was not accepted; it cannot be current.
    """

    id: int
    position: int
    number: int = 0
    based_on: int | None = None
    is_current: bool = True
    state: SegmentState = SegmentState.PLANNED
    seed: str | None = None
    last: str | None = None
    review: Review = Review.NONE
    is_locked: bool = False
    may_overwrite: bool = False
    is_candidate: bool = False
    accepted: frozenset[Handover] = frozenset()
    causes: tuple[Handover, ...] = ()

    @property
    def is_stale(self) -> bool:
        return bool(self.causes)

    @property
    def is_protected(self) -> bool:
        return self.is_locked or self.review is Review.APPROVED

    @property
    def is_awaited(self) -> bool:
        """A regeneration that has not come back."""
        return not self.is_current and self.state is SegmentState.QUEUED

    @property
    def protection(self) -> str:
        return "locked" if self.is_locked else "approved"


class Outcome(StrEnum):
    """What a new current version meant for the segments after it."""

    LAST = "last"
    NOTHING_RENDERED_AFTER = "nothing_rendered_after"
    EQUAL_BYTES = "equal_bytes"
    PERCEPTUALLY_EQUAL = "perceptually_equal"
    JOINED = "joined"
    CHANGED = "changed"
    HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """`became_stale` and `became_fresh`: positions. HELD: it was kept, and the current version stayed."""

    outcome: Outcome
    reason: str
    became_stale: tuple[int, ...] = ()
    became_fresh: tuple[int, ...] = ()

    @property
    def is_activated(self) -> bool:
        return self.outcome is not Outcome.HELD


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A version to be rendered: where, from which frame, and what that accepts."""

    position: int
    number: int
    based_on: int
    seed: str
    may_overwrite: bool
    accepted: frozenset[Handover]


Alike = Callable[[str, str], bool]


@dataclass(frozen=True, slots=True)
class Timeline:
    """All versions of one scene by id. `alike`: whether two frames that are not byte-equal look the same.

    A pair that nobody has compared is not alike: not knowing makes stale, never fresh. `joined`: ids of versions that a
    repair made to follow each other.
    """

    versions: Mapping[int, Version]
    alike: Alike
    joined: frozenset[tuple[int, int]] = frozenset()

    @classmethod
    def of(
        cls, versions: Iterable[Version], alike: Alike, joined: frozenset[tuple[int, int]] = frozenset()
    ) -> "Timeline":
        return cls({version.id: version for version in versions}, alike, joined)

    def version(self, version_id: int) -> Version:
        if version_id not in self.versions:
            raise NotFound(f"there is no segment {version_id}")
        return self.versions[version_id]

    def current(self, position: int) -> Version | None:
        return next((v for v in self.versions.values() if v.is_current and v.position == position), None)

    def chain(self) -> list[Version]:
        return sorted((v for v in self.versions.values() if v.is_current), key=lambda v: v.position)

    def after(self, position: int) -> list[Version]:
        return [v for v in self.chain() if v.position > position]

    def awaited(self, position: int) -> Version | None:
        """The regeneration of this position that has not come back; there is at most one."""
        return next((v for v in self.versions.values() if v.is_awaited and v.position == position), None)

    def handover(self, position: int) -> Handover | None:
        """None where one of the two is not rendered, or does not know yet what from."""
        before, behind = self.current(position), self.current(position + 1)
        if before is None or behind is None or before.last is None or behind.seed is None:
            return None
        return Handover(position=position, given=before.last, taken=behind.seed)

    def broken(self) -> tuple[Handover, ...]:
        found = (self.handover(version.position) for version in self.chain())
        return tuple(h for h in found if h is not None and self.is_broken(h))

    def is_broken(self, handover: Handover) -> bool:
        if handover.given == handover.taken or self.is_joined(handover.position):
            return False
        return not self.alike(handover.given, handover.taken)

    def is_joined(self, position: int) -> bool:
        before, behind = self.current(position), self.current(position + 1)
        return before is not None and behind is not None and (before.id, behind.id) in self.joined

    def settled(self) -> "Timeline":
        """With the staleness of every version worked out anew; only current versions can be stale."""
        broken = self.broken()

        def causes(version: Version) -> tuple[Handover, ...]:
            if not version.is_current:
                return ()
            return tuple(h for h in broken if h.position < version.position and h not in version.accepted)

        return self.with_versions(*(replace(v, causes=causes(v)) for v in self.versions.values()))

    def replacement(self, version_id: int, *, overwrite: frozenset[int] = frozenset()) -> Replacement:
        """What regenerating this segment will render. It starts from the frame that the position before ends on now.

        Raises Conflict unless it is the current version, has a clip, is not being regenerated already, and, if it is
        locked, is named in `overwrite`. An approved one is named by being asked for.
        """
        version = self.version(version_id)
        self._refuse_unless_current(version)
        if version.state is not SegmentState.GENERATED or version.seed is None:
            raise Conflict(
                f"segment {version_id} is {version.state.value}; only one that has a clip can be regenerated"
            )
        awaited = self.awaited(version.position)
        if awaited is not None:
            raise Conflict(f"segment {version_id} is being regenerated as segment {awaited.id}; wait for it")
        refuse_protected(version, named=overwrite | {version_id}, unlocking=overwrite)
        before = self.current(version.position - 1)
        return Replacement(
            position=version.position,
            number=1 + max(v.number for v in self.versions.values() if v.position == version.position),
            based_on=version.id,
            seed=version.seed if before is None or before.last is None else before.last,
            may_overwrite=version.is_protected,
            accepted=frozenset(h for h in self.broken() if h.position < version.position - 1),
        )

    def asked(self, version_id: int, replacement: Replacement) -> "Timeline":
        """The regeneration has a row of its own and waits for its render."""
        version = Version(
            id=version_id,
            position=replacement.position,
            number=replacement.number,
            based_on=replacement.based_on,
            is_current=False,
            state=SegmentState.QUEUED,
            seed=replacement.seed,
            may_overwrite=replacement.may_overwrite,
            accepted=replacement.accepted,
        )
        return self.with_versions(version)

    def arrived(self, version_id: int, *, last: str) -> "tuple[Timeline, Activation | None]":
        """A render came back. None when it had come before, or nobody waits for it any more: then nothing changes.

        A regeneration becomes current only if the version it was asked for still is, and was not approved or locked
        since; otherwise it is kept beside it, and can be made current by hand.
        """
        version = self.version(version_id)
        if version.state not in (SegmentState.PLANNED, SegmentState.QUEUED):
            return self, None
        rendered = self.with_versions(replace(version, state=SegmentState.GENERATED, last=last))
        if version.is_current:
            return rendered.settled(), rendered.told(version.position, self)
        current = self.current(version.position)
        if current is None or current.id != version.based_on:
            return rendered, _held("another version became current while it was rendered")
        if current.is_protected and not version.may_overwrite:
            return rendered, _held(f"segment {current.id} was {current.protection} while it was rendered")
        return rendered._activate(version_id)

    def ended(self, version_id: int, state: SegmentState) -> "Timeline":
        """A regeneration that failed or was cancelled: the current version stays."""
        return self.with_versions(replace(self.version(version_id), state=state))

    def reverted(
        self, version_id: int, *, overwrite: frozenset[int] = frozenset()
    ) -> "tuple[Timeline, Version, Activation]":
        """Make an earlier version current: the one named, or, if that is the current one, the one it replaced.

        Raises Conflict when there is nothing to go back to, or it would replace a protected version not named.
        """
        named = self.version(version_id)
        current = self.current(named.position)
        assert current is not None  # every position has a current version from the start
        target = self._before(current) if named.id == current.id else named
        if target.state is not SegmentState.GENERATED:
            raise Conflict(
                f"segment {target.id} is {target.state.value}; only a version that has a clip can be current"
            )
        if target.is_candidate:
            raise Conflict(f"segment {target.id} is a repair that was not accepted; repair the boundary again")
        refuse_protected(current, named=overwrite | {version_id}, unlocking=overwrite)
        timeline, activation = self._activate(target.id)
        return timeline, target, activation

    def approved(self, version_id: int) -> "Timeline":
        """It is good as it is: every hand-over that is broken before it now is accepted for it."""
        version = self.version(version_id)
        accepted = version.accepted | frozenset(version.causes)
        return self._kept(replace(version, review=Review.APPROVED, accepted=accepted)).settled()

    def rejected(self, version_id: int) -> "Timeline":
        """What was accepted for it is not accepted any more."""
        rejected = replace(self.version(version_id), review=Review.REJECTED, accepted=frozenset())
        return self.with_versions(rejected).settled()

    def locked(self, version_id: int) -> "Timeline":
        version = self.version(version_id)
        self._refuse_unless_current(version)
        return self._kept(replace(version, is_locked=True))

    def unlocked(self, version_id: int) -> "Timeline":
        return self.with_versions(replace(self.version(version_id), is_locked=False))

    def _before(self, current: Version) -> Version:
        if current.based_on is None or current.based_on not in self.versions:
            raise Conflict(f"segment {current.id} is the first version of its position; there is nothing to go back to")
        return self.versions[current.based_on]

    def _activate(self, version_id: int) -> "tuple[Timeline, Activation]":
        """Also when it is current already: then nothing changes."""
        timeline = self.with_current(version_id)
        return timeline.settled(), timeline.told(self.version(version_id).position, self)

    def with_current(self, *version_ids: int) -> "Timeline":
        """These are the current ones of their positions; staleness is not worked out yet."""
        chosen = {self.version(version_id).position: version_id for version_id in version_ids}
        return self.with_versions(
            *(replace(v, is_current=v.id == chosen[v.position]) for v in self.versions.values() if v.position in chosen)
        )

    def told(self, position: int, earlier: "Timeline") -> Activation:
        was = {v.position for v in earlier.chain() if v.is_stale}
        now = {v.position for v in self.settled().chain() if v.is_stale}
        outcome, reason = self._outcome(position)
        return Activation(
            outcome=outcome,
            reason=reason,
            became_stale=tuple(sorted(now - was)),
            became_fresh=tuple(sorted(was - now)),
        )

    def _outcome(self, position: int) -> tuple[Outcome, str]:
        if self.current(position + 1) is None:
            return Outcome.LAST, "it is the last segment: nothing continues from it"
        handover = self.handover(position)
        if handover is None:
            return Outcome.NOTHING_RENDERED_AFTER, "the segment after it is not rendered yet"
        if handover.given == handover.taken:
            return Outcome.EQUAL_BYTES, f"it ends on the very frame that segment {position + 1} was rendered from"
        if self.is_joined(position):
            return Outcome.JOINED, f"its boundary with segment {position + 1} was repaired, and joins"
        if self.alike(handover.given, handover.taken):
            return Outcome.PERCEPTUALLY_EQUAL, (
                f"its last frame looks like the one that segment {position + 1} was rendered from, within the limit"
            )
        return Outcome.CHANGED, f"it ends on another frame than the one that segment {position + 1} was rendered from"

    def _kept(self, version: Version) -> "Timeline":
        """A version that was just protected is not overwritten by what was asked for before."""
        asked = (v for v in self.versions.values() if v.position == version.position)
        kept = (replace(v, may_overwrite=False) for v in asked if v.is_awaited or v.is_candidate)
        return self.with_versions(*kept, version)

    def with_versions(self, *versions: Version) -> "Timeline":
        return replace(self, versions={**self.versions, **{version.id: version for version in versions}})

    def _refuse_unless_current(self, version: Version) -> None:
        if not version.is_current:
            current = self.current(version.position)
            shown = "" if current is None else f"; that is segment {current.id}"
            raise Conflict(f"segment {version.id} is not the current version of its position{shown}")


def _held(reason: str) -> Activation:
    return Activation(outcome=Outcome.HELD, reason=reason)


def refuse_protected(version: Version, *, named: frozenset[int], unlocking: frozenset[int]) -> None:
    if version.is_locked and version.id not in unlocking:
        raise Conflict(f"segment {version.id} is locked; unlock it, or name it in overwrite")
    if version.review is Review.APPROVED and version.id not in named:
        raise Conflict(f"segment {version.id} is approved; name it in overwrite to replace it")
