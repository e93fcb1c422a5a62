"""Fixtures for every test: one broker and one database server per session, a fresh clone and topic prefix per test."""

import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from xdist.scheduler import LoadScopeScheduling

from deploy.local.stack import LocalStack
from shared.cause import Cause
from shared.media import MediaStore
from shared.postgres import Database
from shared.settings import ServiceSettings
from tests.support import databases as database_tools
from tests.support.environment import keep_what_tests_may_see
from tests.support.http import TestKeys
from tests.support.infrastructure import free_port, short_home, start_kafka, start_postgres

NEED_THE_STACK = {"journeys", "faults"}

Databases = Callable[[str], Awaitable[Database]]
SettingsOf = Callable[..., dict[str, Any]]


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """The same environment everywhere, and the same examples of hypothesis, none of them too slow.

    That is what hypothesis does by itself where CI is set; `--hypothesis-profile=default` looks for new examples.
    """
    keep_what_tests_may_see(os.environ)
    hypothesis_settings.register_profile(
        "alike",
        derandomize=True,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    if not config.getoption("--hypothesis-profile"):
        hypothesis_settings.load_profile("alike")


class OneStack(LoadScopeScheduling):
    """With several workers (`pytest -n 2`): a file's tests stay together, and all that need the whole system do."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "the whole system" if file.split("/")[1] in NEED_THE_STACK else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneStack:
    return OneStack(config, log)


@pytest.fixture(scope="session")
def servers() -> Iterator[ExitStack]:
    """What has to be stopped at the end of the session."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def kafka_bootstrap(servers: ExitStack) -> str:
    """A real broker; RUSHES_TEST_KAFKA names one that runs already."""
    if running := os.environ.get("RUSHES_TEST_KAFKA"):
        return running
    server = start_kafka(servers.enter_context(short_home()))
    servers.callback(server.stop)
    return server.bootstrap


@pytest.fixture(scope="session")
def postgres_admin_dsn(servers: ExitStack) -> str:
    """A real server; RUSHES_TEST_POSTGRES_DSN is a superuser's address of one that runs already."""
    if running := os.environ.get("RUSHES_TEST_POSTGRES_DSN"):
        return running
    server = start_postgres(servers.enter_context(short_home()))
    servers.callback(server.stop)
    return server.dsn


@pytest.fixture(scope="session")
def template_database(postgres_admin_dsn: str) -> Iterator[str]:
    name = database_tools.create_template(postgres_admin_dsn)
    yield name
    database_tools.drop(postgres_admin_dsn, name)


@pytest.fixture
async def database_name(postgres_admin_dsn: str, template_database: str) -> AsyncIterator[str]:
    """A fresh database with all schemas, for this test alone."""
    name = await database_tools.clone(postgres_admin_dsn, template_database)
    yield name
    await database_tools.drop_async(postgres_admin_dsn, name)


@pytest.fixture
async def databases(postgres_admin_dsn: str, database_name: str) -> AsyncIterator[Databases]:
    """`await databases("dispatch")`: the test's database as that service sees it."""
    opened: list[Database] = []

    async def connect(service: str) -> Database:
        database = Database(
            dsn=database_tools.service_dsn(postgres_admin_dsn, database_name, service), service=service, pool_size=10
        )
        await database.open()
        opened.append(database)
        return database

    yield connect
    for database in opened:
        await database.close()


@pytest.fixture
def topic_prefix() -> str:
    return f"t{secrets.token_hex(4)}."


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> TestKeys:
    return TestKeys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def media(tmp_path: Path) -> MediaStore:
    return MediaStore.in_folder(tmp_path / "media")


@pytest.fixture
def cause() -> Cause:
    return Cause.begin("tester")


@pytest.fixture
def settings_of(
    postgres_admin_dsn: str, database_name: str, topic_prefix: str, keys: TestKeys, tmp_path: Path
) -> SettingsOf:
    """Keyword arguments for a service's Settings: the test's database and keys; a broker only where one is named."""

    def settings(service: str, *, kafka_bootstrap: str = "127.0.0.1:1", **own: Any) -> dict[str, Any]:
        common = {
            "kafka_bootstrap": kafka_bootstrap,
            "topic_prefix": topic_prefix,
            "database_url": database_tools.service_dsn(postgres_admin_dsn, database_name, service),
            "media_root": tmp_path / "media",
            "token_public_key_file": keys.public_key_file,
        }
        assert common.keys() <= ServiceSettings.model_fields.keys()
        return common | own

    return settings


STACK_PROCESSES = (
    "kafka",
    "kafka_controller",
    "comfyui_standin",
    "catalog",
    "dispatch",
    "scoring",
    "regression",
    "smoothing",
    "studio",
)


@pytest.fixture(scope="session")
def stack(servers: ExitStack) -> LocalStack:
    """The whole system as separate processes, in a folder and on ports of its own, gone with the session."""
    home = servers.enter_context(short_home())
    ports = {f"RUSHES_PORT_{name.removeprefix('comfyui_').upper()}": str(free_port()) for name in STACK_PROCESSES}
    stack = LocalStack(home, ports, attached=True)
    stack.start()
    servers.callback(stack.down)
    stack.wait_ready(seconds=300)
    return stack
