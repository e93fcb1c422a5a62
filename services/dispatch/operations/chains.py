"""What several use cases do inside their transaction to the chain of a scene whose lock they hold."""

from collections.abc import Sequence
from datetime import datetime

from services.dispatch.domain.jobs import Failure, FailureKind, Job
from services.dispatch.domain.queue import kind_of, turn_of
from services.dispatch.domain.regeneration import CascadeState
from services.dispatch.domain.scenes import Scene, SceneState, Segment, first_unfinished, remaining_chain
from services.dispatch.metrics import RENDERS
from services.dispatch.operations.events import failed_event, progressed_event
from services.dispatch.operations.fitness import Fitness
from services.dispatch.store import Store
from shared.ids import uuid7
from shared.postgres import Transaction


class Chains:
    """Queues, ends and removes the work of a scene. Every method expects the scene to be locked by the caller."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._fitness = Fitness(store)

    async def queue(
        self,
        tx: Transaction,
        scene: Scene,
        segment: Segment,
        *,
        seed_image_sha256: str,
        previous_clip_sha256: str | None,
        now: datetime,
    ) -> Job:
        """The segment's seed image is known: it can be rendered. A regeneration goes ahead of whole scenes.

        A retry under another seed is part of its chain.
        """
        part_of_chain = segment.is_current or segment.is_retry
        await self._store.queue_segment(
            tx, segment.id, seed_image_sha256=seed_image_sha256, previous_clip_sha256=previous_clip_sha256
        )
        is_new_version = segment.regeneration_count > 0 and not segment.is_retry
        turn = turn_of(
            kind_of(scene.purpose, is_new_version=is_new_version),
            priority=scene.priority,
            requested_at=now if is_new_version else scene.created_at,
        )
        return await self._store.add_job(
            tx,
            uid=uuid7(),
            scene_id=scene.id,
            segment_id=segment.id,
            needs_id=await self._fitness.needs_of(
                tx, workflow_version_id=scene.workflow_version_id, assets=scene.assets
            ),
            priority=scene.priority,
            turn=turn if scene.moved_turn is None else scene.moved_turn,
            is_held=scene.is_paused,
            remaining=(
                remaining_chain(segment_count=scene.segment_count, position=segment.position) if part_of_chain else 1
            ),
            requested_at=scene.created_at,
            deadline_at=scene.deadline_at,
            now=now,
        )

    async def go_on(self, tx: Transaction, scene: Scene, segment: Segment, now: datetime) -> None:
        """Queue the segment after this one, from its last frame; after the last one the scene is complete."""
        assert segment.clip is not None  # only what was rendered is continued
        chain = await self._store.chain(tx, scene.id)
        following = next((s for s in chain if s.position == segment.position + 1), None)
        if following is None:
            await self._store.finish_scene(tx, scene.id, SceneState.COMPLETED, "", now)
            return
        await self.queue(
            tx,
            scene,
            following,
            seed_image_sha256=segment.clip.last_frame_sha256,
            previous_clip_sha256=segment.clip.sha256,
            now=now,
        )

    async def fail(
        self, tx: Transaction, scene: Scene, segment: Segment, failure: Failure, *, attempts: int, now: datetime
    ) -> None:
        """End the chain at this segment, and say so. Finished segments stay, and what is being regenerated goes on.

        A regeneration that fails ends nothing but itself: the version that it was to replace stays current.
        """
        await self._store.fail_segment(tx, segment.id, failure)
        if segment.is_current:
            await self._store.cancel_chain(tx, scene.id)
            await self._store.finish_scene(tx, scene.id, SceneState.FAILED, failure.text, now)
        await tx.emit(failed_event(scene, segment, failure, attempts=attempts, now=now))

    async def stop(self, tx: Transaction, scene: Scene, kind: FailureKind, reason: str, now: datetime) -> None:
        """Nothing more of this scene is rendered. Prompts already sent are written down to be cancelled.

        Says `segment.failed` for the first segment that will not come, so that whoever waits for the chain can end.
        """
        attempts = await self.stop_jobs(tx, scene, reason, now)
        unfinished = first_unfinished(await self._store.chain(tx, scene.id))
        await self._store.cancel_segments(tx, scene.id)
        await self._store.finish_scene(tx, scene.id, SceneState.CANCELLED, reason, now)
        if unfinished is not None:
            failure = Failure(kind=kind, message=reason, permanent=True)
            await tx.emit(failed_event(scene, unfinished, failure, attempts=attempts, now=now))

    async def stop_jobs(self, tx: Transaction, scene: Scene, reason: str, now: datetime) -> int:
        """All its renders, regenerations too, and a cascade. Returns the attempts of the last one stopped."""
        await self._store.end_cascade(tx, scene.id, state=CascadeState.STOPPED, reason=reason, now=now)
        jobs = await self._store.cancel_jobs(tx, scene.id, now)
        await self.abandon(tx, scene, jobs, now)
        return jobs[-1].attempt if jobs else 0

    async def abandon(self, tx: Transaction, scene: Scene, jobs: Sequence[Job], now: datetime) -> None:
        """What was sent of these cancelled jobs is nobody's any more; whoever watches them hears that they ended."""
        for job in jobs:
            RENDERS.labels("abandoned").inc(await self._store.abandon_open_attempts(tx, job.id, now))
            segment = await self._store.segment_in(tx, job.segment_id)
            if job.attempt and segment is not None:
                await tx.emit(progressed_event(scene, segment.position, job.id, "cancelled"))
