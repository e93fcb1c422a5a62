"""What several use cases do to the timeline of a scene: load it, look at its frames, save what changed, say so."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from services.dispatch.domain.scenes import Json, Scene, Segment
from services.dispatch.domain.timeline import Activation, Handover, Timeline, Version
from services.dispatch.store import Store
from services.dispatch.store.timelines import Comparisons
from shared.cause import Cause
from shared.clock import Clock, utc_now
from shared.contracts.segment import ActivationReason, BrokenHandover, SegmentActivated, SegmentStaled, StaleSegment
from shared.contracts.types import SceneId, SegmentId
from shared.postgres import Transaction

Look = Callable[[str, str], Awaitable[float | None]]
"""SSIM of two stored frames, -1 when their sizes differ; None when one of them cannot be had."""

ACTOR = "service:dispatch"


class Timelines:
    """`ssim_limit`: two frames at least this alike look the same. Methods that take a transaction expect the lock."""

    def __init__(self, *, store: Store, look: Look, ssim_limit: float, now: Clock = utc_now) -> None:
        self._store = store
        self._look = look
        self._ssim_limit = ssim_limit
        self._now = now

    async def load(self, tx: Transaction, scene_id: int, *, arriving: str | None = None) -> Timeline:
        """`arriving`: a last frame that no version has yet and one is about to get."""
        versions = await self._store.versions_in(tx, scene_id)
        frames = _frames(versions) if arriving is None else [*_frames(versions), arriving]
        known = await self._store.comparisons_in(tx, frames)
        return Timeline.of(versions, self._alike(known), await self._store.joined_in(tx, scene_id))

    async def now(self, scene_id: int) -> Timeline:
        """As it is at this moment, without the lock: to show, not to decide by."""
        versions = await self._store.versions_now(scene_id)
        known = await self._store.comparisons_now(_frames(versions))
        return Timeline.of(versions, self._alike(known), await self._store.joined_now(scene_id))

    def _alike(self, known: Comparisons) -> Callable[[str, str], bool]:
        return lambda given, taken: known.get(frozenset((given, taken)), -1.0) >= self._ssim_limit

    async def compare(self, *, position: int, timeline: Timeline) -> None:
        """Compare the frames on both sides of a position as `timeline` foresees them, where they differ in bytes.

        Looking takes time, so it is done before the transaction that needs to know. What has changed until then is
        not known there, and counts as different.
        """
        pairs = [timeline.handover(position - 1), timeline.handover(position)]
        wanted = [(pair.given, pair.taken) for pair in pairs if pair is not None and pair.given != pair.taken]
        known = await self._store.comparisons_now([frame for pair in wanted for frame in pair])
        for given, taken in wanted:
            if frozenset((given, taken)) in known:
                continue
            ssim = await self._look(given, taken)
            if ssim is not None:
                async with self._store.transaction(Cause.begin(ACTOR)) as tx:
                    await self._store.save_comparison(tx, given, taken, ssim)

    async def save(self, tx: Transaction, scene: Scene, before: Timeline, after: Timeline) -> int:
        """Write down what differs, and say which segments became stale or fresh. Returns the scene's new revision."""
        revision = await self._store.next_revision(tx, scene.id)
        changed = [version for version in after.versions.values() if version != before.versions.get(version.id)]
        for version in changed:
            if not version.is_current and before.version(version.id).is_current:
                await self._store.retire_version(tx, version.id)
        known = await self._store.comparisons_in(tx, _frames(changed))
        for version in changed:
            await self._store.save_version(tx, version, _causes(version, after, known), revision)
        if _current_ids(before) != _current_ids(after):
            await self._store.show_seams(tx, scene.id)
            await self._store.wake_repairs(tx, scene.id, self._now())
        await self._say_staled(tx, scene, before, after, revision)
        return revision

    async def switch(
        self,
        tx: Transaction,
        scene: Scene,
        change: tuple[Timeline, Timeline],
        activations: Mapping[int, Activation],
        reason: ActivationReason,
        *,
        repair_id: UUID,
    ) -> None:
        """Several versions became current at once, by a repair or its undoing: save it, and say it of each."""
        revision = await self.save(tx, scene, *change)
        for segment_id, activation in activations.items():
            segment = await self._store.segment_in(tx, segment_id)
            assert segment is not None  # its scene is locked
            await self.say_activated(tx, segment, activation, reason, revision, repair_id=repair_id)

    async def say_activated(
        self,
        tx: Transaction,
        segment: Segment,
        activation: Activation,
        reason: ActivationReason,
        revision: int,
        *,
        repair_id: UUID | None = None,
    ) -> None:
        """The version's own record of what it caused, and the event. `repair_id`: of what was accepted or undone."""
        assert segment.clip is not None  # only what was rendered can be current
        if segment.regeneration_count > 0 or reason is ActivationReason.REVERTED:
            await self.record(tx, segment.id, activation)
        await tx.emit(
            SegmentActivated(
                scene_id=SceneId(segment.scene_id),
                segment_id=SegmentId(segment.id),
                position=segment.position,
                version=segment.version,
                previous_segment_id=(
                    None if segment.previous_segment_id is None else SegmentId(segment.previous_segment_id)
                ),
                clip_sha256=segment.clip.sha256,
                reason=reason,
                repair_id=repair_id,
                sequence=revision,
            )
        )

    async def record(self, tx: Transaction, segment_id: int, activation: Activation) -> None:
        await self._store.save_activation(tx, segment_id, activation_json(activation))

    async def _say_staled(
        self, tx: Transaction, scene: Scene, before: Timeline, after: Timeline, revision: int
    ) -> None:
        was, now = _stale(before), _stale(after)
        stale = [v for v in after.chain() if v.is_stale and was.get(v.position) != v.causes]
        fresh = [v for v in after.chain() if not v.is_stale and v.position in was]
        if not stale and not fresh:
            return
        await tx.emit(
            SegmentStaled(
                scene_id=SceneId(scene.id),
                became_stale=tuple(_stale_segment(v, after) for v in stale),
                became_fresh=tuple(SegmentId(v.id) for v in fresh),
                stale_count=len(now),
                staled_at=self._now(),
                sequence=revision,
            )
        )


def activation_json(activation: Activation) -> dict[str, Any]:
    return {
        "outcome": activation.outcome.value,
        "reason": activation.reason,
        "became_stale": list(activation.became_stale),
        "became_fresh": list(activation.became_fresh),
    }


def _frames(versions: "list[Version]") -> list[str]:
    frames = [version.seed for version in versions] + [version.last for version in versions]
    frames += [frame for version in versions for cause in version.causes for frame in (cause.given, cause.taken)]
    return sorted({frame for frame in frames if frame is not None})


def _current_ids(timeline: Timeline) -> set[int]:
    return {version.id for version in timeline.chain()}


def _stale(timeline: Timeline) -> dict[int, tuple[Handover, ...]]:
    return {version.position: version.causes for version in timeline.chain() if version.is_stale}


def _causes(version: Version, timeline: Timeline, known: Comparisons) -> list[Json]:
    return [
        {
            "position": cause.position,
            "segment_id": _handing_over(cause, timeline).id,
            "given": cause.given,
            "taken": cause.taken,
            "ssim": known.get(frozenset((cause.given, cause.taken))),
            "chain": list(range(cause.position, version.position + 1)),
        }
        for cause in version.causes
    ]


def _handing_over(cause: Handover, timeline: Timeline) -> Version:
    version = timeline.current(cause.position)
    assert version is not None  # a broken hand-over is between two current versions
    return version


def _stale_segment(version: Version, timeline: Timeline) -> StaleSegment:
    return StaleSegment(
        segment_id=SegmentId(version.id),
        position=version.position,
        causes=tuple(
            BrokenHandover(
                position=cause.position,
                segment_id=SegmentId(_handing_over(cause, timeline).id),
                given_sha256=cause.given,
                taken_sha256=cause.taken,
            )
            for cause in version.causes
        ),
    )
