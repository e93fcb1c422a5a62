"""The loop that measures seams: claim, fetch the clips, measure in a process, report."""

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Protocol

from services.smoothing.domain import CheckJob
from services.smoothing.operations import CheckOperations
from services.smoothing.workers.leases import renewed
from services.smoothing.workers.messages import Checked, CheckRequest
from shared.media import MediaChanged, MediaMissing
from shared.processes import BrokeOffError


class Media(Protocol):
    """Where clips are."""

    def local_path(self, sha256: str, *, verify: bool = False) -> AbstractAsyncContextManager[Path]: ...


class Pool(Protocol):
    async def ask(self, request: CheckRequest) -> Checked: ...


class MeasuringWorker:
    """Holds no transaction while it works."""

    def __init__(self, *, operations: CheckOperations, media: Media, pool: Pool, lease_seconds: float) -> None:
        self._operations = operations
        self._media = media
        self._pool = pool
        self._lease_seconds = lease_seconds

    async def step(self) -> bool:
        job = await self._operations.claim()
        if job is None:
            return False
        try:
            async with renewed(lambda: self._operations.extend(job), lease_seconds=self._lease_seconds):
                answer = await self._measured(job)
        except BrokeOffError as error:
            await self._operations.crashed(job, str(error))
        except asyncio.CancelledError:
            raise
        except Exception:
            await self._operations.give_back(job)
            raise
        else:
            await self._operations.finish(job, answer.found, measure_seconds=answer.seconds)
        return True

    async def _measured(self, job: CheckJob) -> Checked:
        async with AsyncExitStack() as files:
            previous = await fetched(self._media, files, job.pair.previous_clip_sha256)
            following = await fetched(self._media, files, job.pair.next_clip_sha256)
            if isinstance(previous, str):
                return Checked(found=f"the earlier clip {previous}", seconds=0.0)
            if isinstance(following, str):
                return Checked(found=f"the later clip {following}", seconds=0.0)
            return await self._pool.ask(CheckRequest(previous=previous, next=following))


async def fetched(media: Media, files: AsyncExitStack, sha256: str) -> Path | str:
    """The file, until `files` are closed, or why there is none; its bytes still have their hash."""
    try:
        return await files.enter_async_context(media.local_path(sha256, verify=True))
    except MediaMissing:
        return "is not stored"
    except MediaChanged:
        return "was changed in the store: its bytes no longer have its hash"
