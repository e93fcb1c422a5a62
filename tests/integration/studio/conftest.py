"""Studio on a real database, in process, with services behind it that are told what to answer."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.auth import Role
from shared.service import Chassis
from tests.support.http import TestKeys, api_client
from tests.support.studio import FakeServices, build_studio


@pytest.fixture
def services() -> FakeServices:
    return FakeServices()


@pytest.fixture
async def studio(
    services: FakeServices, settings_of: Callable[..., dict[str, Any]], tmp_path: Path
) -> AsyncIterator[Chassis]:
    upstreams = services.upstreams()
    chassis = build_studio(settings_of("studio"), services, secret_folder=tmp_path, upstreams=upstreams)
    await chassis.database.open()
    await upstreams.open()
    yield chassis
    await upstreams.close()
    await chassis.database.close()


@pytest.fixture
async def creator(studio: Chassis, keys: TestKeys) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(studio.app, token=keys.token(Role.CREATOR, name="ada")) as client:
        yield client


@pytest.fixture
async def stranger(studio: Chassis) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(studio.app) as client:
        yield client
