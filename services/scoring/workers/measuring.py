"""The loop that answers questions: claim, fetch files, measure in a process, report."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

from services.scoring.domain import Job, Question, unmeasurable
from services.scoring.operations import MeasuringOperations
from services.scoring.workers.measurement import MeasurementRequest
from services.scoring.workers.messages import Answered
from shared.media import MediaChanged, MediaMissing
from shared.postgres.errors import is_transient
from shared.processes import BrokeOffError


class Media(Protocol):
    def local_path(self, sha256: str, *, verify: bool = False) -> AbstractAsyncContextManager[Path]: ...


class Pool(Protocol):
    async def measure(self, request: MeasurementRequest) -> Answered: ...


class MeasuringWorker:
    """Holds no transaction while it works; the lease is renewed at a third of its length."""

    def __init__(self, *, operations: MeasuringOperations, media: Media, pool: Pool, lease_seconds: float) -> None:
        self._operations = operations
        self._media = media
        self._pool = pool
        self._lease_seconds = lease_seconds

    async def step(self) -> bool:
        job = await self._operations.claim()
        if job is None:
            return False
        try:
            async with self._kept(job):
                answered = await self._measured(job.question, job)
        except BrokeOffError as error:
            await self._operations.crashed(job, str(error))
        except asyncio.CancelledError:
            raise
        except Exception:
            await self._operations.give_back(job)
            raise
        else:
            await self._operations.finish(
                job, answered.measurement, measure_seconds=answered.seconds, stages=answered.stages
            )
        return True

    async def _measured(self, question: Question, job: Job) -> Answered:
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
        """The file, or why there is none; its bytes still have their hash."""
        if sha256 is None:
            return None
        try:
            return await files.enter_async_context(self._media.local_path(sha256, verify=True))
        except MediaMissing:
            return "is not stored"
        except MediaChanged:
            return "was changed in the store: its bytes no longer have its hash"

    @asynccontextmanager
    async def _kept(self, job: Job) -> AsyncIterator[None]:
        renewing = asyncio.create_task(self._renew(job))
        try:
            yield
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing

    async def _renew(self, job: Job) -> None:
        """Ends when the lease is lost: the answer will then be refused, and another worker gives it."""
        kept = True
        while kept:
            await asyncio.sleep(self._lease_seconds / 3)
            try:
                kept = await self._operations.extend(job)
            except Exception as error:
                if not is_transient(error):
                    raise


def _only_path(found: Path | str | None) -> Path | None:
    return found if isinstance(found, Path) else None
