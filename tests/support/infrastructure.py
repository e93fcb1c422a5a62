"""A real Kafka broker and a real PostgreSQL server for tests: functions that start one and say where it is.

Both die with the process that started them, also when that one is killed. Call them from the main thread.
"""

import os
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local import kafka, postgres, process

READY_SECONDS = 180.0
STOP_SECONDS = 15.0
ROOMY_BYTES = 4 * 1024**3

_given: set[int] = set()


@dataclass(slots=True)
class Server:
    """A running server; `stop` is final, `restart` keeps the data (and the address)."""

    launch: process.Launch
    child: subprocess.Popen[bytes]

    def stop(self) -> None:
        process.stop(self.child, stop_signal=self.launch.stop_signal, drain_seconds=STOP_SECONDS)

    def kill(self) -> None:
        process.kill_session(self.child.pid)
        self.child.wait()

    def log(self) -> str:
        return self.launch.log_file.read_text(errors="replace")


@dataclass(slots=True)
class Kafka(Server):
    port: int

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def restart(self) -> None:
        self.child = process.start(self.launch)
        _require(kafka.wait_ready(self.port, seconds=READY_SECONDS), self)


@dataclass(slots=True)
class Postgres(Server):
    home: Path

    @property
    def dsn(self) -> str:
        """The superuser's address of the `postgres` database."""
        return postgres.dsn(self.home)

    def restart(self) -> None:
        self.child = process.start(self.launch)
        _require(postgres.wait_ready(self.home, seconds=READY_SECONDS), self)


def start_kafka(home: Path, port: int | None = None) -> Kafka:
    """Start a broker with its data under `home`; about 3 s the first time. Its controller gets a port of its own."""
    chosen = port or free_port()
    launch = kafka.prepare(home=home, log_file=home / "kafka.log", port=chosen, controller_port=free_port())
    server = Kafka(launch=launch, child=process.start(launch), port=chosen)
    _require(kafka.wait_ready(chosen, seconds=READY_SECONDS), server)
    return server


def start_postgres(home: Path, *, durable: bool = False) -> Postgres:
    """Start a server with its data under `home`; about 1 s the first time. Not crash-safe unless `durable`."""
    launch = postgres.prepare(home=home.resolve(), log_file=home / "postgres.log", durable=durable)
    server = Postgres(launch=launch, child=process.start(launch), home=home.resolve())
    _require(postgres.wait_ready(home, seconds=READY_SECONDS), server)
    return server


@contextmanager
def short_home() -> Iterator[Path]:
    """A temporary folder with a short path (sockets) that an unprivileged account may pass, removed at the end."""
    home = Path(tempfile.mkdtemp(prefix="rushes-", dir=_roomy_memory()))
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _roomy_memory() -> Path | None:
    """A file system in memory with room for a session's data; None for the usual temporary folder.

    Hundreds of databases are cloned and dropped again, which half of a test run's time would go into on a disk.
    """
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= ROOMY_BYTES
    return memory if roomy else None


def free_port() -> int:
    """A TCP port that was free a moment ago, below the range from which clients get theirs.

    A client that keeps calling a port of that range while the server is away can meet itself there and keep the
    server from coming back. None is given twice, nor to two workers of one test run.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    while True:
        port = random.randrange(15000 + worker, 32000, workers)
        if port in _given:
            continue
        _given.add(port)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _require(came_up: bool, server: Server) -> None:
    if not came_up:
        tail = "\n".join(server.log().splitlines()[-20:])
        server.kill()
        raise AssertionError(f"{server.launch.name} did not come up within {READY_SECONDS} s:\n{tail}")
