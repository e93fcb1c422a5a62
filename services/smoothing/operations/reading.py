"""What is asked of smoothing without changing anything."""

from dataclasses import dataclass
from uuid import UUID

from services.smoothing import domain
from services.smoothing.store import RepairStore, SeamStore, SegmentStore, ThresholdStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """One end of a version that has, or will have, a neighbour. `meeting` is None while that has no clip."""

    meeting: domain.Meeting | None
    repair: domain.Repair | None = None
    """The last one of this seam, or the one that made one of its versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundaries:
    """Both ends of a version; None where nothing meets it: the ends of the scene."""

    segment: domain.Segment
    current_segment_id: domain.SegmentId | None
    before: Boundary | None
    after: Boundary | None
    thresholds: domain.ProjectThresholds

    @property
    def is_current(self) -> bool:
        return self.current_segment_id == self.segment.id

    @property
    def is_pending(self) -> bool:
        """Whether a seam of the scene as it is now is still to be measured."""
        ends = [end.meeting for end in (self.before, self.after) if end is not None]
        return any(meeting is not None and meeting.is_current and meeting.check.is_pending for meeting in ends)


class ReadOperations:
    def __init__(
        self, *, segments: SegmentStore, seams: SeamStore, repairs: RepairStore, thresholds: ThresholdStore
    ) -> None:
        self._segments = segments
        self._seams = seams
        self._repairs = repairs
        self._thresholds = thresholds

    async def boundaries(self, segment_id: domain.SegmentId) -> Boundaries:
        """How a version joins its neighbours: the current ones if it is current itself, or else the last measured.

        Raises NotFound for what is no rendered segment of a scene.
        """
        segment = await self._segments.find(segment_id)
        if segment is None:
            raise domain.NotFound(
                f"smoothing knows no segment {segment_id}: it knows those that are rendered, a moment after they are; "
                f"GET /api/segments/{segment_id} says whether there is one"
            )
        if not segment.is_seamed:
            raise domain.NotFound(f"segment {segment_id} is no part of a scene (it is a {segment.purpose} render)")
        current = await self._segments.current(segment.scene_id, segment.position)
        is_current = current is not None and current.id == segment.id
        return Boundaries(
            segment=segment,
            current_segment_id=None if current is None else current.id,
            before=await (self._start(segment) if is_current else self._last_start(segment)),
            after=await (self._end(segment) if is_current else self._last_end(segment)),
            thresholds=await self._thresholds.of(segment.project_id),
        )

    async def repair(self, repair_id: UUID) -> domain.Repair:
        """Raises NotFound."""
        repair = await self._repairs.find(repair_id)
        if repair is None:
            raise domain.NotFound(f"there is no repair {repair_id}")
        return repair

    async def _start(self, segment: domain.Segment) -> Boundary | None:
        if segment.position == 1:
            return None
        neighbour = await self._segments.current(segment.scene_id, segment.position - 1)
        return await self._boundary(None if neighbour is None else await self._seams.between(neighbour.id, segment.id))

    async def _end(self, segment: domain.Segment) -> Boundary | None:
        if segment.position >= segment.segment_count:
            return None
        neighbour = await self._segments.current(segment.scene_id, segment.position + 1)
        return await self._boundary(None if neighbour is None else await self._seams.between(segment.id, neighbour.id))

    async def _last_start(self, segment: domain.Segment) -> Boundary | None:
        meeting = await self._seams.last_before(segment.id)
        return None if meeting is None else await self._boundary(meeting)

    async def _last_end(self, segment: domain.Segment) -> Boundary | None:
        meeting = await self._seams.last_after(segment.id)
        return None if meeting is None else await self._boundary(meeting)

    async def _boundary(self, meeting: domain.Meeting | None) -> Boundary:
        last = None if meeting is None else await self._repairs.last_of(meeting)
        return Boundary(meeting=meeting, repair=None if last is None else await self._repairs.find(last))
