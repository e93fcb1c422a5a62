"""Child processes that answer one line for one line: kept warm, killed at a deadline, replaced when they die.

For work that a crash, a hang or a hunger for memory of a library must not take the service with it.
"""

import asyncio
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

LONGEST_ANSWER_BYTES = 4 * 1024 * 1024
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


Request = TypeVar("Request")
Answer = TypeVar("Answer")


class BrokeOffError(Exception):
    """The process died, failed or ran out of time over this request; the message says which."""


class LineProcess(Generic[Request, Answer]):
    """One process; started when first asked, and again after it died.

    `encode` makes a line of a request, `decode` an answer of a line, or raises BrokeOffError with what the process says
    went wrong.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        encode: Callable[[Request], bytes],
        decode: Callable[[bytes], Answer],
        what: str,
    ) -> None:
        self._command = command
        self._encode = encode
        self._decode = decode
        self._what = what
        self._process: Process | None = None

    async def ask(self, request: Request, *, deadline_seconds: float) -> Answer:
        """Raises BrokeOffError."""
        try:
            line = await asyncio.wait_for(self._exchange(self._encode(request)), timeout=deadline_seconds)
        except TimeoutError as error:
            await self.stop()
            raise BrokeOffError(f"no answer within {deadline_seconds:g} s") from error
        except BaseException:
            await self.stop()
            raise
        if not line.endswith(b"\n"):
            raise BrokeOffError(f"the {self._what} process died ({await self._ending()})")
        return self._decode(line)

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _exchange(self, line: bytes) -> bytes:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, limit=LONGEST_ANSWER_BYTES, env={**os.environ, **ONE_THREAD}
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(BrokenPipeError, ConnectionResetError):
            self._process.stdin.write(line)
            await self._process.stdin.drain()
        return await self._process.stdout.readline()

    async def _ending(self) -> str:
        process, self._process = self._process, None
        if process is None:
            return "stopped"
        code = await process.wait()
        return f"signal {-code}" if code < 0 else f"exit status {code}"


class LinePool(Generic[Request, Answer]):
    """Several of them, each with one request at a time."""

    def __init__(self, processes: Sequence[LineProcess[Request, Answer]], *, deadline_seconds: float) -> None:
        self._processes = processes
        self._idle: asyncio.LifoQueue[LineProcess[Request, Answer]] = asyncio.LifoQueue()
        for process in self._processes:
            self._idle.put_nowait(process)
        self._deadline_seconds = deadline_seconds

    async def ask(self, request: Request) -> Answer:
        """Waits for an idle process. Raises BrokeOffError; the next request finds a fresh process."""
        process = await self._idle.get()
        try:
            return await process.ask(request, deadline_seconds=self._deadline_seconds)
        finally:
            self._idle.put_nowait(process)

    async def stop(self) -> None:
        for process in self._processes:
            await process.stop()
