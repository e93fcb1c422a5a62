"""What dispatch and catalog say of segments and of what they belong to."""

from collections.abc import Callable

from services.scoring import domain
from services.scoring.store import GateStore, MeasurementStore, ScoreStore, SegmentStore
from shared.cause import Cause
from shared.errors import NotYetKnown


class SegmentOperations:
    """`wake` is called after a transaction that left work."""

    def __init__(
        self,
        *,
        segments: SegmentStore,
        measurements: MeasurementStore,
        scores: ScoreStore,
        gates: GateStore,
        method: domain.Method,
        wake: Callable[[], None],
    ) -> None:
        self._segments = segments
        self._measurements = measurements
        self._scores = scores
        self._gates = gates
        self._method = method
        self._wake = wake

    async def receive(self, cause: Cause, segment: domain.Segment) -> None:
        """A new segment, to be scored. Known already, or of something deleted: nothing happens."""
        async with self._segments.transaction(cause) as tx:
            if await self._segments.is_deleted(tx, segment.belongs_to()):
                return
            asked = await self._measurements.ask(tx, domain.question_of(segment, self._method))
            if await self._segments.insert(tx, segment):
                await self._scores.want(tx, segment.id, asked, correlation_id=cause.correlation_id)
        self._wake()

    async def measure_again(self, cause: Cause, clip_sha256: str, *, baseline_clip_sha256: str | None) -> None:
        """Every segment with this clip is scored anew, by the present method, against that baseline or its own.

        A question that has its answer is not measured again; its segments hear the answer again, under today's gates.
        Raises NotYetKnown for a clip that no segment has.
        """
        async with self._segments.transaction(cause) as tx:
            found = await self._segments.with_clip(tx, clip_sha256)
            if not found:
                raise NotYetKnown(f"clip:{clip_sha256}")
            for segment in found:
                question = domain.question_of(segment, self._method, baseline_clip_sha256=baseline_clip_sha256)
                asked = await self._measurements.ask(tx, question)
                await self._scores.want(tx, segment.id, asked, correlation_id=cause.correlation_id)
        self._wake()

    async def activate(self, cause: Cause, segment_id: domain.SegmentId, *, scene_id: int, sequence: int) -> None:
        """Raises NotYetKnown for a segment that may still come."""
        async with self._segments.transaction(cause) as tx:
            if await self._segments.exists(tx, segment_id):
                await self._segments.activate(tx, segment_id, sequence=sequence)
            elif not await self._segments.is_deleted(tx, ((domain.Kind.SCENE, scene_id),)):
                raise NotYetKnown(f"segment:{segment_id}")

    async def review(self, cause: Cause, segment_id: domain.SegmentId, review: domain.Review, *, scene_id: int) -> None:
        """Raises NotYetKnown for a segment that may still come."""
        async with self._segments.transaction(cause) as tx:
            if await self._segments.exists(tx, segment_id):
                await self._segments.review(tx, segment_id, review)
            elif not await self._segments.is_deleted(tx, ((domain.Kind.SCENE, scene_id),)):
                raise NotYetKnown(f"segment:{segment_id}")

    async def change_source(self, cause: Cause, character_id: int, *, source_image_sha256: str) -> None:
        """Regions of the character's earlier photographs are forgotten."""
        async with self._segments.transaction(cause) as tx:
            await self._segments.delete_regions(tx, character_id, except_image=source_image_sha256)

    async def forget(self, cause: Cause, kind: domain.Kind, thing_id: int) -> None:
        """Something is gone: its scores, queued work, gates and face regions go too, and nothing of it comes back."""
        async with self._segments.transaction(cause) as tx:
            await self._segments.bury(tx, kind, thing_id)
            await self._segments.delete_of(tx, kind, thing_id)
            match kind:
                case domain.Kind.PROJECT:
                    await self._gates.delete_of(tx, project_id=thing_id)
                case domain.Kind.CHARACTER:
                    await self._segments.delete_regions(tx, thing_id)
                case domain.Kind.SCENE_TYPE:
                    await self._gates.delete_of(tx, scene_type_id=thing_id)
                case domain.Kind.SCENE:
                    pass
            await self._measurements.forget_unasked(tx)
