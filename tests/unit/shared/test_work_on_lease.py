"""One step of work on lease: what becomes of the job in each way that it can end."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from shared.leases import worked
from shared.processes import BrokeOffError

DEADLINE_SECONDS = 60.0
"""Of what would otherwise wait for ever."""


class Played:
    """One job, and a memory of what was decided about it. `extended` tells when it was renewed often enough."""

    def __init__(self, *, jobs: int = 1, renewals: list[bool | Exception] | None = None) -> None:
        self.told: list[str] = []
        self.extended = asyncio.Event()
        self._jobs = jobs
        self._renewals = renewals or [True]

    async def claim(self) -> str | None:
        self._jobs -= 1
        return "job" if self._jobs >= 0 else None

    async def extend(self, job: str) -> bool:
        self.told.append(f"extend {job}")
        answer = self._renewals.pop(0)
        if not self._renewals:
            self.extended.set()
            self._renewals.append(True)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def give_back(self, job: str) -> None:
        self.told.append(f"give back {job}")

    async def crashed(self, job: str, reason: str) -> None:
        self.told.append(f"crashed {job}: {reason}")

    async def finish(self, job: str, answer: int) -> None:
        self.told.append(f"finish {job}: {answer}")

    async def work(self, answer: Callable[[str], Awaitable[int]], *, lease_seconds: float = 600.0) -> bool:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await worked(self, answer, self.finish, lease_seconds=lease_seconds)


def failing(error: BaseException) -> Callable[[str], Awaitable[int]]:
    async def answer(job: str) -> int:
        raise error

    return answer


async def seven(job: str) -> int:
    return 7


async def test_a_job_is_answered_and_finished_and_none_is_no_work() -> None:
    played = Played()
    assert await played.work(seven)
    assert not await played.work(seven)
    assert played.told == ["finish job: 7"]


async def test_a_process_that_breaks_off_is_judged_and_any_other_error_gives_the_job_back() -> None:
    played = Played()
    assert await played.work(failing(BrokeOffError("signal 11")))
    assert played.told == ["crashed job: signal 11"]
    played = Played()
    with pytest.raises(OSError, match="no space left"):
        await played.work(failing(OSError("no space left")))
    assert played.told == ["give back job"]


async def test_a_cancelled_step_leaves_its_job_to_the_end_of_the_lease() -> None:
    played = Played()
    with pytest.raises(asyncio.CancelledError):
        await played.work(failing(asyncio.CancelledError()))
    assert played.told == []


async def test_the_lease_is_renewed_while_the_work_lasts_even_past_a_database_that_is_away() -> None:
    played = Played(renewals=[True, asyncpg.ConnectionDoesNotExistError("away"), True])

    async def answer(job: str) -> int:
        await played.extended.wait()
        return 7

    assert await played.work(answer, lease_seconds=0.003)
    assert played.told[:3] == ["extend job"] * 3
    assert played.told[-1] == "finish job: 7"


async def test_a_lost_lease_is_not_asked_for_again() -> None:
    played = Played(renewals=[False])

    async def answer(job: str) -> int:
        await played.extended.wait()
        for task in asyncio.all_tasks():
            if task.get_name() == "repeated":
                await task
        return 7

    assert await played.work(answer, lease_seconds=0.003)
    assert played.told == ["extend job", "finish job: 7"]
