"""The catalog on a real database, in process."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from shared.auth import Role
from shared.service import Chassis
from tests.support.catalog import Client, Outbox, build_catalog
from tests.support.http import TestKeys, api_client


@pytest.fixture
async def catalog(settings_of: Callable[..., dict[str, Any]], keys: TestKeys) -> AsyncIterator[Chassis]:
    chassis = build_catalog(settings_of("catalog"), keys, max_image_bytes=200_000, max_image_pixels=1_000_000)
    await chassis.database.open()
    yield chassis
    await chassis.database.close()


@pytest.fixture
async def admin(catalog: Chassis, keys: TestKeys) -> AsyncIterator[Client]:
    async with api_client(catalog.app, token=keys.token(Role.ADMIN, name="root")) as http:
        yield Client(http)


@pytest.fixture
async def creator(catalog: Chassis, keys: TestKeys) -> AsyncIterator[Client]:
    async with api_client(catalog.app, token=keys.token(Role.CREATOR, name="ada")) as http:
        yield Client(http)


@pytest.fixture
async def viewer(catalog: Chassis, keys: TestKeys) -> AsyncIterator[Client]:
    async with api_client(catalog.app, token=keys.token(Role.VIEWER, name="vic")) as http:
        yield Client(http)


@pytest.fixture
def outbox(catalog: Chassis) -> Outbox:
    return Outbox(catalog.database)
