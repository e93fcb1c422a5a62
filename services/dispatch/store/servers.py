"""What people decided about render servers."""

from dataclasses import dataclass

from services.dispatch.store.base import BaseStore
from shared.postgres import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerWish:
    """`url` None: the settings name this server."""

    name: str
    url: str | None
    is_draining: bool
    requested_by: str


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
