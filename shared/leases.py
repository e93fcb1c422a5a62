"""Work on lease: a job is held while somebody works on it, and lost when they fall silent."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol, TypeVar

from shared.postgres.errors import is_transient
from shared.processes import BrokeOffError

Job = TypeVar("Job")
Answer = TypeVar("Answer")


class Leases(Protocol[Job]):
    """What a service decides about its jobs, each in a transaction of its own."""

    async def claim(self) -> Job | None: ...

    async def extend(self, job: Job) -> bool: ...

    async def give_back(self, job: Job) -> None: ...

    async def crashed(self, job: Job, reason: str) -> None: ...


async def worked(
    leases: Leases[Job],
    answer: Callable[[Job], Awaitable[Answer]],
    finish: Callable[[Job, Answer], Awaitable[None]],
    *,
    lease_seconds: float,
) -> bool:
    """Claims a job, answers it outside any transaction while its lease is renewed, and finishes it; False if there is
    none.

    A job over which a process broke off is the service's to judge; any other error is not the job's fault, and gives it
    back. A cancelled step leaves its job to the end of the lease.
    """
    job = await leases.claim()
    if job is None:
        return False
    try:
        async with renewed(lambda: leases.extend(job), lease_seconds=lease_seconds):
            answered = await answer(job)
    except BrokeOffError as error:
        await leases.crashed(job, str(error))
    except Exception:
        await leases.give_back(job)
        raise
    else:
        await finish(job, answered)
    return True


def renewed(extend: Callable[[], Awaitable[bool]], *, lease_seconds: float) -> AbstractAsyncContextManager[None]:
    """Renews a lease at a third of its length.

    It stops when the lease is lost: what is found will then be refused, and another worker finds it.
    """
    return repeated(extend, every_seconds=lease_seconds / 3)


@asynccontextmanager
async def repeated(step: Callable[[], Awaitable[bool]], *, every_seconds: float) -> AsyncIterator[None]:
    """Takes a step at this beat, beside what is done in the context, as long as it returns True.

    A database that is away costs one beat; any other error ends it, and is raised when the context ends.
    """

    async def repeat() -> None:
        goes_on = True
        while goes_on:
            await asyncio.sleep(every_seconds)
            try:
                goes_on = await step()
            except Exception as error:
                if not is_transient(error):
                    raise

    repeating = asyncio.create_task(repeat(), name="repeated")
    try:
        yield
    finally:
        repeating.cancel()
        with suppress(asyncio.CancelledError):
            await repeating
