"""What becomes of attempts: opened, submitted, lost, failed, adopted. Exactly one of a job is adopted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from services.dispatch.domain.errors import LeaseLost
from services.dispatch.domain.estimates import expected_seconds
from services.dispatch.domain.jobs import (
    Attempt,
    AttemptState,
    Failure,
    Job,
    JobState,
    Next,
    after_failure,
    backoff,
    file_prefix_of,
    is_repeat,
    prompt_id_of,
)
from services.dispatch.domain.scenes import Render, Scene, Segment
from services.dispatch.domain.watchdog import time_limit
from services.dispatch.metrics import QUEUED_SECONDS, RENDER_SECONDS, RENDERS, REPEATED_RENDERS
from services.dispatch.operations.assignments import Assignment
from services.dispatch.operations.chains import Chains
from services.dispatch.operations.events import ProgressState, generated_event, progressed_event
from services.dispatch.operations.replacements import Replacements
from services.dispatch.operations.score_gates import ScoreGates
from services.dispatch.operations.timelines import Timelines
from services.dispatch.operations.usage import UsageOperations
from services.dispatch.store import Store
from shared.clock import Clock, utc_now
from shared.postgres import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A job under our lease, inside a transaction that has locked its scene."""

    job: Job
    scene: Scene
    segment: Segment


class RenderOperations:
    """Every method raises LeaseLost when the job is not ours any more; then nothing was written."""

    def __init__(
        self,
        *,
        store: Store,
        timelines: Timelines,
        gates: ScoreGates,
        new_work: Callable[[], None],
        max_attempts: int,
        now: Clock = utc_now,
    ) -> None:
        self._store = store
        self._chains = Chains(store)
        self._timelines = timelines
        self._gates = gates
        self._usage = UsageOperations(store=store)
        self._replacements = Replacements(store=store, timelines=timelines)
        self._new_work = new_work
        self._max_attempts = max_attempts
        self._now = now

    async def open_attempt(self, assignment: Assignment, *, server: str) -> Attempt:
        """Write the next prompt down before it is sent, so that no crash forgets it."""
        job = assignment.job
        assert job.lease_token is not None
        repeat = is_repeat(await self._store.attempts_of(job.id)) if assignment.attempts else False
        number = job.attempt + 1
        attempt = await self._store.add_attempt(
            job_id=job.id,
            token=job.lease_token,
            attempt=number,
            prompt_id=prompt_id_of(job.uid, number),
            server=server,
            prefix=file_prefix_of(job.uid, number),
            repeat=repeat,
        )
        if attempt is None:
            raise LeaseLost(f"job {job.id} was cancelled, deleted or taken over")
        if repeat:
            REPEATED_RENDERS.inc()
        return attempt

    async def submitted(self, assignment: Assignment, attempt: Attempt) -> Attempt:
        now = self._now()
        async with self._store.transaction(assignment.cause()) as tx:
            await self._leased(tx, assignment)
            await self._store.mark_submitted(tx, job_id=attempt.job_id, attempt=attempt.attempt, now=now)
            await self._say_progress(tx, assignment, "submitted")
        return replace(attempt, state=AttemptState.SUBMITTED, submitted_at=now)

    async def began(self, assignment: Assignment, attempt: Attempt, *, say: bool) -> Attempt:
        """It waits no longer behind other prompts. `say`: people hear of it; the caller keeps to two a second."""
        now = self._now()
        async with self._store.transaction(assignment.cause()) as tx:
            await self._store.mark_began(tx, job_id=attempt.job_id, attempt=attempt.attempt, now=now)
            if say:
                await self._say_progress(tx, assignment, "running")
        return replace(attempt, began_at=now)

    async def time_limit(self, assignment: Assignment, *, most: float) -> float:
        """How long its prompt may run, by what its like took, in seconds."""
        scene = assignment.scene
        samples = await self._store.render_samples(workflow_version_id=scene.workflow_version_id, tier=scene.tier)
        expected = expected_seconds(samples, assignment.segment.requested_parameters, scene.tier)
        return time_limit(expected, most=most)

    async def withdrawn(self, assignment: Assignment, attempt: Attempt) -> None:
        """Taken back before it began: its job is in the queue again, at its turn, without a mark against it."""
        async with self._store.transaction(assignment.cause()) as tx:
            held = await self._hold(tx, assignment)
            await self._close(tx, attempt, AttemptState.WITHDRAWN, None)
            await self._store.requeue_job(tx, job_id=held.job.id, available_at=self._now(), keep_server=False)
            await self._say_progress(tx, assignment, "queued")
        RENDERS.labels("withdrawn").inc()
        self._new_work()

    async def progressed(self, assignment: Assignment, state: ProgressState, fraction: float) -> None:
        """A hint for people who wait; the caller keeps it to two a second."""
        async with self._store.transaction(assignment.cause()) as tx:
            await self._say_progress(tx, assignment, state, fraction)

    async def lost(self, assignment: Assignment, attempts: Sequence[Attempt]) -> Next:
        """Their server does not know these attempts. GIVE_UP: the job has ended; RETRY: it is still ours to go on with.

        Only those that the server had accepted count against the job; the others were never sent.
        """
        failure = Failure(
            kind="lost", message="the render server lost the prompt, by a restart most likely", permanent=False
        )
        decided = Next.RETRY
        async with self._store.transaction(assignment.cause()) as tx:
            held = await self._hold(tx, assignment)
            failed_attempts = held.job.failed_attempts
            for attempt in attempts:
                await self._close(tx, attempt, AttemptState.LOST, failure)
                if attempt.submitted_at is not None:
                    failed_attempts += 1
                    await self._store.count_failed_attempt(tx, held.job.id, failure)
                    decided = after_failure(failure, failed_attempts=failed_attempts, max_attempts=self._max_attempts)
            if decided is Next.GIVE_UP:
                await self._give_up(tx, held, failure)
        RENDERS.labels("lost").inc(len(attempts))
        return decided

    async def failed(self, assignment: Assignment, attempt: Attempt | None, failure: Failure) -> Next:
        """End an attempt without a clip: the job goes back to the queue, or it and its chain end.

        `attempt` is None when the failure came before anything could be sent.
        """
        async with self._store.transaction(assignment.cause()) as tx:
            held = await self._hold(tx, assignment)
            if attempt is not None:
                state = AttemptState.LOST if failure.kind == "lost" else AttemptState.FAILED
                await self._close(tx, attempt, state, failure)
            await self._store.count_failed_attempt(tx, held.job.id, failure)
            failed_attempts = held.job.failed_attempts + 1
            decided = after_failure(failure, failed_attempts=failed_attempts, max_attempts=self._max_attempts)
            if decided is Next.GIVE_UP:
                await self._give_up(tx, held, failure)
            else:
                available_at = self._now() + backoff(failed_attempts)
                await self._store.requeue_job(tx, job_id=held.job.id, available_at=available_at, keep_server=False)
                await self._say_progress(tx, assignment, "queued")
        RENDERS.labels("lost" if failure.kind == "lost" else "failed").inc()
        self._new_work()
        return decided

    async def adopt(self, assignment: Assignment, attempt: Attempt, render: Render) -> None:
        """The clip is stored and decoded: it becomes the segment's, and the next segment of the chain is queued, once
        the scene's score gate lets it, if it has one.

        `attempt.began_at` says when its wait was over. A regeneration becomes the current version of its position, and
        what comes after it may become stale.
        """
        await self._compare(assignment, render)
        now = self._now()
        async with self._store.transaction(assignment.cause()) as tx:
            held = await self._hold(tx, assignment)
            timeline = await self._timelines.load(tx, held.scene.id, arriving=render.clip.last_frame_sha256)
            queued = max(0.0, ((attempt.began_at or attempt.created_at) - held.job.queued_at).total_seconds())
            await self._store.save_render(
                tx,
                held.segment.id,
                render,
                job_id=held.job.id,
                prompt_id=attempt.prompt_id,
                server=attempt.server,
                queued_seconds=queued,
                now=now,
            )
            await self._usage.arrived(tx, held.scene, held.segment, render, queued_seconds=queued, now=now)
            await self._close(tx, attempt, AttemptState.ADOPTED, None)
            abandoned = await self._store.abandon_open_attempts(tx, held.job.id, now)
            await self._store.finish_job(tx, job_id=held.job.id, state=JobState.DONE, failure=None, now=now)
            await self._say_progress(tx, assignment, "done", 1.0)
            await tx.emit(generated_event(held.scene, await self._saved(tx, held)))
            await self._replacements.arrived(tx, held.scene, timeline, held.segment, render, now)
            if held.segment.is_current:
                await self._gates.arrived(tx, held.scene, await self._saved(tx, held))
            else:
                await self._gates.settle(tx, held.scene.id)
        RENDERS.labels("adopted").inc()
        RENDERS.labels("abandoned").inc(abandoned)
        QUEUED_SECONDS.labels(held.scene.purpose.value).observe(queued)
        RENDER_SECONDS.labels(held.scene.tier.value).observe(render.render_seconds)
        self._new_work()

    async def _compare(self, assignment: Assignment, render: Render) -> None:
        """Look at the frames that a regeneration would bring together."""
        if assignment.segment.is_current:
            return
        timeline = await self._timelines.now(assignment.scene.id)
        if assignment.segment.id in timeline.versions:
            foreseen, _ = timeline.arrived(assignment.segment.id, last=render.clip.last_frame_sha256)
            await self._timelines.compare(position=assignment.segment.position, timeline=foreseen)

    async def _give_up(self, tx: Transaction, held: _Held, failure: Failure) -> None:
        now = self._now()
        await self._store.abandon_open_attempts(tx, held.job.id, now)
        await self._store.finish_job(tx, job_id=held.job.id, state=JobState.FAILED, failure=failure, now=now)
        await tx.emit(progressed_event(held.scene, held.segment.position, held.job.id, "failed"))
        await self._chains.fail(tx, held.scene, held.segment, failure, attempts=held.job.attempt, now=now)
        await self._replacements.failed(tx, held.segment, failure.text, now)
        await self._gates.settle(tx, held.scene.id)

    async def _close(self, tx: Transaction, attempt: Attempt, state: AttemptState, failure: Failure | None) -> None:
        await self._store.close_attempt(
            tx, job_id=attempt.job_id, attempt=attempt.attempt, state=state, failure=failure, now=self._now()
        )

    async def _leased(self, tx: Transaction, assignment: Assignment) -> Job:
        assert assignment.job.lease_token is not None
        job = await self._store.lock_leased_job(tx, job_id=assignment.job.id, token=assignment.job.lease_token)
        if job is None:
            raise LeaseLost(f"job {assignment.job.id} was cancelled, deleted or taken over")
        return job

    async def _hold(self, tx: Transaction, assignment: Assignment) -> _Held:
        """The scene's lock first, then the job's: the same order everywhere."""
        scene = await self._store.lock_scene(tx, assignment.scene.id)
        if scene is None:
            raise LeaseLost(f"scene {assignment.scene.id} was deleted")
        job = await self._leased(tx, assignment)
        segment = await self._store.segment_in(tx, job.segment_id)
        assert segment is not None  # the job refers to it
        return _Held(job=job, scene=scene, segment=segment)

    async def _say_progress(
        self, tx: Transaction, assignment: Assignment, state: ProgressState, fraction: float = 0.0
    ) -> None:
        position, job_id = assignment.segment.position, assignment.job.id
        await tx.emit(progressed_event(assignment.scene, position, job_id, state, fraction))

    async def _saved(self, tx: Transaction, held: _Held) -> Segment:
        saved = await self._store.segment_in(tx, held.segment.id)
        assert saved is not None
        return saved
