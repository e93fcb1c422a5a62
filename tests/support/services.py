"""A service that runs inside the test, with everything that it connects to."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from fastapi import FastAPI

from shared.service import Chassis
from tests.support.http import api_client

READY_SECONDS = 180.0
POLL_SECONDS = 0.02


@asynccontextmanager
async def running(chassis: Chassis) -> AsyncIterator[None]:
    """The service from the moment at which it is ready to its end.

    Its lifespan alone promises no database: a service connects in the background, because start-up needs no order.
    """
    async with chassis.app.router.lifespan_context(chassis.app):
        await until_ready(chassis.app)
        yield


async def until_ready(app: FastAPI, *, without: Collection[str] = ()) -> None:
    """Until `/readyz` misses nothing but the parts that the test does `without`; otherwise says what is missing."""
    deadline = asyncio.get_running_loop().time() + READY_SECONDS
    async with api_client(app) as client:
        while True:
            reasons = (await client.get("/readyz")).json()["reasons"]
            missing = {part: reason for part, reason in reasons.items() if part not in without}
            if not missing:
                return
            assert asyncio.get_running_loop().time() < deadline, f"not ready after {READY_SECONDS:g} s: {missing}"
            await asyncio.sleep(POLL_SECONDS)
