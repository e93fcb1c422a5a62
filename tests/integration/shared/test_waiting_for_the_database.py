"""Start-up needs no order: a service waits for the database and the role that the migration job makes."""

import asyncio
import secrets

import asyncpg
import pytest

from shared.postgres import Database
from tests.support.databases import on_database

SECONDS = 60


@pytest.mark.parametrize("missing", ["database", "role"])
async def test_a_service_waits_for_what_the_migration_job_makes(missing: str, postgres_admin_dsn: str) -> None:
    name = f"late_{secrets.token_hex(6)}"
    dsn = (
        on_database(postgres_admin_dsn, name)
        if missing == "database"
        else on_database(postgres_admin_dsn, "postgres", user=name)
    )
    database = Database(dsn=dsn, service="catalog", pool_size=2)
    waiting = asyncio.create_task(database.open_when_there())
    await asyncio.sleep(0.3)
    assert not waiting.done()
    admin = await asyncpg.connect(postgres_admin_dsn)
    try:
        await admin.execute(f'CREATE DATABASE "{name}"' if missing == "database" else f'CREATE ROLE "{name}" LOGIN')
        await asyncio.wait_for(waiting, SECONDS)
        assert await database.fetchval("SELECT 1") == 1
        await database.close()
    finally:
        await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await admin.execute(f'DROP ROLE IF EXISTS "{name}"')
        await admin.close()
