"""Databases for tests: one template with every migration, one quick clone of it per test."""

import asyncio
import secrets
from collections.abc import Coroutine
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from shared.postgres.migrations import migrate_all, role_of


def on_database(dsn: str, name: str, *, user: str | None = None) -> str:
    """The same server, another database, maybe another role (without a password: the test server trusts its socket)."""
    parts = urlsplit(dsn)
    netloc = parts.netloc if user is None else f"{user}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{name}"))


def service_dsn(admin_dsn: str, database: str, service: str) -> str:
    return on_database(admin_dsn, database, user=role_of(service))


def create_template(admin_dsn: str) -> str:
    """A database with all migrations applied; call it once per test session, outside an event loop."""
    name = f"template_{secrets.token_hex(6)}"
    _run(_execute(admin_dsn, f'CREATE DATABASE "{name}"'))
    _run(migrate_all(admin_dsn=on_database(admin_dsn, name)))
    return name


def drop(admin_dsn: str, name: str) -> None:
    _run(_execute(admin_dsn, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


async def clone(admin_dsn: str, template: str) -> str:
    name = f"test_{secrets.token_hex(6)}"
    await _execute(admin_dsn, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    return name


async def drop_async(admin_dsn: str, name: str) -> None:
    await _execute(admin_dsn, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _run(coroutine: Coroutine[Any, Any, Any]) -> None:
    asyncio.run(coroutine)
