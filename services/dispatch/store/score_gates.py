"""Where a chain with a score gate stands."""

from datetime import datetime

from services.dispatch.domain.scenes import Hold, Segment
from services.dispatch.store.base import BaseStore
from services.dispatch.store.scenes import segment_of_row
from shared.postgres import Transaction


class ScoreGateStore(BaseStore):
    async def hold_chain(self, tx: Transaction, scene_id: int, hold: Hold | None) -> None:
        """None: it goes on."""
        await tx.connection.execute(
            """
            UPDATE scenes
            SET hold_state = $2, hold_segment_id = $3, hold_position = $4, hold_reason = $5, hold_until = $6
            WHERE id = $1
            """,
            scene_id,
            None if hold is None else hold.state.value,
            None if hold is None else hold.segment_id,
            None if hold is None else hold.position,
            "" if hold is None else hold.reason,
            None if hold is None else hold.until,
        )

    async def versions_at(self, tx: Transaction, scene_id: int, position: int) -> list[Segment]:
        """Every version of one position that is or was current, or may be, oldest first."""
        rows = await tx.connection.fetch(
            """
            SELECT * FROM segments WHERE scene_id = $1 AND position = $2 AND NOT is_candidate
            ORDER BY regeneration_count
            """,
            scene_id,
            position,
        )
        return [segment_of_row(row) for row in rows]

    async def overdue_holds(self, now: datetime) -> list[int]:
        """Scenes that wait for a score past their deadline."""
        rows = await self._database.fetch(
            "SELECT id FROM scenes WHERE hold_state = 'waiting' AND hold_until <= $1 ORDER BY hold_until LIMIT 100", now
        )
        return [row["id"] for row in rows]
