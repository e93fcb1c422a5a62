"""Measuring processes, kept warm: one request at a time each, killed at a deadline, replaced when they die."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict

from services.scoring.domain import BackendChoice
from services.scoring.workers.measurement import MeasurementRequest
from services.scoring.workers.messages import INTRODUCE, Answered, answer_of, request_line

LONGEST_ANSWER_BYTES = 4 * 1024 * 1024
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
DEFAULT_IDENTITY = BackendChoice()


class MeasuringBrokeOffError(Exception):
    """The process died, failed or ran out of time over this request; the message says which."""


class MeasuringProcess:
    """One process; started when first asked, and again after it died.

    `providers` is what its models ran on when it last answered; None while it never did.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: Process | None = None
        self.providers: Mapping[str, list[str]] | None = None

    async def ask(self, request: MeasurementRequest, *, deadline_seconds: float) -> Answered:
        """Raises MeasuringBrokeOffError."""
        return await self._answer(request_line(request), deadline_seconds)

    async def introduce(self, *, deadline_seconds: float) -> None:
        """Start it, if it does not run, and learn what its models run on. Raises MeasuringBrokeOffError."""
        await self._answer(INTRODUCE, deadline_seconds)

    async def _answer(self, question: bytes, deadline_seconds: float) -> Answered:
        try:
            line = await asyncio.wait_for(self._exchange(question), timeout=deadline_seconds)
        except TimeoutError as error:
            await self.stop()
            raise MeasuringBrokeOffError(f"no answer within {deadline_seconds:g} s") from error
        except BaseException:
            await self.stop()
            raise
        if not line.endswith(b"\n"):
            raise MeasuringBrokeOffError(f"the measuring process died ({await self._ending()})")
        answer = answer_of(line)
        if isinstance(answer, str):
            raise MeasuringBrokeOffError(answer)
        self.providers = answer.providers
        return answer

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


class ProcessPool:
    def __init__(
        self,
        *,
        size: int,
        deadline_seconds: float,
        memory_limit_bytes: int,
        identity: BackendChoice = DEFAULT_IDENTITY,
    ) -> None:
        child = (sys.executable, "-m", "services.scoring.workers.child")
        command = (*child, str(memory_limit_bytes), json.dumps(asdict(identity)))
        self._processes = [MeasuringProcess(command) for _ in range(size)]
        self._idle: asyncio.LifoQueue[MeasuringProcess] = asyncio.LifoQueue()
        for process in self._processes:
            self._idle.put_nowait(process)
        self._deadline_seconds = deadline_seconds
        self.problem: str | None = None

    async def introduce(self) -> None:
        """So that it is known what the models run on before the first clip comes; a process that cannot start says
        so here, and again with every clip."""
        process = await self._idle.get()
        try:
            await process.introduce(deadline_seconds=self._deadline_seconds)
            self.problem = None
        except MeasuringBrokeOffError as error:
            self.problem = str(error)
        finally:
            self._idle.put_nowait(process)

    def providers(self) -> list[Mapping[str, list[str]]]:
        """Of each process that has answered: by model, what its session runs on."""
        return [process.providers for process in self._processes if process.providers is not None]

    async def measure(self, request: MeasurementRequest) -> Answered:
        """Waits for an idle process. Raises MeasuringBrokeOffError; the next request finds a fresh process."""
        process = await self._idle.get()
        try:
            answered = await process.ask(request, deadline_seconds=self._deadline_seconds)
            self.problem = None
            return answered
        finally:
            self._idle.put_nowait(process)

    async def stop(self) -> None:
        for process in self._processes:
            await process.stop()
