"""What the supervisor runs on this machine, in the topology's terms: how each process starts and when it is ready."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from deploy import topology
from deploy.local import kafka, postgres
from deploy.local.process import Launch
from deploy.local.site import REPOSITORY, LocalSite

Probe = Callable[[], Awaitable[str | None]]
"""Answers with the reason why the process is not ready, or None."""

PROBE_SECONDS = 3.0
DRAIN_SECONDS = 30.0
SERVICE_DRAIN_SECONDS = 20.0
"""What a service is given to finish its work (its own setting, below `DRAIN_SECONDS`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One process. `prepare` may take seconds (formatting, initdb) and runs in a thread.

    `stage` orders the shutdown only, services before what they work with; start-up has no order. A job (`one_shot`)
    starts when the processes in `after` are ready, and is done with its first success.
    """

    name: str
    prepare: Callable[[], Launch]
    probe: Probe
    stage: int
    port: int | None = None
    one_shot: bool = False
    after: tuple[str, ...] = ()
    drain_seconds: float = DRAIN_SECONDS


def plan(site: LocalSite, *, durable: bool = True) -> list[Planned]:
    """Every process of the stack, in the order in which people read them."""
    return [
        _kafka(site),
        _postgres(site, durable=durable),
        _migrate(site),
        *(_standin(site, name) for name in site.standins()),
        *(_service(site, entry) for entry in topology.SERVICES),
    ]


def _kafka(site: LocalSite) -> Planned:
    port = site.ports[topology.KAFKA]
    prepare = partial(
        kafka.prepare,
        home=site.home / "kafka",
        log_file=site.log_file(topology.KAFKA),
        port=port,
        controller_port=site.ports[f"{topology.KAFKA}_controller"],
    )
    return Planned(
        name=topology.KAFKA, prepare=prepare, probe=_threaded(partial(kafka.ready, port)), stage=2, port=port
    )


def _postgres(site: LocalSite, *, durable: bool) -> Planned:
    home = site.home / "postgres"
    prepare = partial(postgres.prepare, home=home, log_file=site.log_file(topology.POSTGRES), durable=durable)
    return Planned(name=topology.POSTGRES, prepare=prepare, probe=_threaded(partial(postgres.ready, home)), stage=2)


def _migrate(site: LocalSite) -> Planned:
    prepare = partial(_module, site, topology.MIGRATE, "deploy.migrate", (), topology.migration_environment(site))
    return Planned(
        name=topology.MIGRATE,
        prepare=prepare,
        probe=_nothing_to_probe,
        stage=0,
        one_shot=True,
        after=(topology.KAFKA, topology.POSTGRES),
    )


def _standin(site: LocalSite, name: str) -> Planned:
    port = site.ports[name]
    base = site.home / name.replace(topology.STANDIN, "comfyui", 1)
    arguments = ("--listen", "127.0.0.1", "--port", str(port), "--base-directory", str(base))
    prepare = partial(_module, site, name, "deploy.comfyui_standin", arguments, {})
    probe = partial(http_ready, port, "/system_stats")
    return Planned(name=name, prepare=prepare, probe=probe, stage=1, port=port)


def _service(site: LocalSite, entry: topology.Service) -> Planned:
    port = site.ports[entry.name]
    environment = {"RUSHES_DRAIN_SECONDS": str(int(SERVICE_DRAIN_SECONDS)), **entry.environment(site)}
    prepare = partial(_module, site, entry.name, entry.module, (), environment)
    return Planned(name=entry.name, prepare=prepare, probe=partial(http_ready, port, "/readyz"), stage=0, port=port)


def _module(site: LocalSite, name: str, module: str, arguments: tuple[str, ...], environment: dict[str, str]) -> Launch:
    return Launch(
        name=name,
        command=[sys.executable, "-m", module, *arguments],
        log_file=site.log_file(name),
        environment={"PYTHONUNBUFFERED": "1", **environment},
        directory=REPOSITORY,
    )


def _threaded(check: Callable[[], bool]) -> Probe:
    async def probe() -> str | None:
        return None if await asyncio.to_thread(check) else "does not answer yet"

    return probe


async def _nothing_to_probe() -> str | None:
    return "running"


async def http_ready(port: int, path: str) -> str | None:
    """GET it; a 200 is ready, else the reasons that a service's `/readyz` gives."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            status, body = await _get(port, path)
    except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
        return "does not answer yet"
    if status == 200:
        return None
    try:
        reasons = json.loads(body)["reasons"]
        return "; ".join(f"{part}: {reason}" for part, reason in reasons.items())
    except (ValueError, KeyError, AttributeError, TypeError):
        return f"answers {path} with {status}"


async def _get(port: int, path: str) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        answer = await reader.read(-1)
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body
