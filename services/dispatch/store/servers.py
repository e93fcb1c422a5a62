"""Render servers: what people decided about them, and how they were seen last."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.dispatch.domain.scenes import Json
from services.dispatch.store.base import BaseStore
from shared.postgres import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerWish:
    """`url` None: the settings name this server."""

    name: str
    url: str | None
    is_draining: bool
    requested_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCopy:
    name: str
    state: str
    problem: str | None
    engine: str | None
    device: str | None
    queue_length: int
    checked_at: datetime
    capabilities: Json | None = None


class ServerStore(BaseStore):
    async def server_wishes(self) -> list[ServerWish]:
        rows = await self._database.fetch(
            "SELECT name, url, is_draining, requested_by FROM server_wishes ORDER BY name"
        )
        return [ServerWish(**row) for row in rows]

    async def add_server(self, tx: Transaction, *, name: str, url: str, by: str) -> None:
        """Again: it takes work again."""
        await tx.connection.execute(
            """
            INSERT INTO server_wishes (name, url, is_draining, requested_by) VALUES ($1, $2, false, $3)
            ON CONFLICT (name) DO UPDATE SET url = EXCLUDED.url, is_draining = false, requested_by = $3
            """,
            name,
            url,
            by,
        )

    async def drain_server(self, tx: Transaction, *, name: str, drain: bool, by: str) -> None:
        await tx.connection.execute(
            """
            INSERT INTO server_wishes (name, is_draining, requested_by) VALUES ($1, $2, $3)
            ON CONFLICT (name) DO UPDATE SET is_draining = $2, requested_by = $3
            """,
            name,
            drain,
            by,
        )

    async def save_server(self, tx: Transaction, server: ServerCopy) -> None:
        await tx.connection.execute(
            """
            INSERT INTO render_servers (name, state, problem, engine, device, queue_length, checked_at, capabilities)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (name) DO UPDATE
            SET state = EXCLUDED.state, problem = EXCLUDED.problem,
                engine = coalesce(EXCLUDED.engine, render_servers.engine),
                device = coalesce(EXCLUDED.device, render_servers.device),
                queue_length = EXCLUDED.queue_length, checked_at = EXCLUDED.checked_at,
                capabilities = coalesce(EXCLUDED.capabilities, render_servers.capabilities)
            """,
            server.name,
            server.state,
            server.problem,
            server.engine,
            server.device,
            server.queue_length,
            server.checked_at,
            server.capabilities,
        )

    async def keep_servers(self, tx: Transaction, names: Sequence[str]) -> None:
        """Forget servers that are not configured any more."""
        await tx.connection.execute("DELETE FROM render_servers WHERE NOT (name = ANY ($1::text[]))", list(names))

    async def servers(self) -> list[ServerCopy]:
        rows = await self._database.fetch(
            """
            SELECT name, state, problem, engine, device, queue_length, checked_at, capabilities
            FROM render_servers ORDER BY name
            """
        )
        return [ServerCopy(**row) for row in rows]

    async def running_by_server(self) -> dict[str, int]:
        rows = await self._database.fetch(
            "SELECT server, count(*) AS jobs FROM generation_jobs WHERE state = 'leased' GROUP BY server"
        )
        return {row["server"]: row["jobs"] for row in rows if row["server"] is not None}
