"""The use cases of repairs: asked for, made, proposed, and what became of them. Nothing is repaired unasked."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from services.smoothing import domain, metrics
from services.smoothing.operations.checking import ACTOR
from services.smoothing.operations.wire import checked, rejected, smoothed
from services.smoothing.store import RepairStore, SeamStore, SegmentStore, ThresholdStore
from shared.cause import Cause
from shared.clock import Clock, utc_now
from shared.ids import uuid7
from shared.postgres import Transaction


class RepairOperations:
    """`wake` is called after a transaction that left work. `patience_seconds`: how long a proposal waits for whoever
    decides on it."""

    def __init__(
        self,
        *,
        segments: SegmentStore,
        seams: SeamStore,
        repairs: RepairStore,
        thresholds: ThresholdStore,
        lease_seconds: float,
        patience_seconds: float,
        wake: Callable[[], None],
        now: Clock = utc_now,
    ) -> None:
        self._segments = segments
        self._seams = seams
        self._repairs = repairs
        self._thresholds = thresholds
        self._lease_seconds = lease_seconds
        self._patience_seconds = patience_seconds
        self._wake = wake
        self._now = now

    async def request(self, cause: Cause, wish: domain.Wish) -> UUID:
        """Queue a repair. Raises NotFound, Conflict and Refused; see `domain.refuse_wish`."""
        async with self._repairs.transaction(cause) as tx:
            meeting = await self._meeting(tx, wish.segment_id, wish.side)
            domain.refuse_wish(meeting, open_repair=await self._repairs.open_of(tx, meeting.id))
            repair_id = uuid7()
            await self._repairs.add(tx, repair_id, wish, meeting, requested_by=cause.actor)
        self._wake()
        return repair_id

    async def accept(self, cause: Cause, segment_id: domain.SegmentId, side: domain.Side) -> domain.SeamId:
        """A person says that the seam is fine as it is: its numbers stay, and who said so is kept and said.

        Raises as `request` does.
        """
        async with self._repairs.transaction(cause) as tx:
            meeting = await self._meeting(tx, segment_id, side)
            domain.refuse_wish(meeting, open_repair=await self._repairs.open_of(tx, meeting.id))
            await self._seams.accept(tx, meeting.id, accepted_by=cause.actor)
            thresholds = await self._thresholds.of(meeting.next.project_id, tx=tx)
            sequence = await self._seams.said(tx, meeting.id, thresholds_version=thresholds.version)
            accepted = await self._seams.find(meeting.id, tx=tx)
            assert accepted is not None  # its scene is locked
            await tx.emit(checked(accepted, thresholds.limits, sequence=sequence))
        metrics.REPAIRS.labels("accepted").inc()
        return meeting.id

    async def _meeting(self, tx: Transaction, segment_id: domain.SegmentId, side: domain.Side) -> domain.Meeting:
        """The seam at that end of a version that is current, with its scene's lock."""
        segment = await self._segments.find(segment_id, tx=tx)
        if segment is None or not segment.is_seamed:
            raise domain.NotFound(f"there is no rendered segment {segment_id} of a scene")
        await self._segments.lock_scene(tx, segment.scene_id)
        if await self._segments.is_deleted(tx, segment.belongs_to()):
            raise domain.NotFound(f"segment {segment_id} was deleted at this moment")
        current = await self._segments.current(segment.scene_id, segment.position, tx=tx)
        if current is None or current.id != segment.id:
            shown = "none is yet" if current is None else f"segment {current.id} is"
            raise domain.Conflict(f"segment {segment_id} is not the current version of its position; {shown}")
        position = segment.position + (-1 if side is domain.Side.BEFORE else 1)
        if not 1 <= position <= segment.segment_count:
            raise domain.Refused(f"segment {segment_id} is at the end of its scene: there is nothing {side} it")
        neighbour = await self._segments.current(segment.scene_id, position, tx=tx)
        if neighbour is None:
            raise domain.Conflict(f"position {position} of the scene is not rendered yet")
        previous, following = (neighbour, segment) if side is domain.Side.BEFORE else (segment, neighbour)
        meeting = await self._seams.between(previous.id, following.id, tx=tx)
        assert meeting is not None  # current neighbours meet from the moment they are current
        return meeting

    async def cancel(self, cause: Cause, repair_id: UUID) -> None:
        """Before anybody works on it. A second call changes nothing. Raises NotFound and Conflict."""
        async with self._repairs.transaction(cause) as tx:
            repair = await self._hold(tx, repair_id)
            if repair is None:
                raise domain.NotFound(f"there is no repair {repair_id}")
            if repair.state is domain.RepairState.CANCELLED:
                return
            if repair.state is not domain.RepairState.QUEUED:
                raise domain.Conflict(f"only a queued repair can be cancelled; repair {repair_id} is {repair.state}")
            await self._repairs.settle(tx, repair_id, domain.RepairState.CANCELLED)
        metrics.REPAIRS.labels("cancelled").inc()

    async def claim(self) -> domain.RepairJob | None:
        """A repair to make, on lease; None if there is none.

        One that was given up, or whose versions do not meet any more, is rejected here instead.
        """
        async with self._repairs.transaction(Cause.begin(ACTOR)) as tx:
            job = await self._repairs.claim(tx, token=uuid7(), lease_seconds=self._lease_seconds)
            if job is not None:
                thresholds = await self._thresholds.of(job.meeting.next.project_id, tx=tx)
                job = replace(job, limits=thresholds.limits)
        metrics.REPAIRS_OPEN.set(await self._repairs.count_open())
        if job is None:
            return None
        if job.claims == 1:
            metrics.WAIT_SECONDS.labels("repair").observe(max(0.0, job.waited_seconds))
        reason = domain.given_up(claims=job.claims, crashes=job.crashes)
        if reason is None and not job.meeting.is_current:
            reason = domain.replaced(job.meeting)
        if reason is not None:
            await self.finish(job, domain.Made(reasons=(reason,)), make_seconds=0.0)
            return None
        return job

    async def extend(self, job: domain.RepairJob) -> bool:
        """False if the lease was lost."""
        async with self._repairs.transaction(Cause.begin(ACTOR)) as tx:
            return await self._repairs.extend(tx, job, lease_seconds=self._lease_seconds)

    async def progressed(self, job: domain.RepairJob, progress: domain.Progress) -> bool:
        """Whoever waits sees how far it is. False if the lease was lost."""
        async with self._repairs.transaction(Cause.begin(ACTOR)) as tx:
            return await self._repairs.progressed(tx, job, progress)

    async def give_back(self, job: domain.RepairJob) -> None:
        """Not made for a reason that is not the clips'; another attempt may begin at once."""
        async with self._repairs.transaction(Cause.begin(ACTOR)) as tx:
            await self._repairs.give_back(tx, job, crashed=False)

    async def crashed(self, job: domain.RepairJob, reason: str) -> None:
        """Making it broke off; after a few times it is rejected."""
        metrics.CRASHES.labels("repair").inc()
        final = domain.given_up(claims=job.claims, crashes=job.crashes + 1, reason=reason)
        if final is not None:
            await self.finish(job, domain.Made(reasons=(final,)), make_seconds=0.0)
            return
        async with self._repairs.transaction(Cause.begin(ACTOR)) as tx:
            await self._repairs.give_back(tx, job, crashed=True)

    async def finish(self, job: domain.RepairJob, made: domain.Made, *, make_seconds: float) -> None:
        """Propose what was made, or reject it with its numbers. A lease that was lost: somebody else does.

        What was made of versions that do not meet any more is rejected: its numbers are of those two.
        """
        async with self._repairs.transaction(Cause.begin(ACTOR, job.correlation_id)) as tx:
            await self._segments.lock_scene(tx, job.meeting.next.scene_id)
            if not await self._repairs.is_held(tx, job):
                return
            repair = await self._repairs.find(job.id, tx=tx)
            assert repair is not None  # its row is locked
            if made.clips and not repair.meeting.is_current:
                reasons = (domain.replaced(repair.meeting),)
                made = domain.Made(reasons=reasons, before=made.before, after=made.after)
            if made.clips:
                await self._repairs.propose(tx, job.id, made, patience_seconds=self._patience_seconds)
                await tx.emit(smoothed(repair, made, at=self._now()))
            else:
                await self._reject(tx, repair, made)
        metrics.STAGE_SECONDS.labels(f"repair_{job.method}").observe(make_seconds)
        metrics.REPAIRS.labels("proposed" if made.clips else "rejected").inc()

    async def rejected(self, cause: Cause, repair_id: UUID, reasons: tuple[str, ...]) -> None:
        """Dispatch refused what was proposed. One that is decided already, or unknown: nothing happens."""
        async with self._repairs.transaction(cause) as tx:
            repair = await self._hold(tx, repair_id)
            if repair is None or not repair.state.is_open:
                return
            await self._repairs.reject(tx, repair_id, domain.Made(reasons=reasons), rejected_by="dispatch")
        metrics.REPAIRS.labels("rejected").inc()

    async def expire_one(self) -> bool:
        """Give up a proposal that nobody has decided on in time; False if there is none.

        If its clips become current after all, it counts as current: what the scene shows is what is true.
        """
        overdue = await self._repairs.overdue()
        if overdue is None:
            return False
        async with self._repairs.transaction(Cause.begin(ACTOR)) as tx:
            repair = await self._hold(tx, overdue)
            if repair is None or repair.state is not domain.RepairState.PROPOSED:
                return True
            reason = f"nobody has decided on it within {self._patience_seconds:g} s"
            await self._reject(tx, repair, domain.Made(reasons=(reason,)))
        metrics.REPAIRS.labels("rejected").inc()
        return True

    async def _reject(self, tx: Transaction, repair: domain.Repair, made: domain.Made) -> None:
        await self._repairs.reject(tx, repair.id, made, rejected_by="smoothing")
        known = repair.made
        numbers = domain.Made(reasons=made.reasons, before=made.before or known.before, after=made.after or known.after)
        await tx.emit(rejected(repair, numbers, at=self._now()))

    async def _hold(self, tx: Transaction, repair_id: UUID) -> domain.Repair | None:
        """With its scene's lock."""
        scene_id = await self._repairs.scene_of(repair_id, tx=tx)
        if scene_id is None:
            return None
        await self._segments.lock_scene(tx, scene_id)
        return await self._repairs.find(repair_id, tx=tx)
