"""The supervisor and the two servers, for real: started, disturbed, taken down."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy import topology
from deploy.local import postgres
from deploy.local.keeper import State
from deploy.local.site import REPOSITORY
from deploy.local.stack import LocalStack, NotRunning
from tests.support.infrastructure import free_port, short_home

SERVERS = (topology.KAFKA, topology.POSTGRES)
SECONDS = 180


def stack_environment(home: Path) -> dict[str, str]:
    names = ["KAFKA", "KAFKA_CONTROLLER", "STANDIN", *(entry.name.upper() for entry in topology.SERVICES)]
    return {"RUSHES_HOME": str(home), **{f"RUSHES_PORT_{name}": str(free_port()) for name in names}}


def processes_of(home: Path) -> list[str]:
    """Every live process that names this folder in its command line."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = " ".join(process.info["cmdline"] or [])
        if str(home) in command and process.info["status"] != psutil.STATUS_ZOMBIE and process.pid != os.getpid():
            found.append(command)
    return found


def wait_until_gone(home: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while left := processes_of(home):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """Kafka and PostgreSQL under a supervisor that dies with this test run."""
    with short_home() as home:
        made = LocalStack(environment=stack_environment(home), attached=True, durable=False)
        made.start(SERVERS)
        made.wait_ready(SERVERS)
        yield made
        made.down()
        wait_until_gone(home)


async def query(stack: LocalStack, statement: str) -> object:
    connection = await asyncpg.connect(stack.site.admin_database_url(), database="postgres")
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def topics(stack: LocalStack, *, create: str | None = None) -> list[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.site.kafka())
    await admin.start()
    try:
        if create is not None:
            await admin.create_topics([NewTopic(create, 1, 1)])
        return list(await admin.list_topics())
    finally:
        await admin.close()


def test_a_second_start_finds_the_stack_running(stack: LocalStack) -> None:
    before = {entry.name: entry.pid for entry in stack.status()}
    assert stack.start(SERVERS) is False
    assert {entry.name: entry.pid for entry in stack.status()} == before


def test_a_second_start_from_another_process_says_so(stack: LocalStack) -> None:
    ports = {f"RUSHES_PORT_{name.upper()}": str(port) for name, port in stack.site.ports.items() if name in SERVERS}
    environment = {**os.environ, "RUSHES_HOME": str(stack.home), **ports}
    command = [sys.executable, "-m", "deploy.local", "up", *SERVERS]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=SECONDS, check=True
    )
    assert "already running" in done.stdout


def test_a_killed_broker_comes_back_with_its_topics(stack: LocalStack) -> None:
    asyncio.run(topics(stack, create="kept"))
    stack.kill(topology.KAFKA)
    stack.wait_ready(SERVERS, seconds=SECONDS)
    assert "kept" in asyncio.run(topics(stack))
    assert stack.process(topology.KAFKA).restarts >= 1


def test_a_killed_database_comes_back_with_its_rows(stack: LocalStack) -> None:
    asyncio.run(query(stack, "CREATE TABLE kept AS SELECT 42 AS answer"))
    stack.kill(topology.POSTGRES)
    stack.wait_ready(SERVERS, seconds=SECONDS)
    assert asyncio.run(query(stack, "SELECT answer FROM kept")) == 42


def test_a_stopped_server_stays_away_until_it_is_started(stack: LocalStack) -> None:
    stack.stop(topology.KAFKA)
    assert stack.process(topology.KAFKA).state is State.STOPPED
    with pytest.raises(OSError):
        asyncio.run(asyncio.open_connection("127.0.0.1", stack.site.ports[topology.KAFKA]))
    stack.start_process(topology.KAFKA)
    stack.wait_ready([topology.KAFKA], seconds=SECONDS)


def test_the_database_listens_on_no_port(stack: LocalStack) -> None:
    assert asyncio.run(query(stack, "SHOW listen_addresses")) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_database_lets_nobody_else_in(stack: LocalStack) -> None:
    """Not even the account that the server runs under, which may reach the socket."""
    sockets = str(postgres.socket_directory(stack.home / "postgres"))
    command = [str(postgres.binaries() / "psql"), "-h", sockets, "-U", "postgres", "-c", "SELECT 1"]
    done = subprocess.run(command, user=postgres.UNPRIVILEGED, cwd="/", capture_output=True, text=True)
    assert 'Peer authentication failed for user "postgres"' in done.stderr


def test_the_keys_are_readable_by_their_owner_only(stack: LocalStack) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in (stack.home / "secrets").iterdir()}
    expected = {topology.TOKEN_PRIVATE_KEY, topology.TOKEN_PUBLIC_KEY, topology.MEDIA_SECRET}
    assert modes == dict.fromkeys(expected, 0o600)


def test_nothing_survives_a_supervisor_that_is_killed_and_data_does() -> None:
    with short_home() as home:
        environment = stack_environment(home)
        stack = LocalStack(environment=environment, durable=False)
        stack.start([topology.POSTGRES])
        stack.wait_ready([topology.POSTGRES], seconds=SECONDS)
        asyncio.run(query(stack, "CREATE TABLE kept AS SELECT 42 AS answer"))
        os.kill(int((home / "state" / "supervisor.pid").read_text()), signal.SIGKILL)
        stack.down()
        wait_until_gone(home)
        with pytest.raises(NotRunning):
            stack.status()
        stack.start([topology.POSTGRES])
        stack.wait_ready([topology.POSTGRES], seconds=SECONDS)
        assert asyncio.run(query(stack, "SELECT answer FROM kept")) == 42
        stack.reset()
        wait_until_gone(home)
        assert not (home / "postgres").exists()
        assert not (home / "secrets").exists()


def test_a_stack_in_a_deep_folder_uses_short_sockets() -> None:
    with short_home() as home:
        deep = home / ("d" * 90)
        stack = LocalStack(environment=stack_environment(deep), attached=True, durable=False)
        try:
            stack.start([topology.POSTGRES])
            stack.wait_ready([topology.POSTGRES], seconds=SECONDS)
            assert asyncio.run(query(stack, "SELECT 1")) == 1
        finally:
            stack.reset()
        wait_until_gone(deep)


def test_an_interrupted_first_start_is_begun_again() -> None:
    with short_home() as home:
        for server in SERVERS:
            (home / server / "data.unfinished").mkdir(parents=True)
        (home / topology.POSTGRES / "data.unfinished" / "PG_VERSION").write_text("18\n")
        (home / topology.KAFKA / "data.unfinished" / "meta.properties").write_text("version=1\n")
        stack = LocalStack(environment=stack_environment(home), attached=True, durable=False)
        try:
            stack.start(SERVERS)
            stack.wait_ready(SERVERS, seconds=SECONDS)
        finally:
            stack.down()
        wait_until_gone(home)
