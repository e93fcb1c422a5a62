"""Child processes that answer one line for one line: kept warm, killed at a deadline, replaced when they die.

For work that a crash, a hang or a hunger for memory of a library must not take the service with it. The service asks
through LineProcess or LinePool; the child answers through `answer_lines`, and ends when its input does, which is also
what happens when the service dies.
"""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, Generic, TypeVar

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


def line_of(fields: dict[str, Any]) -> bytes:
    """One line of JSON; what JSON has no form for is told as its text."""
    return json.dumps(fields, default=str).encode() + b"\n"


def fields_of(line: bytes) -> dict[str, Any]:
    """What an answer holds. Raises BrokeOffError when the child tells a failure instead."""
    fields: dict[str, Any] = json.loads(line)
    if "failure" in fields:
        raise BrokeOffError(str(fields["failure"]))
    return fields


def only_answers() -> BinaryIO:
    """In the child: where answers go. Whatever a library prints goes elsewhere, so that it is not taken for one, and a
    signal from the terminal is for the service alone."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def answer_lines(answers: BinaryIO, answer: Callable[[bytes], bytes]) -> None:
    """In the child: an answer to each line of standard input, until it ends. An error is told, and does not end it."""
    for line in sys.stdin.buffer:
        try:
            told = answer(line)
        except MemoryError:
            told = line_of({"failure": "it needed more memory than it may have"})
        except Exception as error:
            told = line_of({"failure": f"{type(error).__name__}: {error}"})
        answers.write(told)
        answers.flush()
