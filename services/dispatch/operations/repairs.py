"""Repairs of seams: proposed by smoothing, made candidates, scored, and accepted or refused as a whole."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.dispatch.domain.errors import Conflict, DomainError
from services.dispatch.domain.repairs import (
    Candidate,
    Judgement,
    Repair,
    RepairDraft,
    RepairedClip,
    RepairState,
    accepted,
    candidates,
    judge,
)
from services.dispatch.domain.scenes import Clip, Json, Scene, Segment
from services.dispatch.domain.timeline import Activation, Outcome, Timeline
from services.dispatch.metrics import REPAIRS
from services.dispatch.operations.events import generated_event
from services.dispatch.operations.score_gates import ScoreGates
from services.dispatch.operations.timelines import ACTOR, Timelines
from services.dispatch.store import Store
from shared.cause import Cause
from shared.clock import Clock, utc_now
from shared.contracts.boundary import BoundaryRepairRejected, BoundarySmoothed, SeamReading
from shared.contracts.segment import ActivationReason
from shared.contracts.types import SceneId
from shared.postgres import Transaction

AGAIN_AFTER = timedelta(seconds=10)
"""A look at a repair that broke off, by a crash or because the media store was away, is repeated after so long."""


class RepairOperations:
    """`patience_seconds`: how long a repair waits for the scores that decide on it."""

    def __init__(
        self,
        *,
        store: Store,
        timelines: Timelines,
        gates: ScoreGates,
        new_work: Callable[[], None],
        patience_seconds: float,
        now: Clock = utc_now,
    ) -> None:
        self._store = store
        self._timelines = timelines
        self._gates = gates
        self._new_work = new_work
        self._patience = timedelta(seconds=patience_seconds)
        self._now = now

    async def smoothed(self, event: BoundarySmoothed, cause: Cause) -> None:
        """Write it down; a worker goes on with it. Of something deleted: refused at once."""
        now = self._now()
        async with self._store.transaction(cause) as tx:
            await self._store.lock_scene(tx, event.scene_id)
            if await self._store.repair_in(tx, event.repair_id) is not None:
                return
            sides = [await self._store.segment_in(tx, side.segment_id) for side in (event.previous, event.next)]
            if any(side is None or side.scene_id != event.scene_id for side in sides):
                await tx.emit(
                    BoundaryRepairRejected(
                        repair_id=event.repair_id,
                        scene_id=event.scene_id,
                        rejected_by="dispatch",
                        reasons=("a segment of the boundary does not exist any more",),
                        before=event.before,
                        after=event.after,
                        rejected_at=now,
                    )
                )
                return
            await self._store.add_repair(tx, _draft_of(event, cause, deadline_at=now + self._patience), now=now)

    async def take(self) -> Repair | None:
        """One that is due to be looked at. One that could not even be taken up before its deadline is refused."""
        now = self._now()
        async with self._store.transaction(Cause.begin(ACTOR)) as tx:
            repair = await self._store.take_repair(tx, now=now, again_at=now + AGAIN_AFTER)
        if repair is not None and repair.state is RepairState.PROPOSED and now >= repair.deadline_at:
            await self.refuse(repair.id, "its clips could not be looked at in time", repair.correlation_id)
            return None
        return repair

    async def refuse(self, repair_id: UUID, reason: str, correlation_id: UUID) -> None:
        async with self._store.transaction(Cause.begin(ACTOR, correlation_id)) as tx:
            held = await self._hold(tx, repair_id)
            if held is not None and held[1].state.is_open:
                await self._reject(tx, held[1], (reason,))

    async def propose(self, repair: Repair) -> None:
        """Make its clips, which are stored, candidates of their positions, and have them scored; all or none."""
        async with self._store.transaction(Cause.begin(ACTOR, repair.correlation_id)) as tx:
            held = await self._hold(tx, repair.id)
            if held is None or held[1].state is not RepairState.PROPOSED:
                return
            scene, repair = held
            timeline = await self._timelines.load(tx, scene.id)
            chain = {segment.id: segment for segment in await self._store.chain(tx, scene.id)}
            clips = {segment.id: None if segment.clip is None else segment.clip.sha256 for segment in chain.values()}
            try:
                if not scene.is_persons:
                    raise Conflict(f"scene {scene.id} was rendered for a {scene.purpose.value}, which stays as it is")
                found = candidates(timeline, repair, clips=clips)
            except DomainError as refusal:
                await self._reject(tx, repair, (str(refusal),))
                return
            await self._add(tx, scene, repair, found, chain)

    async def decide(self, repair: Repair) -> None:
        """Accept or refuse it when the scores are there; refuse it at once when what it is made from is not current.

        Frames are compared before the transaction; what has changed until then is not known and counts as different.
        """
        now = self._now()
        if now < repair.deadline_at:
            await self._compare(repair)
        async with self._store.transaction(Cause.begin(ACTOR, repair.correlation_id)) as tx:
            held = await self._hold(tx, repair.id)
            if held is None or held[1].state is not RepairState.SCORING:
                return
            scene, repair = held
            assert repair.joined is not None  # there are candidates
            before = await self._timelines.load(tx, scene.id)
            try:
                after, activations = accepted(before, repair.joined)
            except Conflict as refusal:
                await self._reject(tx, repair, (str(refusal),))
                return
            judgement = await self._judge(tx, repair)
            if judgement.is_accepted:
                await self._accept(tx, scene, repair, (before, after), activations)
            elif judgement.worse:
                await self._reject(tx, repair, judgement.worse)
            elif now >= repair.deadline_at:
                await self._reject(tx, repair, (f"no decision in time: {judgement.waits_for}",))
            else:
                await self._store.await_scores(tx, repair.id, joined=repair.joined, due_at=repair.deadline_at)
        self._new_work()

    async def _hold(self, tx: Transaction, repair_id: UUID) -> tuple[Scene, Repair] | None:
        """With the scene's lock. None: it went with its scene."""
        known = await self._store.repair_in(tx, repair_id)
        scene = None if known is None else await self._store.lock_scene(tx, known.scene_id)
        repair = None if scene is None else await self._store.repair_in(tx, repair_id)
        return None if scene is None or repair is None else (scene, repair)

    async def _add(
        self, tx: Transaction, scene: Scene, repair: Repair, found: Sequence[Candidate], chain: Mapping[int, Segment]
    ) -> None:
        now = self._now()
        by_position = {segment.position: segment for segment in chain.values()}
        joined = {repair.previous_id: repair.previous_id, repair.next_id: repair.next_id}
        for candidate in found:
            based_on = candidate.based_on
            before = by_position.get(based_on.position - 1)
            side = "after" if based_on.id == repair.previous_id else "before"
            joined[based_on.id] = await self._store.add_candidate(
                tx,
                repair,
                candidate,
                previous_clip_sha256=None if before is None or before.clip is None else before.clip.sha256,
                made=_made_of(repair, candidate.repaired, side),
                now=now,
            )
            segment = by_position[based_on.position] = await self._segment(tx, joined[based_on.id])
            await tx.emit(generated_event(scene, segment))
        pair = (joined[repair.previous_id], joined[repair.next_id])
        await self._store.await_scores(tx, repair.id, joined=pair, due_at=repair.deadline_at)
        await self._keep_reading(tx, repair, pair)
        REPAIRS.labels("proposed").inc()

    async def _keep_reading(self, tx: Transaction, repair: Repair, pair: tuple[int, int]) -> None:
        """What smoothing measured at the repaired seam holds until it measures that pair again."""
        sides = [await self._segment(tx, segment_id) for segment_id in pair]
        previous, following = [(side.id, side.clip.sha256 if side.clip else "") for side in sides]
        await self._store.save_seam(
            tx,
            scene_id=repair.scene_id,
            previous=previous,
            following=following,
            ssim=SeamReading.model_validate(repair.after).ssim,
            sequence=0,
        )

    async def _accept(
        self,
        tx: Transaction,
        scene: Scene,
        repair: Repair,
        change: tuple[Timeline, Timeline],
        activations: Mapping[int, Activation],
    ) -> None:
        await self._timelines.switch(tx, scene, change, activations, ActivationReason.REPAIRED, repair_id=repair.id)
        await self._gates.settle(tx, scene.id)
        await self._store.end_repair(tx, repair.id, RepairState.ACCEPTED)
        REPAIRS.labels("accepted").inc()

    async def _reject(self, tx: Transaction, repair: Repair, reasons: Sequence[str]) -> None:
        """Its candidates stay, as versions that were refused."""
        refused = Activation(outcome=Outcome.HELD, reason=f"refused: {'; '.join(reasons)}")
        for segment_id in repair.made:
            await self._timelines.record(tx, segment_id, refused)
        await self._store.end_repair(tx, repair.id, RepairState.REJECTED, reasons=reasons)
        await tx.emit(
            BoundaryRepairRejected(
                repair_id=repair.id,
                scene_id=SceneId(repair.scene_id),
                rejected_by="dispatch",
                reasons=tuple(reasons),
                before=SeamReading.model_validate(repair.before),
                after=SeamReading.model_validate(repair.after),
                rejected_at=self._now(),
            )
        )
        REPAIRS.labels("rejected").inc()

    async def _judge(self, tx: Transaction, repair: Repair) -> Judgement:
        pairs = []
        for segment_id in repair.made:
            candidate = await self._segment(tx, segment_id)
            assert candidate.previous_segment_id is not None  # versions go with their scene, never one by one
            pairs.append((await self._segment(tx, candidate.previous_segment_id), candidate))
        return judge(pairs)

    async def _compare(self, repair: Repair) -> None:
        """Look at the frames that accepting it would bring together."""
        assert repair.joined is not None
        timeline = await self._timelines.now(repair.scene_id)
        try:
            foreseen, _ = accepted(timeline, repair.joined)
        except DomainError:
            return
        for version_id in repair.joined:
            await self._timelines.compare(position=foreseen.version(version_id).position, timeline=foreseen)

    async def _segment(self, tx: Transaction, segment_id: int) -> Segment:
        segment = await self._store.segment_in(tx, segment_id)
        assert segment is not None  # versions go with their scene, whose lock is held
        return segment


def _made_of(repair: Repair, repaired: RepairedClip, side: str) -> Json:
    return {
        "method": repair.method,
        "side": side,
        "changed_frames": repaired.changed_frames,
        "dropped_at_start": repaired.dropped_at_start,
        "dropped_at_end": repaired.dropped_at_end,
    }


def _draft_of(event: BoundarySmoothed, cause: Cause, *, deadline_at: datetime) -> RepairDraft:
    return RepairDraft(
        id=event.repair_id,
        scene_id=event.scene_id,
        previous_id=event.previous.segment_id,
        previous_clip_sha256=event.previous.clip_sha256,
        next_id=event.next.segment_id,
        next_clip_sha256=event.next.clip_sha256,
        method=event.method.value,
        clips=[
            RepairedClip(
                based_on=made.segment_id,
                based_on_clip_sha256=made.based_on_clip_sha256,
                clip=Clip(**made.clip.model_dump(), last_frame_sha256=made.last_frame_sha256),
                changed_frames=made.changed_frames,
                dropped_at_start=made.dropped_at_start,
                dropped_at_end=made.dropped_at_end,
            )
            for made in event.clips
        ],
        before=event.before.model_dump(mode="json"),
        after=event.after.model_dump(mode="json"),
        overwrite=frozenset(event.overwrite),
        requested_by=event.requested_by,
        correlation_id=cause.correlation_id,
        deadline_at=deadline_at,
    )
