"""The work's use cases: take a question, keep its answer, say the score."""

from collections.abc import Callable, Mapping
from uuid import UUID

from services.scoring import domain, metrics
from services.scoring.operations.wire import scored
from services.scoring.store import GateStore, MeasurementStore, ScoreStore, SegmentStore
from shared.cause import Cause
from shared.ids import uuid7
from shared.postgres import Transaction

ACTOR = "service:scoring"


class MeasuringOperations:
    """`announce` is called after an answer was kept, so that its scores are said at once."""

    def __init__(
        self,
        *,
        segments: SegmentStore,
        measurements: MeasurementStore,
        scores: ScoreStore,
        gates: GateStore,
        lease_seconds: float,
        announce: Callable[[], None],
    ) -> None:
        self._segments = segments
        self._measurements = measurements
        self._scores = scores
        self._gates = gates
        self._lease_seconds = lease_seconds
        self._announce = announce

    async def claim(self) -> domain.Job | None:
        """A question to measure, on lease; None if there is none.

        One that was given up is answered here instead, with the reason.
        """
        async with self._measurements.transaction(Cause.begin(ACTOR)) as tx:
            job = await self._measurements.claim(tx, token=uuid7(), lease_seconds=self._lease_seconds)
        if job is not None and job.claims == 1:
            metrics.QUEUE_WAIT_SECONDS.observe(job.waited_seconds)
        metrics.QUESTIONS_OPEN.set(await self._measurements.count_open())
        if job is not None and (reason := domain.given_up(claims=job.claims, crashes=job.crashes)) is not None:
            await self.finish(job, domain.unmeasurable(reason, decodable=True), measure_seconds=0.0)
            return None
        return job

    async def extend(self, job: domain.Job) -> bool:
        """False if the lease was lost."""
        async with self._measurements.transaction(Cause.begin(ACTOR)) as tx:
            return await self._measurements.extend(tx, job, lease_seconds=self._lease_seconds)

    async def give_back(self, job: domain.Job) -> None:
        """Not measured for a reason that is not the clip's; another attempt may begin at once."""
        async with self._measurements.transaction(Cause.begin(ACTOR)) as tx:
            await self._measurements.give_back(tx, job, crashed=False)

    async def crashed(self, job: domain.Job, reason: str) -> None:
        """Measuring this clip broke off; after a few times that is the answer."""
        metrics.CRASHES.inc()
        final = domain.given_up(claims=job.claims, crashes=job.crashes + 1, reason=reason)
        if final is not None:
            await self.finish(job, domain.unmeasurable(final, decodable=True), measure_seconds=0.0)
            return
        async with self._measurements.transaction(Cause.begin(ACTOR)) as tx:
            await self._measurements.give_back(tx, job, crashed=True)

    async def finish(
        self,
        job: domain.Job,
        measurement: domain.Measurement,
        *,
        measure_seconds: float,
        stages: Mapping[str, float] | None = None,
    ) -> None:
        """Keep an answer; a lease that was lost means that somebody else gives it. `stages`: seconds in each."""
        async with self._measurements.transaction(Cause.begin(ACTOR)) as tx:
            kept = await self._measurements.finish(tx, job, measurement, measure_seconds=measure_seconds)
            if kept and measurement.region is not None:
                await self._measurements.keep_region(tx, job, measurement.region)
        if kept:
            metrics.MEASURED.labels("measured" if measurement.not_measurable is None else "not_measurable").inc()
            metrics.MEASURE_SECONDS.observe(measure_seconds)
            for stage, seconds in (stages or {}).items():
                metrics.STAGE_SECONDS.labels(stage).observe(seconds)
            self._announce()

    async def say_one(self) -> bool:
        """Judge and say one score that has its answer; False if there is none.

        One transaction per segment, so that each `segment.scored` carries the correlation id of what asked for it.
        """
        unsaid = await self._scores.next_unsaid()
        if unsaid is None:
            return False
        await self._say(*unsaid)
        return True

    async def _say(self, score_id: domain.ScoreId, correlation_id: UUID) -> None:
        async with self._scores.transaction(Cause.begin(ACTOR, correlation_id)) as tx:
            pending = await self._scores.take(tx, score_id)
            if pending is None:
                return
            segment = pending.segment
            method = pending.answer.question.method
            gates = domain.resolve_gates(
                identity_backend=method.identity_backend,
                project=await self._gates.of(project_id=segment.project_id, scene_type_id=None, tx=tx),
                scene_type=await self._gates.of(
                    project_id=segment.project_id, scene_type_id=segment.scene_type_id, tx=tx
                ),
            )
            drift = domain.drift_readings(await self._chain(tx, pending), gates)
            measurement = pending.answer.measurement.with_drift(drift)
            judgement = domain.judge(measurement, gates)
            await self._scores.keep(tx, score_id, judgement, drift)
            sequence = await self._segments.count_scored(tx, segment.id)
            await tx.emit(scored(pending, measurement, judgement, sequence=sequence))
        metrics.SCORES_SAID.labels(judgement.verdict.value).inc()

    async def _chain(self, tx: Transaction, pending: domain.Pending) -> list[domain.Link]:
        """The scene up to this segment, with the answer that is about to be said in its place."""
        segment = pending.segment
        chain = await self._scores.chain(segment.scene_id, tx=tx)
        own = domain.Link(
            segment_id=segment.id,
            position=segment.position,
            tier=segment.tier,
            method=pending.answer.question.method,
            measurement=pending.answer.measurement,
        )
        return [*(link for link in chain if link.position < own.position), own]
