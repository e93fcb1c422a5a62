"""Smoothing on a real database, with a measuring process that is played."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from services.smoothing.main import build
from services.smoothing.settings import Settings
from shared.auth import Role
from shared.media import MediaStore
from shared.postgres import Database
from shared.service import Chassis
from tests.support.http import TestKeys, api_client
from tests.support.smoothing import PlayedPool, PlayedRepairs, Smoothing


@pytest.fixture
async def smoothing_database(databases: Callable[[str], Awaitable[Database]]) -> Database:
    return await databases("smoothing")


@pytest.fixture
def pool() -> PlayedPool:
    return PlayedPool()


@pytest.fixture
def repair_pool() -> PlayedRepairs:
    return PlayedRepairs()


@pytest.fixture
def smoothing(
    smoothing_database: Database, media: MediaStore, pool: PlayedPool, repair_pool: PlayedRepairs
) -> Smoothing:
    return Smoothing(smoothing_database, media, pool=pool, repair_pool=repair_pool)


@pytest.fixture
async def chassis(settings_of: Callable[..., dict[str, Any]]) -> AsyncIterator[Chassis]:
    chassis = build(Settings(**settings_of("smoothing")))
    await chassis.database.open()
    yield chassis
    await chassis.database.close()


@pytest.fixture
async def creator(chassis: Chassis, keys: TestKeys) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(chassis.app, token=keys.token(Role.CREATOR, name="ada")) as http:
        yield http


@pytest.fixture
async def viewer(chassis: Chassis, keys: TestKeys) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(chassis.app, token=keys.token(Role.VIEWER, name="vic")) as http:
        yield http
