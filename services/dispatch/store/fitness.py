"""What renders need of a server, and which server lacks what of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.dispatch.domain.scenes import Json
from services.dispatch.store.base import BaseStore
from shared.postgres import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """`requirements` None: not read off the graph yet."""

    id: int
    workflow_version_id: int
    files: Json
    requirements: Json | None


class FitnessStore(BaseStore):
    async def lock_fitness(self, tx: Transaction) -> None:
        """Nobody else compares needs with servers until the transaction ends: both sides may be new."""
        await tx.connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('fitness', 0))")

    async def needs_id(self, tx: Transaction, *, workflow_version_id: int, files: Mapping[str, str]) -> int | None:
        found: int | None = await tx.connection.fetchval(
            "SELECT id FROM render_needs WHERE workflow_version_id = $1 AND files = $2",
            workflow_version_id,
            dict(files),
        )
        return found

    async def add_needs(
        self, tx: Transaction, *, workflow_version_id: int, files: Mapping[str, str], requirements: Json
    ) -> int:
        added: int = await tx.connection.fetchval(
            """
            INSERT INTO render_needs (workflow_version_id, files, requirements) VALUES ($1, $2, $3) RETURNING id
            """,
            workflow_version_id,
            dict(files),
            requirements,
        )
        return added

    async def needs(self, tx: Transaction) -> list[Needs]:
        rows = await tx.connection.fetch(
            "SELECT id, workflow_version_id, files, requirements FROM render_needs ORDER BY id"
        )
        return [Needs(**row) for row in rows]

    async def set_requirements(self, tx: Transaction, needs_id: int, requirements: Json) -> None:
        await tx.connection.execute("UPDATE render_needs SET requirements = $2 WHERE id = $1", needs_id, requirements)

    async def workflow_in(self, tx: Transaction, version_id: int) -> tuple[Json, Json]:
        """Graph and bindings of a version that scenes were planned with."""
        row = await tx.connection.fetchrow("SELECT graph, bindings FROM asset_versions WHERE id = $1", version_id)
        return (row["graph"] or {}, row["bindings"] or {}) if row else ({}, {})

    async def capabilities(self, tx: Transaction) -> dict[str, Json | None]:
        rows = await tx.connection.fetch("SELECT name, capabilities FROM render_servers ORDER BY name")
        return {row["name"]: row["capabilities"] for row in rows}

    async def set_unfit(self, tx: Transaction, *, server: str, needs_id: int, lacks: Sequence[str]) -> None:
        await tx.connection.execute(
            """
            INSERT INTO unfit_servers (server, needs_id, lacks) VALUES ($1, $2, $3)
            ON CONFLICT (server, needs_id) DO UPDATE SET lacks = EXCLUDED.lacks
            """,
            server,
            needs_id,
            list(lacks),
        )

    async def forget_unfit(self, tx: Transaction, server: str) -> None:
        await tx.connection.execute("DELETE FROM unfit_servers WHERE server = $1", server)

    async def unfit(self, needs: Sequence[int] | None = None) -> dict[int, dict[str, list[str]]]:
        """What each server lacks, by needs and name; of these needs only, or of all."""
        rows = await self._database.fetch(
            """
            SELECT needs_id, server, lacks FROM unfit_servers
            WHERE $1::bigint[] IS NULL OR needs_id = ANY ($1::bigint[])
            ORDER BY needs_id, server
            """,
            None if needs is None else list(needs),
        )
        found: dict[int, dict[str, list[str]]] = {}
        for row in rows:
            found.setdefault(row["needs_id"], {})[row["server"]] = list(row["lacks"])
        return found
