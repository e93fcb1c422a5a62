"""The use cases of the measuring: take a pair of clips, keep what was found, say it."""

from collections.abc import Callable

from services.smoothing import domain, metrics
from services.smoothing.operations.wire import checked
from services.smoothing.store import CheckStore, SeamStore, SegmentStore, ThresholdStore
from shared.cause import Cause
from shared.ids import uuid7

ACTOR = "service:smoothing"


class CheckOperations:
    """`announce` is called after something was found, so that it is said at once."""

    def __init__(
        self,
        *,
        segments: SegmentStore,
        seams: SeamStore,
        checks: CheckStore,
        thresholds: ThresholdStore,
        lease_seconds: float,
        announce: Callable[[], None],
    ) -> None:
        self._segments = segments
        self._seams = seams
        self._checks = checks
        self._thresholds = thresholds
        self._lease_seconds = lease_seconds
        self._announce = announce

    async def claim(self) -> domain.CheckJob | None:
        """A pair to measure, on lease; None if there is none.

        One that was given up is answered here instead, with the reason.
        """
        async with self._checks.transaction(Cause.begin(ACTOR)) as tx:
            job = await self._checks.claim(tx, token=uuid7(), lease_seconds=self._lease_seconds)
        metrics.CHECKS_OPEN.set(await self._checks.count_open())
        if job is None:
            return None
        if (reason := domain.given_up(claims=job.claims, crashes=job.crashes)) is not None:
            await self.finish(job, reason, measure_seconds=0.0)
            return None
        if job.claims == 1:
            metrics.WAIT_SECONDS.labels("check").observe(max(0.0, job.waited_seconds))
        return job

    async def extend(self, job: domain.CheckJob) -> bool:
        """False if the lease was lost."""
        async with self._checks.transaction(Cause.begin(ACTOR)) as tx:
            return await self._checks.extend(tx, job, lease_seconds=self._lease_seconds)

    async def give_back(self, job: domain.CheckJob) -> None:
        """Not measured for a reason that is not the clips'; another attempt may begin at once."""
        async with self._checks.transaction(Cause.begin(ACTOR)) as tx:
            await self._checks.give_back(tx, job, crashed=False)

    async def crashed(self, job: domain.CheckJob, reason: str) -> None:
        """Measuring broke off over these clips; after a few times that is the answer."""
        metrics.CRASHES.labels("check").inc()
        final = domain.given_up(claims=job.claims, crashes=job.crashes + 1, reason=reason)
        if final is not None:
            await self.finish(job, final, measure_seconds=0.0)
            return
        async with self._checks.transaction(Cause.begin(ACTOR)) as tx:
            await self._checks.give_back(tx, job, crashed=True)

    async def finish(self, job: domain.CheckJob, found: domain.Seam | str, *, measure_seconds: float) -> None:
        """Keep what was found, or why nothing can be; a lease that was lost means that somebody else says."""
        async with self._checks.transaction(Cause.begin(ACTOR)) as tx:
            kept = await self._checks.finish(tx, job, found, measure_seconds=measure_seconds)
        if kept:
            metrics.CHECKED.labels("not_measurable" if isinstance(found, str) else "measured").inc()
            metrics.STAGE_SECONDS.labels("check").observe(measure_seconds)
            self._announce()

    async def say_one(self) -> bool:
        """Judge and say one seam whose clips are measured; False if there is none.

        Versions that do not meet any more while their clips were measured are kept, and not said: it is no truth of
        the scene. If they meet again, it is said then.
        """
        unsaid = await self._seams.next_unsaid()
        if unsaid is None:
            return False
        seam_id, scene_id, correlation_id = unsaid
        async with self._seams.transaction(Cause.begin(ACTOR, correlation_id)) as tx:
            await self._segments.lock_scene(tx, scene_id)
            meeting = await self._seams.take(tx, seam_id)
            if meeting is None:
                return True
            if not meeting.is_current:
                await self._seams.settle(tx, seam_id)
                return True
            thresholds = await self._thresholds.of(meeting.next.project_id, tx=tx)
            sequence = await self._seams.said(tx, seam_id, thresholds_version=thresholds.version)
            event = checked(meeting, thresholds.limits, sequence=sequence)
            await tx.emit(event)
        metrics.VERDICTS.labels(event.status if event.verdict is None else event.verdict.value).inc()
        return True
