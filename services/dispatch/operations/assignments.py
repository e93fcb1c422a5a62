"""Who works on which job: claims, leases, and giving work back without a result."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from services.dispatch.domain.jobs import Attempt, Failure, Job
from services.dispatch.domain.scenes import Json, Scene, Segment
from services.dispatch.metrics import RECLAIMED_LEASES
from services.dispatch.operations.chains import Chains
from services.dispatch.store import Store
from services.dispatch.store.attempts import AbandonedPrompt
from services.dispatch.store.facts import AssetVersionCopy
from shared.cause import Cause
from shared.clock import Clock, utc_now

ACTOR = "service:dispatch"

KEPT_WORKFLOWS = 32
ABANDONED_PROMPT_PAUSE = timedelta(seconds=5)
ABANDONED_PROMPT_LIFE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A leased job with all that rendering it needs; nothing of it changes while the lease holds."""

    job: Job
    scene: Scene
    segment: Segment
    attempts: Sequence[Attempt]
    workflow_name: str
    graph: Json
    bindings: Json

    @property
    def seed_image_sha256(self) -> str:
        assert self.segment.seed_image_sha256 is not None  # a queued segment has its seed image
        return self.segment.seed_image_sha256

    @property
    def cache_salt(self) -> str:
        """What keeps a measured render out of the engine's result cache; a person's scene may profit from it.

        A baseline or a proof that came out of a cache would show nothing of how the engine renders today.
        """
        return "" if self.scene.is_persons else str(self.job.lease_token)

    def cause(self) -> Cause:
        return Cause.begin(ACTOR, self.scene.correlation_id)


class AssignmentOperations:
    def __init__(
        self,
        *,
        store: Store,
        new_work: Callable[[], None],
        lease: timedelta,
        now: Clock = utc_now,
    ) -> None:
        self._store = store
        self._chains = Chains(store)
        self._workflows: dict[int, AssetVersionCopy] = {}
        self._new_work = new_work
        self._lease = lease
        self._now = now

    async def claim(
        self, *, server: str, ready: Sequence[str], only: Collection[int] | None = None
    ) -> Assignment | None:
        """The next job that a server with a free place can run, or None; `only`: with these needs."""
        now = self._now()
        job = await self._store.claim_job(
            server=server, ready=ready, only=only, token=uuid4(), now=now, until=now + self._lease
        )
        return await self._assignment(job) if job is not None else None

    async def _assignment(self, job: Job) -> Assignment | None:
        """None when the scene was deleted since: the job went with it."""
        scene, segment = await asyncio.gather(self._store.scene(job.scene_id), self._store.segment(job.segment_id))
        if scene is None or segment is None:
            return None
        workflow = await self._workflow(scene.workflow_version_id)
        assert workflow.graph is not None and workflow.bindings is not None
        return Assignment(
            job=job,
            scene=scene,
            segment=segment,
            attempts=await self._store.attempts_of(job.id) if job.attempt else [],
            workflow_name=workflow.name,
            graph=workflow.graph,
            bindings=workflow.bindings,
        )

    async def _workflow(self, version_id: int) -> AssetVersionCopy:
        """Versions never change, and a graph may be large: the last ones used are kept."""
        known = self._workflows.get(version_id)
        if known is None:
            known = await self._store.asset_version(version_id)
            assert known is not None  # the scene was planned with it
            while len(self._workflows) >= KEPT_WORKFLOWS:
                self._workflows.pop(next(iter(self._workflows)))
            self._workflows[version_id] = known
        return known

    async def renew(self, assignment: Assignment) -> bool:
        """False when the job is not ours any more: cancelled, deleted, or reclaimed."""
        assert assignment.job.lease_token is not None
        async with self._store.transaction(assignment.cause()) as tx:
            return await self._store.renew_lease(
                tx, job_id=assignment.job.id, token=assignment.job.lease_token, until=self._now() + self._lease
            )

    async def give_back(self, assignment: Assignment, *, after: timedelta = timedelta(0)) -> None:
        """Back to the queue without a mark against the job: the server is away, or this process ends.

        Its prompts may still run; whoever claims it next looks them up before sending another.
        """
        assert assignment.job.lease_token is not None
        async with self._store.transaction(assignment.cause()) as tx:
            job = await self._store.lock_leased_job(tx, job_id=assignment.job.id, token=assignment.job.lease_token)
            if job is not None:
                await self._store.requeue_job(tx, job_id=job.id, available_at=self._now() + after, keep_server=True)
        self._new_work()

    async def reclaim_expired(self) -> int:
        """Take back the jobs of workers that stopped renewing their lease."""
        async with self._store.transaction(Cause.begin(ACTOR)) as tx:
            count = await self._store.reclaim_expired(tx, self._now())
        if count:
            RECLAIMED_LEASES.inc(count)
            self._new_work()
        return count

    async def fail_overdue(self) -> int:
        """End the chains whose request is not wanted any more because its deadline has passed."""
        jobs = await self._store.overdue_jobs(self._now())
        for job in jobs:
            await self._fail_overdue(job)
        return len(jobs)

    async def _fail_overdue(self, overdue: Job) -> None:
        now = self._now()
        async with self._store.transaction(Cause.begin(ACTOR)) as tx:
            scene = await self._store.lock_scene(tx, overdue.scene_id)
            segment = await self._store.segment_in(tx, overdue.segment_id)
            if scene is None or segment is None or scene.finished_at is not None:
                return
            stopped = await self._store.cancel_jobs(tx, scene.id, now)
            await self._chains.abandon(tx, scene, stopped, now)
            failure = Failure(
                kind="timeout", message="the deadline of the request passed before it was rendered", permanent=True
            )
            await self._chains.fail(tx, scene, segment, failure, attempts=overdue.attempt, now=now)

    async def take_abandoned(self, *, servers: Sequence[str]) -> list[AbandonedPrompt]:
        """Prompts nobody waits for. One that is not forgotten afterwards comes again after a pause, for a day."""
        now = self._now()
        async with self._store.transaction(Cause.begin(ACTOR)) as tx:
            await self._store.forget_old_abandoned(tx, now - ABANDONED_PROMPT_LIFE)
            return await self._store.take_abandoned(tx, servers=servers, now=now, again_at=now + ABANDONED_PROMPT_PAUSE)

    async def forget_abandoned(self, prompt: AbandonedPrompt) -> None:
        async with self._store.transaction(Cause.begin(ACTOR)) as tx:
            await self._store.forget_abandoned(tx, prompt.prompt_id)
