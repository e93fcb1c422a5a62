"""One database, one schema and one role per service; a role reaches its own schema only."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from shared.cause import Cause, IdempotencyKey
from shared.errors import AlreadyHandled
from shared.ids import uuid7
from shared.postgres import Database
from shared.postgres.database import DuplicateRequest
from shared.postgres.errors import is_transient
from shared.postgres.migrations import MigrationChanged, migrate_all, missing_migrations, services_with_migrations
from tests.support import databases as tools

Databases = Callable[[str], Awaitable[Database]]

SERVICES = services_with_migrations()


@pytest.mark.parametrize("service", SERVICES)
async def test_a_role_cannot_reach_another_services_schema(databases: Databases, service: str) -> None:
    database = await databases(service)
    assert await database.fetchval("SELECT current_schema()") == service
    await database.fetch("SELECT * FROM inbox")
    for other in SERVICES:
        if other != service:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await database.pool.fetch(f'SELECT * FROM "{other}".inbox')
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await database.pool.execute(f"SET ROLE rushes_{other}")


@pytest.mark.parametrize("service", SERVICES)
async def test_a_role_cannot_change_tables_nor_use_the_public_schema(databases: Databases, service: str) -> None:
    database = await databases(service)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.pool.execute("CREATE TABLE mine (id INT)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.pool.execute("DROP TABLE inbox")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.pool.execute("CREATE TABLE public.mine (id INT)")


async def test_migrations_are_complete_and_a_second_run_applies_nothing(
    postgres_admin_dsn: str, database_name: str, databases: Databases
) -> None:
    assert await migrate_all(admin_dsn=tools.on_database(postgres_admin_dsn, database_name)) == []
    for service in SERVICES:
        assert await missing_migrations(await databases(service), service) == []


async def test_an_edited_migration_is_refused(postgres_admin_dsn: str, database_name: str, tmp_path: Path) -> None:
    (tmp_path / "common").mkdir()
    (tmp_path / "edited").mkdir()
    file = tmp_path / "edited" / "0001_first.sql"
    file.write_text("CREATE TABLE first (id INT);")
    dsn = tools.on_database(postgres_admin_dsn, database_name)
    assert await migrate_all(admin_dsn=dsn, folder=tmp_path) == ["edited: edited/0001_first.sql"]
    file.write_text("CREATE TABLE second (id INT);")
    with pytest.raises(MigrationChanged, match="0001_first"):
        await migrate_all(admin_dsn=dsn, folder=tmp_path)
    connection = await asyncpg.connect(dsn)
    await connection.execute("DROP OWNED BY rushes_edited; DROP ROLE rushes_edited")
    await connection.close()


async def test_an_event_opens_one_transaction_once(databases: Databases) -> None:
    database = await databases("regression")
    cause = Cause(correlation_id=uuid7(), actor="tester", event_id=uuid7(), topic="asset.updated")
    async with database.transaction(cause):
        pass
    with pytest.raises(AlreadyHandled):
        async with database.transaction(cause):
            raise AssertionError("never reached")


async def test_a_failed_transaction_leaves_its_event_unhandled(databases: Databases) -> None:
    database = await databases("regression")
    cause = Cause(correlation_id=uuid7(), actor="tester", event_id=uuid7(), topic="asset.updated")
    with pytest.raises(ZeroDivisionError):
        async with database.transaction(cause):
            raise ZeroDivisionError
    async with database.transaction(cause):
        pass


async def test_a_request_with_a_key_has_its_effect_once(databases: Databases) -> None:
    database = await databases("catalog")
    key = IdempotencyKey(key="k1", fingerprint="f")
    cause = Cause(correlation_id=uuid7(), actor="tess", idempotency=key)
    async with database.transaction(cause):
        pass
    with pytest.raises(DuplicateRequest):
        async with database.transaction(cause):
            raise AssertionError("never reached")


async def test_what_a_user_of_a_pooled_connection_leaves_open_is_gone_for_the_next(databases: Databases) -> None:
    database = await databases("catalog")
    async with database.pool.acquire() as connection:
        await connection.execute("BEGIN")
        await connection.execute("SET LOCAL lock_timeout = '7s'")
        await connection.execute("SELECT pg_advisory_xact_lock(4711)")
    async with database.pool.acquire() as connection:
        assert await connection.fetchval("SHOW lock_timeout") == "0"
        assert not connection.is_in_transaction()
        assert (
            await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711") == 0
        )


async def test_a_server_that_is_away_is_transient_and_a_wrong_statement_is_not(databases: Databases) -> None:
    database = await databases("catalog")
    with pytest.raises(asyncpg.PostgresError) as wrong:
        await database.fetch("SELECT * FROM no_such_table")
    assert not is_transient(wrong.value)
    with pytest.raises(asyncpg.DataError) as bad_argument:
        await database.fetch("SELECT $1::int", "seven")
    assert not is_transient(bad_argument.value)
    away = Database(dsn="postgresql://nobody@127.0.0.1:1/none", service="catalog")
    with pytest.raises(OSError) as refused:
        await away.open()
    assert is_transient(refused.value)
