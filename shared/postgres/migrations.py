"""SQL migrations: one folder per service, applied in file order into the service's own schema by a superuser."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
COMMON = "common"
LOCK = 5_202_611_210
"""Advisory lock key: two migration jobs at once would apply a file twice."""


class MigrationChanged(Exception):
    """A file that was applied has been edited since; add a new file instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def services_with_migrations(folder: Path = MIGRATIONS) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name != COMMON)


def migrations_of(service: str, folder: Path = MIGRATIONS) -> list[Migration]:
    """The common files first, then the service's own, each in the order of their names."""
    return [
        Migration(name=f"{part}/{path.name}", sql=path.read_text(encoding="utf-8"))
        for part in (COMMON, service)
        for path in sorted((folder / part).glob("*.sql"))
    ]


async def migrate_all(
    *, admin_dsn: str, passwords: dict[str, str] | None = None, folder: Path = MIGRATIONS
) -> list[str]:
    """Bring every service's schema and role to the newest state; returns what was applied.

    `passwords` maps services to role passwords, where the server asks for them. Safe to run again, and at the same time
    from two places.
    """
    connection = await asyncpg.connect(admin_dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        applied: list[str] = []
        for service in services_with_migrations(folder):
            await _prepare_role(connection, service, (passwords or {}).get(service))
            applied += await _migrate(connection, service, migrations_of(service, folder))
        return applied
    finally:
        await connection.close()


def role_of(service: str) -> str:
    return f"rushes_{service}"


async def _prepare_role(connection: Any, service: str, password: str | None) -> None:
    """A role that can log in, and a schema of its own that nobody else may use."""
    role = role_of(service)
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
        await connection.execute(await _quoted(connection, "CREATE ROLE %I LOGIN", role))
        await connection.execute(await _quoted(connection, "ALTER ROLE %I SET search_path = %I", role, service))
    if password is not None:
        await connection.execute(await _quoted(connection, "ALTER ROLE %I PASSWORD %L", role, password))
    await connection.execute(await _quoted(connection, "CREATE SCHEMA IF NOT EXISTS %I", service))
    await connection.execute(await _quoted(connection, "REVOKE ALL ON SCHEMA %I FROM PUBLIC", service))


async def _migrate(connection: Any, service: str, migrations: list[Migration]) -> list[str]:
    """Each file in a transaction of its own; the role may read and write rows, but not change tables."""
    role = role_of(service)
    await connection.execute(await _quoted(connection, "SET search_path = %I", service))
    await connection.execute(
        """
        CREATE TABLE IF NOT EXISTS schema_migrations (
            name TEXT PRIMARY KEY, checksum TEXT NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
        )
        """
    )
    known = {
        row["name"]: row["checksum"] for row in await connection.fetch("SELECT name, checksum FROM schema_migrations")
    }
    applied = []
    for migration in migrations:
        if migration.name in known:
            if known[migration.name] != migration.checksum:
                raise MigrationChanged(f"{migration.name} was applied to {service} and has been edited since")
            continue
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)", migration.name, migration.checksum
            )
        applied.append(f"{service}: {migration.name}")
    for grant in (
        "GRANT USAGE ON SCHEMA %I TO %I",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO %I",
        "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %I TO %I",
        "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %I TO %I",
    ):
        await connection.execute(await _quoted(connection, grant, service, role))
    return applied


async def _quoted(connection: Any, template: str, *names: str) -> str:
    """PostgreSQL's own quoting: identifiers by %I, literals by %L. DDL takes no parameters."""
    arguments = ", ".join(f"${index}::text" for index in range(2, len(names) + 2))
    return str(await connection.fetchval(f"SELECT format($1, {arguments})", template, *names))


async def missing_migrations(connection: Any, service: str, folder: Path = MIGRATIONS) -> list[str]:
    """Files of this release that the schema does not have yet; seen with the service's own role."""
    if not await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL"):
        return [migration.name for migration in migrations_of(service, folder)]
    known = {row["name"] for row in await connection.fetch("SELECT name FROM schema_migrations")}
    return [migration.name for migration in migrations_of(service, folder) if migration.name not in known]
