"""The loop that makes repairs: claim, fetch the clips, repair in a process, store what was made, report."""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

from services.smoothing.domain import CandidateClip, Made, RepairJob, StoredFile
from services.smoothing.operations import RepairOperations
from services.smoothing.workers.messages import Repaired, RepairedFile, RepairRequest, progress_told
from shared.leases import repeated, worked
from shared.media import LocalFiles, fetched

TOLD_EVERY_SECONDS = 1.0


class Media(LocalFiles, Protocol):
    async def put_file(self, path: Path) -> str: ...


class Pool(Protocol):
    async def ask(self, request: RepairRequest) -> Repaired: ...


class ProposingWorker:
    """Holds no transaction while it works. Clips are stored before anybody hears of them; those that nobody hears of,
    because the service died at that moment, are found again by their hash when the repair is made again."""

    def __init__(
        self,
        *,
        operations: RepairOperations,
        media: Media,
        pool: Pool,
        lease_seconds: float,
        told_every_seconds: float = TOLD_EVERY_SECONDS,
    ) -> None:
        self._operations = operations
        self._media = media
        self._pool = pool
        self._lease_seconds = lease_seconds
        self._told_every_seconds = told_every_seconds

    async def step(self) -> bool:
        return await worked(self._operations, self._made, self._finish, lease_seconds=self._lease_seconds)

    async def _made(self, job: RepairJob) -> tuple[Made, float]:
        async with AsyncExitStack() as files:
            previous = await fetched(self._media, files, job.meeting.previous.clip_sha256)
            following = await fetched(self._media, files, job.meeting.next.clip_sha256)
            if isinstance(previous, str):
                return Made(reasons=(f"the earlier clip {previous}",)), 0.0
            if isinstance(following, str):
                return Made(reasons=(f"the later clip {following}",)), 0.0
            out = Path(files.enter_context(tempfile.TemporaryDirectory(prefix="rushes-repair-")))
            request = RepairRequest(
                previous=previous,
                next=following,
                method=job.method,
                frames=job.frames,
                limits=job.limits,
                out=out,
            )
            async with repeated(lambda: self._told(job, out), every_seconds=self._told_every_seconds):
                answer = await self._pool.ask(request)
            clips = tuple([await self._stored(job, file) for file in answer.files])
        return Made(reasons=answer.reasons, before=answer.before, after=answer.after, clips=clips), answer.seconds

    async def _told(self, job: RepairJob, out: Path) -> bool:
        """How far the process is, for whoever waits. False once the lease is lost."""
        progress = progress_told(out)
        return progress is None or await self._operations.progressed(job, progress)

    async def _finish(self, job: RepairJob, answer: tuple[Made, float]) -> None:
        made, seconds = answer
        await self._operations.finish(job, made, make_seconds=seconds)

    async def _stored(self, job: RepairJob, file: RepairedFile) -> CandidateClip:
        segment = job.meeting.previous if file.side == "previous" else job.meeting.next
        size_bytes = (await asyncio.to_thread(file.path.stat)).st_size
        return CandidateClip(
            segment_id=segment.id,
            position=segment.position,
            based_on_clip_sha256=segment.clip_sha256,
            file=StoredFile(
                sha256=await self._media.put_file(file.path),
                size_bytes=size_bytes,
                frame_digest=file.frame_digest,
                width=file.width,
                height=file.height,
                frames=file.frames,
                fps=file.fps,
                duration_seconds=file.duration_seconds,
            ),
            last_frame_sha256=await self._media.put_file(file.last_frame),
            changed_frames=file.changed_frames,
            dropped_at_start=file.dropped_at_start,
            dropped_at_end=file.dropped_at_end,
        )
