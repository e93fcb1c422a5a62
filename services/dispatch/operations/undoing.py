"""Undoing an accepted repair of a seam."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.dispatch.domain.errors import Conflict, NotFound
from services.dispatch.domain.repairs import Repair, RepairState, undone
from services.dispatch.domain.scenes import Scene, Segment
from services.dispatch.domain.timeline import Activation, Timeline
from services.dispatch.metrics import REPAIRS
from services.dispatch.operations.score_gates import ScoreGates
from services.dispatch.operations.timelines import Timelines
from services.dispatch.store import Store
from shared.cause import Cause
from shared.contracts.segment import ActivationReason
from shared.postgres import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """`segments`: the versions that are there again, first position first. No activations: it was undone before."""

    segments: Sequence[Segment]
    activations: Sequence[Activation]


class UndoOperations:
    def __init__(self, *, store: Store, timelines: Timelines, gates: ScoreGates, new_work: Callable[[], None]) -> None:
        self._store = store
        self._timelines = timelines
        self._gates = gates
        self._new_work = new_work

    async def undo(self, repair_id: UUID, *, overwrite: frozenset[int], cause: Cause) -> Undone:
        """Bring the version back that each of its clips was made from, as far as the clip is current still.

        A second call changes nothing. Raises Conflict when nothing of it is current, when it was not accepted, and when
        it would replace a protected version that is not named.
        """
        await self._compare(repair_id, overwrite)
        async with self._store.transaction(cause) as tx:
            scene, repair = await self._hold(tx, repair_id)
            before = await self._timelines.load(tx, scene.id)
            if _is_undone(repair, before):
                bases = [before.version(one).based_on for one in repair.made]
                return Undone(segments=[await self._segment(tx, base) for base in bases if base], activations=())
            after, activations = undone(before, repair.made, overwrite=overwrite)
            await self._timelines.switch(
                tx, scene, (before, after), activations, ActivationReason.REVERTED, repair_id=repair.id
            )
            await self._store.end_repair(tx, repair.id, RepairState.UNDONE)
            await self._gates.settle(tx, scene.id)
            restored = [await self._segment(tx, segment_id) for segment_id in activations]
        self._new_work()
        REPAIRS.labels("undone").inc()
        return Undone(segments=restored, activations=list(activations.values()))

    async def _hold(self, tx: Transaction, repair_id: UUID) -> tuple[Scene, Repair]:
        """With the scene's lock."""
        known = await self._store.repair_in(tx, repair_id)
        scene = None if known is None else await self._store.lock_scene(tx, known.scene_id)
        repair = None if scene is None else await self._store.repair_in(tx, repair_id)
        if scene is None or repair is None:
            raise NotFound(f"there is no repair {repair_id} that was ever proposed: there is nothing to undo")
        repair.refuse_undo_unless_accepted()
        return scene, repair

    async def _compare(self, repair_id: UUID, overwrite: frozenset[int]) -> None:
        """Look at the frames that it would bring together, before the transaction that needs to know."""
        repair = await self._store.repair(repair_id)
        if repair is None:
            return
        timeline = await self._timelines.now(repair.scene_id)
        try:
            foreseen, activations = undone(timeline, repair.made, overwrite=overwrite)
        except Conflict:
            return
        for version_id in activations:
            await self._timelines.compare(position=foreseen.version(version_id).position, timeline=foreseen)

    async def _segment(self, tx: Transaction, segment_id: int) -> Segment:
        segment = await self._store.segment_in(tx, segment_id)
        assert segment is not None  # versions go with their scene, whose lock is held
        return segment


def _is_undone(repair: Repair, timeline: Timeline) -> bool:
    """Not if a person made a version of it current again since."""
    return repair.state is RepairState.UNDONE and not any(timeline.version(one).is_current for one in repair.made)
