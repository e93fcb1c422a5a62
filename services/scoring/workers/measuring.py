"""The loop that answers questions: claim, fetch files, measure in a process, report."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

from services.scoring.domain import Job, Question, unmeasurable
from services.scoring.operations import MeasuringOperations
from services.scoring.workers.measurement import MeasurementRequest
from services.scoring.workers.messages import Answered
from shared.leases import worked
from shared.media import LocalFiles, fetched


class Pool(Protocol):
    async def measure(self, request: MeasurementRequest) -> Answered: ...


class MeasuringWorker:
    """Holds no transaction while it works."""

    def __init__(self, *, operations: MeasuringOperations, media: LocalFiles, pool: Pool, lease_seconds: float) -> None:
        self._operations = operations
        self._media = media
        self._pool = pool
        self._lease_seconds = lease_seconds

    async def step(self) -> bool:
        return await worked(self._operations, self._measured, self._finish, lease_seconds=self._lease_seconds)

    async def _finish(self, job: Job, answered: Answered) -> None:
        await self._operations.finish(
            job, answered.measurement, measure_seconds=answered.seconds, stages=answered.stages
        )

    async def _measured(self, job: Job) -> Answered:
        question = job.question
        async with AsyncExitStack() as files:
            clip = await self._file(files, question.clip_sha256)
            if not isinstance(clip, Path):
                return Answered(measurement=unmeasurable(f"the clip {clip}", decodable=True), seconds=0.0)
            request = MeasurementRequest(clip=clip, expected=question.expected, known_region=job.known_region)
            return await self._pool.measure(await self._with_others(files, question, request))

    async def _with_others(
        self, files: AsyncExitStack, question: Question, request: MeasurementRequest
    ) -> MeasurementRequest:
        """What else is measured against; a file that is not there is a reason for its metric and no more."""
        source = await self._file(files, question.source_image_sha256)
        previous = await self._file(files, question.previous_clip_sha256)
        baseline = await self._file(files, question.baseline_clip_sha256)
        absent = {
            "identity_similarity": ("the source image", source),
            "handover_ssim": ("the previous clip", previous),
            "ssim_to_baseline": ("the baseline clip", baseline),
        }
        return MeasurementRequest(
            clip=request.clip,
            expected=request.expected,
            known_region=request.known_region,
            source_image=_only_path(source),
            previous_clip=_only_path(previous),
            baseline_clip=_only_path(baseline),
            absent=tuple((m, f"{name} {found}") for m, (name, found) in absent.items() if isinstance(found, str)),
        )

    async def _file(self, files: AsyncExitStack, sha256: str | None) -> Path | str | None:
        return None if sha256 is None else await fetched(self._media, files, sha256)


def _only_path(found: Path | str | None) -> Path | None:
    return found if isinstance(found, Path) else None
