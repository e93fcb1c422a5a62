"""The one-shot job before the services can work: database, roles, schemas and topics. Safe to run again.

    python -m deploy.migrate

Reads RUSHES_ADMIN_DATABASE_URL (a superuser's DSN), RUSHES_KAFKA_BOOTSTRAP, RUSHES_TOPIC_PREFIX and, where the server
asks for passwords, RUSHES_PASSWORD_<SERVICE> for each role.
"""

import asyncio
import os
import sys
from collections.abc import Mapping

import asyncpg
from aiokafka.errors import KafkaError

from deploy import topology
from shared.kafka.topics import create_topics
from shared.postgres.migrations import migrate_all

CONNECT_SECONDS = 60.0
RETRY_SECONDS = 0.2


async def migrate(environment: Mapping[str, str]) -> None:
    """Apply what is missing. Waits up to `CONNECT_SECONDS` for the server, then raises its last answer."""
    admin_dsn = environment["RUSHES_ADMIN_DATABASE_URL"]
    await _ensure_database(admin_dsn)
    applied = await migrate_all(admin_dsn=admin_dsn, passwords=passwords(environment))
    for line in applied:
        print(f"applied {line}", flush=True)
    created = await create_topics(
        bootstrap=environment["RUSHES_KAFKA_BOOTSTRAP"], prefix=environment.get("RUSHES_TOPIC_PREFIX", "")
    )
    print(f"{len(applied)} migrations applied, {len(created)} topics created", flush=True)


def passwords(environment: Mapping[str, str]) -> dict[str, str]:
    """Service to role password, for those that are set; a local stack goes by operating-system user instead."""
    found = {entry.name: environment.get(f"RUSHES_PASSWORD_{entry.name.upper()}") for entry in topology.SERVICES}
    return {name: password for name, password in found.items() if password}


async def _ensure_database(admin_dsn: str) -> None:
    connection = await _connect(admin_dsn)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", topology.DATABASE):
            await connection.execute("CREATE DATABASE rushes")
    finally:
        await connection.close()


async def _connect(admin_dsn: str) -> asyncpg.Connection:
    deadline = asyncio.get_running_loop().time() + CONNECT_SECONDS
    while True:
        try:
            return await asyncpg.connect(admin_dsn, database="postgres")
        except (OSError, asyncpg.CannotConnectNowError):
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(RETRY_SECONDS)


def main() -> None:
    try:
        asyncio.run(migrate(os.environ))
    except KeyError as missing:
        sys.exit(f"migrate: {missing.args[0]} is not set")
    except (OSError, KafkaError, asyncpg.PostgresError) as problem:
        sys.exit(f"migrate: {type(problem).__name__}: {problem}")


if __name__ == "__main__":
    main()
