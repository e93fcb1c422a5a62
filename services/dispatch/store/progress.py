"""What people wait for, and what of it is still open."""

from services.dispatch.domain.scenes import Segment
from services.dispatch.store.base import BaseStore
from services.dispatch.store.scenes import segment_of_row
from shared.postgres import Transaction

OPEN_SCENES = "SELECT render_scene_id FROM test_shots WHERE batch_id = $1 AND state = 'rendering' ORDER BY 1"


class ProgressStore(BaseStore):
    async def segments_of_cascade(self, cascade_id: int) -> list[Segment]:
        """The versions that it has asked for until now, in order."""
        rows = await self._database.fetch("SELECT * FROM segments WHERE cascade_id = $1 ORDER BY position", cascade_id)
        return [segment_of_row(row) for row in rows]

    async def open_scenes_of_batch(self, batch_id: int) -> list[int]:
        return [row["render_scene_id"] for row in await self._database.fetch(OPEN_SCENES, batch_id)]

    async def open_scenes_of_batch_in(self, tx: Transaction, batch_id: int) -> list[int]:
        return [row["render_scene_id"] for row in await tx.connection.fetch(OPEN_SCENES, batch_id)]

    async def cancel_version(self, tx: Transaction, segment_id: int) -> None:
        """One that is awaited; its job is cancelled apart from it."""
        await tx.connection.execute(
            "UPDATE segments SET state = 'cancelled' WHERE id = $1 AND state = 'queued' AND NOT is_current", segment_id
        )
