"""Dispatch as a process of its own, and the same database seen from outside."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from shared.contracts.generation import GenerationRequested
from tests.support.dispatch import Dispatch, facts, generation_requested, said, seed_image_bytes
from tests.support.infrastructure import free_port
from tests.support.standin import StandInProcess

ROOT = Path(__file__).parents[2]


@dataclass
class Service:
    """The process under test, and the same database seen from outside."""

    environment: dict[str, str]
    log: Path
    outside: Dispatch
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.dispatch"],
                cwd=ROOT,
                env=os.environ | self.environment,
                stdout=log,
                stderr=log,
            )

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)

    def children(self) -> list[psutil.Process]:
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    async def until(self, condition: Callable[[], Awaitable[bool]], *, seconds: float = 60) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not await condition():
                    assert self.process is None or self.process.poll() is None, self.log.read_text()[-4000:]
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"not within {seconds} s; the log ends with:\n{self.log.read_text()[-6000:]}")

    async def until_listening(self) -> None:
        """Its first work may be done before its HTTP port is open."""

        async def listening() -> bool:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", int(self.environment["RUSHES_HTTP_PORT"]))
            except OSError:
                return False
            writer.close()
            return True

        await self.until(listening)

    async def until_generated(self, count: int) -> list[dict[str, Any]]:
        async def enough() -> bool:
            return len(await self.generated()) >= count

        await self.until(enough)
        return await self.generated()

    async def generated(self) -> list[dict[str, Any]]:
        return await said(self.outside.database, "segment.generated")

    async def until_attempts(self, *, submitted: int) -> None:
        async def sent() -> bool:
            found = await self.outside.database.fetchval(
                "SELECT count(*) FROM generation_attempts WHERE submitted_at IS NOT NULL"
            )
            return bool(found >= submitted)

        await self.until(sent)

    async def request(self, **changes: Any) -> GenerationRequested:
        seed_image = await self.outside.media.put_bytes(seed_image_bytes())
        await self.outside.learn(*facts(seed_image))
        request = generation_requested(seed_image, **changes)
        await self.outside.learn(request)
        return request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environment['RUSHES_HTTP_PORT']}"


@contextmanager
def service_of(
    settings: Mapping[str, Any], outside: Dispatch, log: Path, *, servers: Sequence[str]
) -> Iterator[Service]:
    """Not started yet; killed at the end. `settings` as the fixture `settings_of` gives them."""
    environment = {
        "RUSHES_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "RUSHES_TOPIC_PREFIX": "none.",
        "RUSHES_DATABASE_URL": settings["database_url"],
        "RUSHES_MEDIA_ROOT": str(settings["media_root"]),
        "RUSHES_TOKEN_PUBLIC_KEY_FILE": str(settings["token_public_key_file"]),
        "RUSHES_HTTP_PORT": str(free_port()),
        "DISPATCH_COMFYUI_URLS": ",".join(servers),
        "DISPATCH_LEASE_SECONDS": "1.5",
        "DISPATCH_POLL_SECONDS": "0.05",
        "DISPATCH_HEALTH_SECONDS": "0.2",
        "DISPATCH_REQUEST_TIMEOUT_SECONDS": "2",
    }
    service = Service(environment, log, outside)
    try:
        yield service
    finally:
        service.kill()


def prompts_of(standin: StandInProcess) -> set[str]:
    """Every prompt that has run on the stand-in since it started."""
    return set(standin.request("GET", "/history")[1])
