"""Scoring on a real database, with its Kafka side called by hand and its measuring process real or played."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from services.scoring import domain
from services.scoring.handlers import Handlers
from services.scoring.operations import MeasuringOperations, SegmentOperations
from services.scoring.store import GateStore, MeasurementStore, ScoreStore, SegmentStore
from services.scoring.workers.measurement import MeasurementRequest
from services.scoring.workers.measuring import MeasuringWorker, Pool
from services.scoring.workers.messages import Answered
from shared.cause import Cause
from shared.contracts import topics
from shared.contracts.base import Event
from shared.contracts.scoring import SegmentScored
from shared.ids import uuid7
from shared.media import MediaStore
from shared.postgres import Database
from tests.support.clips import camera, clip, photograph
from tests.support.events import delivered

METHOD = domain.Method(suite_version="test-1", identity_backend="face-region", identity_backend_version="1")
GOOD_VALUES = {
    "matches_request": 1.0,
    "sharpness": 0.35,
    "exposure": 0.45,
    "clipping": 0.02,
    "contrast": 0.2,
    "colourfulness": 50.0,
    "blockiness": 0.0,
    "noise": 0.004,
    "motion": 0.05,
    "flicker": 0.0005,
    "motion_jump": 0.001,
    "warping_error": 0.0001,
    "temporal_flicker": 0.99,
    "frozen_frames": 0.0,
    "cuts": 0.0,
    "black_frames": 0.0,
    "identity_similarity": 0.97,
    "handover_ssim": 0.97,
    "ssim_to_baseline": 0.98,
    "colour_cast": 5.0,
}
DETAILS = {"colour_cast": {"a": 3.0, "b": 4.0}}


def good_measurement(**values: float | None) -> domain.Measurement:
    return domain.Measurement(
        readings={
            name: domain.Reading(metric=name, value=value, details=DETAILS.get(name, {}))
            if value is not None
            else domain.Reading(metric=name, not_measurable="not there")
            for name, value in (GOOD_VALUES | values).items()
        },
        region=domain.SourceRegion(kind="face", box=(0.3, 0.1, 0.2, 0.2)),
    )


@dataclass
class PlayedPool:
    """Answers at once with what it is told, and remembers what it was asked."""

    answer: Callable[[MeasurementRequest], domain.Measurement] = lambda request: good_measurement()
    asked: list[MeasurementRequest] = field(default_factory=list)

    async def measure(self, request: MeasurementRequest) -> Answered:
        self.asked.append(request)
        return Answered(measurement=self.answer(request), seconds=0.25, stages={"decode": 0.125})


class Scoring:
    """The service without broker and HTTP: deliver events, let it work, see what it said."""

    def __init__(self, database: Database, media: MediaStore, *, pool: Pool, method: domain.Method = METHOD) -> None:
        self.database = database
        self.media = media
        self.segments, self.measurements = SegmentStore(database), MeasurementStore(database)
        self.scores, self.gates = ScoreStore(database), GateStore(database)
        self.woken = 0
        self.measuring = MeasuringOperations(
            segments=self.segments,
            measurements=self.measurements,
            scores=self.scores,
            gates=self.gates,
            lease_seconds=30,
            announce=lambda: None,
        )
        self.operations = SegmentOperations(
            segments=self.segments,
            measurements=self.measurements,
            scores=self.scores,
            gates=self.gates,
            method=method,
            wake=self._wake,
        )
        self.handlers = Handlers(self.operations)
        self.worker = MeasuringWorker(operations=self.measuring, media=media, pool=pool, lease_seconds=30)
        self._seen = 0

    def _wake(self) -> None:
        self.woken += 1

    async def deliver(self, *events: Event, cause: Cause | None = None) -> None:
        for event in events:
            name = topics.topic_of(event).name.replace(".", "_")
            handler: Callable[[Any, Cause], Awaitable[None]] = getattr(self.handlers, name)
            await handler(event, cause or delivered(event))

    async def work(self) -> None:
        """Until there is nothing to do."""
        while await self.worker.step():
            pass
        while await self.measuring.say_one():
            pass

    async def said(self) -> list[SegmentScored]:
        """What was said since the last look."""
        rows = await self.database.fetch(
            "SELECT seq, type, payload FROM outbox WHERE seq > $1 ORDER BY seq", self._seen
        )
        self._seen = max([self._seen, *(row["seq"] for row in rows)])
        assert all(row["type"] == "segment.scored" for row in rows)
        return [SegmentScored.model_validate(row["payload"]) for row in rows]

    async def count(self, table: str) -> int:
        number: int = await self.database.fetchval(f"SELECT count(*) FROM {table}")
        return number


async def stored_clip(media: MediaStore, folder: Path, name: str = "astronaut", **options: Any) -> str:
    path = clip(folder / f"{uuid7()}.mp4", camera(photograph(name), **options))
    return await media.put_file(path)


async def correlation_of(database: Database, event: SegmentScored) -> UUID:
    headers: dict[str, str] = await database.fetchval(
        "SELECT headers FROM outbox WHERE payload->>'segment_id' = $1 ORDER BY seq DESC LIMIT 1", str(event.segment_id)
    )
    return UUID(headers["ce_correlationid"])
