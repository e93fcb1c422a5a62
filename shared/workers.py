"""Background loops: a step is repeated while it finds work, and sleeps until it is woken or a beat has passed."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from shared.errors import TransientError
from shared.metrics import WORK_FAILURES, WORK_SECONDS
from shared.postgres.errors import is_transient

logger = logging.getLogger(__name__)

Step = Callable[[], Awaitable[bool]]

FAILURE_PAUSE_SECONDS = 1.0


class Worker:
    """`concurrency` loops over one step. One that raises is logged and tried again after a pause."""

    def __init__(self, *, name: str, step: Step, concurrency: int, poll_seconds: float) -> None:
        self._name = name
        self._step = step
        self._concurrency = concurrency
        self._poll_seconds = poll_seconds
        self._wakes = [asyncio.Event() for _ in range(concurrency)]
        self._tasks: list[asyncio.Task[None]] = []
        self._draining = False

    def wake(self) -> None:
        for wake in self._wakes:
            wake.set()

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._loop(wake), name=self._name) for wake in self._wakes]

    async def drain(self, seconds: float) -> None:
        """Let the steps in hand end, up to a deadline; then cancel them, and their leases expire."""
        self._draining = True
        self.wake()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _loop(self, wake: asyncio.Event) -> None:
        while not self._draining:
            wake.clear()
            if not await self._try():
                with suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), timeout=self._poll_seconds)

    async def _try(self) -> bool:
        started = time.perf_counter()
        try:
            worked = await self._step()
        except Exception as error:
            WORK_FAILURES.labels(self._name).inc()
            if isinstance(error, TransientError) or is_transient(error):
                logger.warning("a step will be tried again", extra={"worker": self._name, "error": repr(error)})
            else:
                logger.exception("a step failed", extra={"worker": self._name})
            await asyncio.sleep(FAILURE_PAUSE_SECONDS)
            return False
        if worked:
            WORK_SECONDS.labels(self._name).observe(time.perf_counter() - started)
        return worked
