"""Smoothing on a real database, with its Kafka side called by hand and its measuring process real or played."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from services.smoothing import domain
from services.smoothing.handlers import Handlers
from services.smoothing.operations import (
    CheckOperations,
    ReadOperations,
    RepairOperations,
    SegmentOperations,
    ThresholdOperations,
)
from services.smoothing.store import CheckStore, RepairStore, SeamStore, SegmentStore, ThresholdStore
from services.smoothing.workers.measuring import MeasuringWorker, Pool
from services.smoothing.workers.messages import Checked, CheckRequest, Repaired, RepairedFile, RepairRequest
from services.smoothing.workers.proposing import Pool as RepairPool
from services.smoothing.workers.proposing import ProposingWorker
from shared.cause import Cause
from shared.contracts import topics
from shared.contracts.base import Event
from shared.contracts.segment import SegmentActivated, SegmentGenerated
from shared.ids import uuid7
from shared.media import MediaStore
from shared.postgres import Database
from tests.support.events import delivered, segment_generated, sha


def a_seam(levels: float = 1.0, *, ssim: float = 0.97) -> domain.Seam:
    """Twelve usual steps around a cut of these levels, under the default limits."""
    steps = tuple(
        domain.StepReading(
            offset=offset,
            levels=levels if offset == 0 else 1.0,
            appearance_levels=levels if offset == 0 else 1.0,
            change_levels=2.0,
            ssim=ssim if offset == 0 else 0.97,
            expected_ssim=ssim if offset == 0 else 0.97,
        )
        for offset in range(-6, 7)
    )
    return domain.Seam(
        steps=steps,
        limit_levels=domain.limit_levels(steps, domain.DEFAULT_THRESHOLDS),
        luminance_step=0.01,
        contrast_step=0.0,
        saturation_step=-0.02,
        repeats_handover=False,
    )


GREEN, RED = a_seam(), a_seam(20.0, ssim=0.6)


def generated(*, position: int = 1, **changes: Any) -> SegmentGenerated:
    """A segment of scene 50, unless told otherwise."""
    return segment_generated(**{"scene_id": 50, "position": position} | changes)


def activated(segment: SegmentGenerated, sequence: int, **changes: Any) -> SegmentActivated:
    fields: dict[str, Any] = {
        "scene_id": segment.scene_id,
        "segment_id": segment.segment_id,
        "position": segment.position,
        "version": segment.version,
        "previous_segment_id": None,
        "clip_sha256": segment.clip.sha256,
        "reason": "generated" if segment.version == 1 else "regenerated",
        "sequence": sequence,
    }
    return SegmentActivated.model_validate(fields | changes)


@dataclass
class PlayedPool:
    """Answers at once with what it is told, and remembers what it was asked."""

    answer: Callable[[CheckRequest], domain.Seam | str] = lambda request: GREEN
    asked: list[CheckRequest] = field(default_factory=list)

    async def ask(self, request: CheckRequest) -> Checked:
        self.asked.append(request)
        return Checked(found=self.answer(request), seconds=0.25)


def made(request: RepairRequest, *sides: str) -> Repaired:
    """A repair of these sides that joins better. Its files are there, and hold no video."""
    files = []
    for side in sides:
        path = request.out / f"{side}.mp4"
        path.write_bytes(f"repaired {side} of {request.previous} and {request.next}".encode())
        path.with_suffix(".png").write_bytes(f"last frame of the repaired {side}".encode())
        files.append(
            RepairedFile(
                side=side,
                path=path,
                last_frame=path.with_suffix(".png"),
                frame_digest=sha(4),
                width=160,
                height=160,
                frames=14,
                fps=16.0,
                duration_seconds=0.875,
                changed_frames=0,
                dropped_at_start=2 if side == "next" else 0,
                dropped_at_end=2 if side == "previous" else 0,
            )
        )
    return Repaired(
        reasons=(),
        before=domain.numbers_of(RED),
        after=domain.numbers_of(GREEN),
        files=tuple(files),
        seconds=1.5,
    )


REFUSED = Repaired(
    reasons=("the window is not better: visibility 2.10 before, 2.30 after",),
    before=domain.numbers_of(RED),
    after=domain.numbers_of(RED),
    files=(),
    seconds=1.5,
)


@dataclass
class PlayedRepairs:
    """Answers at once with what it is told, and remembers what it was asked."""

    answer: Callable[[RepairRequest], Repaired] = lambda request: made(request, "next")
    asked: list[RepairRequest] = field(default_factory=list)

    async def ask(self, request: RepairRequest) -> Repaired:
        self.asked.append(request)
        return self.answer(request)


class Smoothing:
    """The service without broker and HTTP: deliver events, let it work, see what it said."""

    def __init__(
        self,
        database: Database,
        media: MediaStore,
        *,
        pool: Pool,
        repair_pool: RepairPool,
        patience_seconds: float = 60,
    ) -> None:
        self.database = database
        self.media = media
        self.segments, self.seams = SegmentStore(database), SeamStore(database)
        self.checks, self.thresholds = CheckStore(database), ThresholdStore(database)
        self.repairs = RepairStore(database)
        self.woken = 0
        self.checking = CheckOperations(
            segments=self.segments,
            seams=self.seams,
            checks=self.checks,
            thresholds=self.thresholds,
            lease_seconds=30,
            announce=lambda: None,
        )
        self.reads = ReadOperations(
            segments=self.segments, seams=self.seams, repairs=self.repairs, thresholds=self.thresholds
        )
        self.repairing = RepairOperations(
            segments=self.segments,
            seams=self.seams,
            repairs=self.repairs,
            thresholds=self.thresholds,
            lease_seconds=30,
            patience_seconds=60,
            wake=self._wake,
        )
        self.handlers = Handlers(
            SegmentOperations(
                segments=self.segments,
                seams=self.seams,
                checks=self.checks,
                repairs=self.repairs,
                thresholds=self.thresholds,
                wake=self._wake,
            ),
            self.repairing,
            ThresholdOperations(segments=self.segments, thresholds=self.thresholds),
        )
        self.worker = MeasuringWorker(operations=self.checking, media=media, pool=pool, lease_seconds=30)
        self.proposer = ProposingWorker(
            operations=self.repairing, media=media, pool=repair_pool, lease_seconds=30, told_every_seconds=0.01
        )
        self._seen = 0

    def _wake(self) -> None:
        self.woken += 1

    async def deliver(self, *events: Event, cause: Cause | None = None) -> None:
        for event in events:
            name = topics.topic_of(event).name.replace(".", "_")
            handler: Callable[[Any, Cause], Awaitable[None]] = getattr(self.handlers, name)
            await handler(event, cause or delivered(event))

    async def segment(self, *, sequence: int | None = None, clip: str = "", **changes: Any) -> SegmentGenerated:
        """A segment whose clip is there (a played process does not look at it), current if a sequence is given."""
        event = generated(clip_sha256=await self.media.put_bytes((clip or f"clip {uuid7()}").encode()), **changes)
        await self.deliver(event)
        if sequence is not None:
            await self.deliver(activated(event, sequence))
        return event

    async def work(self) -> None:
        """Until there is nothing to do."""
        while await self.worker.step():
            pass
        while await self.checking.say_one():
            pass
        while await self.proposer.step():
            pass

    async def said(self) -> list[Event]:
        """What was said since the last look."""
        rows = await self.database.fetch(
            "SELECT seq, type, payload FROM outbox WHERE seq > $1 ORDER BY seq", self._seen
        )
        self._seen = max([self._seen, *(row["seq"] for row in rows)])
        return [topics.topic_named(row["type"]).event.model_validate(row["payload"]) for row in rows]

    async def count(self, table: str) -> int:
        number: int = await self.database.fetchval(f"SELECT count(*) FROM {table}")
        return number
