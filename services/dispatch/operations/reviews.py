"""What people and scores say about a segment."""

from collections.abc import Callable

from services.dispatch.domain.errors import NotFound
from services.dispatch.domain.scenes import Review, Score, Segment
from services.dispatch.operations.score_gates import ScoreGates
from services.dispatch.operations.timelines import Timelines
from services.dispatch.store import Store
from shared.cause import Cause
from shared.clock import Clock, utc_now
from shared.contracts.scoring import SegmentScored
from shared.contracts.segment import ReviewDecision, SegmentReviewed
from shared.contracts.types import SceneId, SegmentId


class ReviewOperations:
    def __init__(
        self,
        *,
        store: Store,
        timelines: Timelines,
        gates: ScoreGates,
        new_work: Callable[[], None],
        now: Clock = utc_now,
    ) -> None:
        self._store = store
        self._timelines = timelines
        self._gates = gates
        self._new_work = new_work
        self._now = now

    async def review(
        self, segment_id: int, decision: ReviewDecision, note: str, cause: Cause, *, seen_revision: int | None = None
    ) -> Segment:
        """A person approves or rejects the current version; a later decision replaces an earlier one.

        Approving a stale segment says that it is good as it is: it is not stale any more; and a chain that is held at
        it goes on. `seen_revision`: of the scene as the person saw it; raises Conflict when the segment became stale
        after that.
        """
        now = self._now()
        async with self._store.transaction(cause) as tx:
            scene = await self._store.lock_scene_of_segment(tx, segment_id)
            segment = await self._store.segment_in(tx, segment_id)
            if scene is None or segment is None:
                raise NotFound(f"there is no segment {segment_id}")
            segment.refuse_review_unless_generated()
            segment.refuse_review_unless_seen(seen_revision)
            assert segment.clip is not None  # a generated segment has its clip: the table checks it
            await self._store.save_review(
                tx, segment_id, review=Review(decision.value), note=note, reviewed_by=cause.actor, now=now
            )
            timeline = await self._timelines.load(tx, scene.id)
            approved = decision is ReviewDecision.APPROVED
            judged = timeline.approved(segment_id) if approved else timeline.rejected(segment_id)
            await self._timelines.save(tx, scene, timeline, judged)
            await tx.emit(
                SegmentReviewed(
                    scene_id=SceneId(segment.scene_id),
                    segment_id=SegmentId(segment.id),
                    clip_sha256=segment.clip.sha256,
                    decision=decision,
                    note=note,
                    reviewed_by=cause.actor,
                    reviewed_at=now,
                )
            )
            await self._gates.settle(tx, scene.id)
            reviewed = await self._store.segment_in(tx, segment_id)
        self._new_work()
        assert reviewed is not None
        return reviewed

    async def scored(self, event: SegmentScored, cause: Cause) -> None:
        """Keep the gates' outcomes beside the clip they are about; a chain that waits for them goes on, or does not.

        A score cannot come before its clip is saved: both the clip and what asks for its score are one transaction.
        """
        async with self._store.transaction(cause) as tx:
            scene = await self._store.lock_scene_of_segment(tx, event.segment_id)
            score = score_of(event)
            saved = await self._store.save_score(tx, event.segment_id, score, clip_sha256=event.clip_sha256)
            if saved and scene is not None:
                await self._store.wake_repairs(tx, scene.id, self._now())
            if saved and scene is not None and scene.hold is not None:
                await self._gates.settle(tx, scene.id)
        self._new_work()


def score_of(event: SegmentScored) -> Score:
    return Score(
        gate_verdict=event.gate_verdict.value,
        quality_score=event.quality_score,
        gates={gate.metric: gate.model_dump(mode="json", exclude={"metric"}) for gate in event.gates},
        not_measurable=event.not_measurable,
        metric_suite_version=event.metric_suite_version,
        identity_backend=f"{event.identity_backend.name} {event.identity_backend.version}",
        sequence=event.sequence,
    )
