"""The loop that measures seams: claim, fetch the clips, measure in a process, report."""

from contextlib import AsyncExitStack
from typing import Protocol

from services.smoothing.domain import CheckJob
from services.smoothing.operations import CheckOperations
from services.smoothing.workers.messages import Checked, CheckRequest
from shared.leases import worked
from shared.media import LocalFiles, fetched


class Pool(Protocol):
    async def ask(self, request: CheckRequest) -> Checked: ...


class MeasuringWorker:
    """Holds no transaction while it works."""

    def __init__(self, *, operations: CheckOperations, media: LocalFiles, pool: Pool, lease_seconds: float) -> None:
        self._operations = operations
        self._media = media
        self._pool = pool
        self._lease_seconds = lease_seconds

    async def step(self) -> bool:
        return await worked(self._operations, self._measured, self._finish, lease_seconds=self._lease_seconds)

    async def _measured(self, job: CheckJob) -> Checked:
        async with AsyncExitStack() as files:
            previous = await fetched(self._media, files, job.pair.previous_clip_sha256)
            following = await fetched(self._media, files, job.pair.next_clip_sha256)
            if isinstance(previous, str):
                return Checked(found=f"the earlier clip {previous}", seconds=0.0)
            if isinstance(following, str):
                return Checked(found=f"the later clip {following}", seconds=0.0)
            return await self._pool.ask(CheckRequest(previous=previous, next=following))

    async def _finish(self, job: CheckJob, answer: Checked) -> None:
        await self._operations.finish(job, answer.found, measure_seconds=answer.seconds)
