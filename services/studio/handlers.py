"""Kafka in: what the edge hears, into the feed and into live progress."""

from services.studio.domain.activity import (
    Activity,
    ActivityKind,
    LiveProgress,
    accepted_summary,
    failure_summary,
    paused_summary,
    red_summary,
    refused_summary,
    run_summary,
    staled_summary,
)
from services.studio.operations import Operations
from shared.cause import Cause
from shared.contracts import topics
from shared.contracts.boundary import BoundaryChecked, BoundaryRepairRejected, SeamVerdict
from shared.contracts.generation import GenerationProgressed
from shared.contracts.regression import RegressionCompleted, RegressionProgressed
from shared.contracts.scene import ScenePaused
from shared.contracts.segment import SegmentFailed, SegmentStaled
from shared.contracts.token import TokenRevoked
from shared.kafka.consumer import Consumer


class Handlers:
    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def token_revoked(self, event: TokenRevoked, cause: Cause) -> None:
        """Order plays no part: a revocation is never taken back. A duplicate changes nothing."""
        await self._operations.revoke_token(token_id=event.token_id, expires_at=event.expires_at, cause=cause)

    async def regression_progressed(self, event: RegressionProgressed, cause: Cause) -> None:
        """The last one heard stands. One that comes after the run's end is forgotten after an hour of silence."""
        progress = LiveProgress(
            subject=f"run:{event.run_id}",
            done=event.segments_done,
            total=event.segments_total,
            state="running",
            data=event.model_dump(mode="json", exclude={"sequence"}),
        )
        await self._operations.follow(progress, cause=cause)

    async def regression_completed(self, event: RegressionCompleted, cause: Cause) -> None:
        """One line per event; the inbox keeps a duplicate out."""
        activity = Activity(
            kind=ActivityKind.RUN_COMPLETED,
            subject=f"run:{event.run_id}",
            summary=run_summary(
                run_id=event.run_id,
                outcome=event.outcome,
                reason=event.reason,
                superseded=event.superseded,
            ),
            data=event.model_dump(mode="json", exclude={"sequence"}),
            happened_at=event.completed_at,
        )
        await self._operations.tell(activity, ends=activity.subject, cause=cause)

    async def segment_failed(self, event: SegmentFailed, cause: Cause) -> None:
        """One line per event; the inbox keeps a duplicate out. What it says of a deleted scene stays as history."""
        activity = Activity(
            kind=ActivityKind.SEGMENT_FAILED,
            subject=f"scene:{event.scene_id}",
            summary=failure_summary(
                scene_id=event.scene_id,
                position=event.position,
                kind=event.failure.kind,
                message=event.failure.message,
                attempts=event.attempts,
                node=event.failure.node,
            ),
            data=event.model_dump(mode="json", exclude={"sequence"}),
            happened_at=event.failed_at,
        )
        await self._operations.tell(activity, ends=None, cause=cause)

    async def segment_staled(self, event: SegmentStaled, cause: Cause) -> None:
        """One line where segments became stale, none where they only became fresh; the inbox keeps a duplicate out.

        A later event about the same scene adds another line: the feed is a history, not the present state.
        """
        if not event.became_stale:
            return
        activity = Activity(
            kind=ActivityKind.SEGMENTS_STALED,
            subject=f"scene:{event.scene_id}",
            summary=staled_summary(
                scene_id=event.scene_id,
                positions=sorted(segment.position for segment in event.became_stale),
                causes=sorted({hand.position for segment in event.became_stale for hand in segment.causes}),
            ),
            data=event.model_dump(mode="json", exclude={"sequence"}),
            happened_at=event.staled_at,
        )
        await self._operations.tell(activity, ends=None, cause=cause)

    async def scene_paused(self, event: ScenePaused, cause: Cause) -> None:
        """One line per event; the inbox keeps a duplicate out. That it went on since is not told."""
        activity = Activity(
            kind=ActivityKind.SCENE_PAUSED,
            subject=f"scene:{event.scene_id}",
            summary=paused_summary(scene_id=event.scene_id, name=event.name, reason=event.reason),
            data=event.model_dump(mode="json", exclude={"sequence"}),
            happened_at=event.paused_at,
        )
        await self._operations.tell(activity, ends=None, cause=cause)

    async def boundary_checked(self, event: BoundaryChecked, cause: Cause) -> None:
        """One line where a boundary is red or was accepted, none elsewhere; the inbox keeps a duplicate out.

        A later event about the same boundary adds another line: the feed is a history, not the present state.
        """
        if event.accepted_by is not None or event.verdict is SeamVerdict.RED:
            await self._operations.tell(_boundary_line(event), ends=None, cause=cause)

    async def boundary_repair_rejected(self, event: BoundaryRepairRejected, cause: Cause) -> None:
        """One line per event; the inbox keeps a duplicate out."""
        activity = Activity(
            kind=ActivityKind.REPAIR_REJECTED,
            subject=f"scene:{event.scene_id}",
            summary=refused_summary(
                scene_id=event.scene_id,
                reasons=event.reasons,
                visibility_before=None if event.before is None else event.before.worst_visibility,
                visibility_after=None if event.after is None else event.after.worst_visibility,
            ),
            data=event.model_dump(mode="json", exclude={"sequence"}),
            happened_at=event.rejected_at,
        )
        await self._operations.tell(activity, ends=None, cause=cause)

    async def generation_progressed(self, event: GenerationProgressed, cause: Cause) -> None:
        """The last one heard stands; `done`, `failed` and `cancelled` end it. Lost ones are not missed."""
        progress = LiveProgress(
            subject=f"job:{event.job_id}",
            done=event.fraction,
            total=1,
            state=event.state,
            data=event.model_dump(mode="json", exclude={"sequence"}),
        )
        await self._operations.follow(progress, cause=cause)


def _boundary_line(event: BoundaryChecked) -> Activity:
    positions = (event.previous.position, event.next.position)
    if event.accepted_by is None:
        kind = ActivityKind.BOUNDARY_RED
        recommendation = "nothing" if event.recommendation is None else event.recommendation.value
        summary = red_summary(
            scene_id=event.scene_id, positions=positions, reason=event.reason, recommendation=recommendation
        )
    else:
        kind = ActivityKind.BOUNDARY_ACCEPTED
        ssim = None if event.reading is None else event.reading.ssim
        summary = accepted_summary(
            scene_id=event.scene_id, positions=positions, accepted_by=event.accepted_by, ssim=ssim
        )
    return Activity(
        kind=kind,
        subject=f"scene:{event.scene_id}",
        summary=summary,
        data=event.model_dump(mode="json", exclude={"sequence"}),
        happened_at=event.checked_at,
    )


def register(consumer: Consumer, handlers: Handlers) -> None:
    consumer.on(topics.TOKEN_REVOKED, handlers.token_revoked)
    consumer.on(topics.REGRESSION_PROGRESSED, handlers.regression_progressed)
    consumer.on(topics.REGRESSION_COMPLETED, handlers.regression_completed)
    consumer.on(topics.SEGMENT_FAILED, handlers.segment_failed)
    consumer.on(topics.SEGMENT_STALED, handlers.segment_staled)
    consumer.on(topics.SCENE_PAUSED, handlers.scene_paused)
    consumer.on(topics.BOUNDARY_CHECKED, handlers.boundary_checked)
    consumer.on(topics.BOUNDARY_REPAIR_REJECTED, handlers.boundary_repair_rejected)
    consumer.on(topics.GENERATION_PROGRESSED, handlers.generation_progressed)
