"""Measuring processes, kept warm: one request at a time each, killed at a deadline, replaced when they die."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from services.scoring.domain import BackendChoice
from services.scoring.workers.measurement import MeasurementRequest
from services.scoring.workers.messages import INTRODUCE, Answered, answer_of, request_line
from shared.processes import BrokeOffError, LinePool, LineProcess

DEFAULT_IDENTITY = BackendChoice()


class MeasuringProcess(LineProcess[MeasurementRequest | None, Answered]):
    """Asked nothing, it only tells what its models run on.

    `providers` is what its models ran on when it last answered; None while it never did.
    """

    def __init__(self, command: Sequence[str]) -> None:
        super().__init__(command, encode=_line, decode=answer_of, what="measuring")
        self.providers: Mapping[str, list[str]] | None = None

    async def ask(self, request: MeasurementRequest | None, *, deadline_seconds: float) -> Answered:
        """Raises BrokeOffError."""
        answered = await super().ask(request, deadline_seconds=deadline_seconds)
        self.providers = answered.providers
        return answered


class ProcessPool(LinePool[MeasurementRequest | None, Answered]):
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
        self._measuring = [MeasuringProcess(command) for _ in range(size)]
        super().__init__(self._measuring, deadline_seconds=deadline_seconds)
        self.problem: str | None = None

    async def introduce(self) -> None:
        """So that it is known what the models run on before the first clip comes; a process that cannot start says
        so here, and again with every clip."""
        try:
            await self.ask(None)
            self.problem = None
        except BrokeOffError as error:
            self.problem = str(error)

    def providers(self) -> list[Mapping[str, list[str]]]:
        """Of each process that has answered: by model, what its session runs on."""
        return [process.providers for process in self._measuring if process.providers is not None]

    async def measure(self, request: MeasurementRequest) -> Answered:
        """Waits for an idle process. Raises BrokeOffError; the next request finds a fresh process."""
        answered = await self.ask(request)
        self.problem = None
        return answered


def _line(request: MeasurementRequest | None) -> bytes:
    return INTRODUCE if request is None else request_line(request)
