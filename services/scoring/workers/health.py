"""What the models of the measuring processes really run on, for `/readyz` and for Prometheus."""

from collections.abc import Mapping
from typing import Any, Protocol

from services.scoring import metrics
from services.scoring.adapters.onnx import fallback
from services.scoring.domain import IDENTITY_KINDS, Device


class Processes(Protocol):
    @property
    def problem(self) -> str | None:
        """Why the process that was asked last gave no answer."""

    async def introduce(self) -> None: ...
    def providers(self) -> list[Mapping[str, list[str]]]: ...


class IdentityHealth:
    """A model that fell back to the processor measures the same numbers, only slower: clips go on being scored, and the
    service says that it is not ready until somebody mends it."""

    def __init__(self, *, processes: Processes, backend: str, version: str, device: Device) -> None:
        self._processes = processes
        self._backend = backend
        self._version = version
        self._device = device

    async def start(self) -> None:
        await self._processes.introduce()
        await self.problem()

    async def problem(self) -> str | None:
        """Why identity is not measured as it was asked to be; None if it is, or if no process has answered yet."""
        fallen = [reason for each in self._processes.providers() if (reason := fallback(each, self._device))]
        metrics.IDENTITY_FALLEN_BACK.set(bool(fallen))
        for model, provider in self._running():
            metrics.IDENTITY_PROVIDERS.labels(self._backend, self._version, model, provider).set(1)
        return fallen[0] if fallen else self._processes.problem

    def fact(self) -> dict[str, Any]:
        providers: dict[str, list[str]] = {}
        for model, provider in self._running():
            providers.setdefault(model, []).append(provider)
        return {
            "backend": self._backend,
            "version": self._version,
            "is_identity": IDENTITY_KINDS[self._backend].is_identity,
            "notice": IDENTITY_KINDS[self._backend].notice,
            "device": self._device,
            "providers": providers,
        }

    def _running(self) -> list[tuple[str, str]]:
        """(model, provider) of every session of every process, each once, in the sessions' own order."""
        return list(
            dict.fromkeys(
                (model, provider)
                for process in self._processes.providers()
                for model, providers in process.items()
                for provider in providers
            )
        )
