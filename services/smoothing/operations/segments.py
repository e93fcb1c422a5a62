"""What dispatch and catalog say of segments and of what they belong to."""

from collections.abc import Callable

from services.smoothing import domain, metrics
from services.smoothing.store import CheckStore, RepairStore, SeamStore, SegmentStore, ThresholdStore
from shared.cause import Cause
from shared.errors import NotYetKnown
from shared.postgres import Transaction


class SegmentOperations:
    """`wake` is called after a transaction that left work."""

    def __init__(
        self,
        *,
        segments: SegmentStore,
        seams: SeamStore,
        checks: CheckStore,
        repairs: RepairStore,
        thresholds: ThresholdStore,
        wake: Callable[[], None],
    ) -> None:
        self._segments = segments
        self._seams = seams
        self._checks = checks
        self._repairs = repairs
        self._thresholds = thresholds
        self._wake = wake

    async def receive(self, cause: Cause, segment: domain.Segment) -> None:
        """Keep a copy. Known already, or of something deleted: nothing happens."""
        async with self._segments.transaction(cause) as tx:
            if not await self._segments.is_deleted(tx, segment.belongs_to()):
                await self._segments.insert(tx, segment)

    async def activate(
        self, cause: Cause, segment_id: domain.SegmentId, *, scene_id: int, sequence: int, is_chained: bool
    ) -> None:
        """The version meets its neighbours: what is not known of that is to be measured, and all of it to be said.

        `is_chained`: it was generated as part of its chain, and not in the place of another version; what follows is
        yet to be rendered from it, also where an earlier chain had something there (a promoted test shot starts over).
        Raises NotYetKnown for a segment that may still come.
        """
        async with self._segments.transaction(cause) as tx:
            await self._segments.lock_scene(tx, scene_id)
            segment = await self._segments.find(segment_id, tx=tx)
            owners = ((domain.Deletable.SCENE, scene_id),) if segment is None else segment.belongs_to()
            if await self._segments.is_deleted(tx, owners):
                return
            if segment is None:
                raise NotYetKnown(f"segment:{segment_id}")
            if not segment.is_seamed or not await self._segments.activate(tx, segment, sequence=sequence):
                return
            if is_chained:
                await self._segments.retire_after(tx, segment, sequence=sequence)
            await self._meet_neighbours(tx, segment)
            outcomes = await self._settle_repairs(tx, segment)
        for outcome in outcomes:
            metrics.REPAIRS.labels(outcome.value).inc()
        self._wake()

    async def _meet_neighbours(self, tx: Transaction, segment: domain.Segment) -> None:
        before = await self._segments.current(segment.scene_id, segment.position - 1, tx=tx)
        after = await self._segments.current(segment.scene_id, segment.position + 1, tx=tx)
        for previous, following in ((before, segment), (segment, after)):
            if previous is not None and following is not None:
                pair = domain.Pair(previous_clip_sha256=previous.clip_sha256, next_clip_sha256=following.clip_sha256)
                check_id = await self._checks.ask(tx, pair)
                await self._seams.meet(tx, previous, following, check_id, correlation_id=tx.cause.correlation_id)

    async def _settle_repairs(self, tx: Transaction, segment: domain.Segment) -> list[domain.RepairState]:
        """What this version becoming current makes of the scene's repairs; those that changed."""
        changed = []
        for repair in await self._repairs.made_in(tx, segment.scene_id, segment.position):
            clips = repair.made.clips
            found = {c.position: await self._segments.current(segment.scene_id, c.position, tx=tx) for c in clips}
            current = {position: version for position, version in found.items() if version is not None}
            state = domain.settled(repair.state, repair.id, clips, current)
            if state is not repair.state:
                await self._repairs.settle(tx, repair.id, state)
                changed.append(state)
        return changed

    async def forget(self, cause: Cause, kind: domain.Deletable, thing_id: int) -> None:
        """Something is gone: its seams, limits and queued work go too, and nothing of it comes back."""
        async with self._segments.transaction(cause) as tx:
            await self._segments.bury(tx, kind, thing_id)
            await self._segments.delete_of(tx, kind, thing_id)
            if kind is domain.Deletable.PROJECT:
                await self._thresholds.delete_of(tx, thing_id)
            await self._checks.forget_unasked(tx)
