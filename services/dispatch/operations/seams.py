"""What was measured between two segments."""

from services.dispatch.store import Store
from shared.cause import Cause
from shared.contracts.boundary import BoundaryChecked


class SeamOperations:
    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def checked(self, event: BoundaryChecked, cause: Cause) -> None:
        """Keep the number with the pair of versions, and show it as long as they meet."""
        async with self._store.transaction(cause) as tx:
            if await self._store.lock_scene(tx, event.scene_id) is None:
                return
            saved = await self._store.save_seam(
                tx,
                scene_id=event.scene_id,
                previous=(event.previous.segment_id, event.previous.clip_sha256),
                following=(event.next.segment_id, event.next.clip_sha256),
                ssim=None if event.reading is None else event.reading.ssim,
                sequence=event.sequence,
            )
            if saved:
                await self._store.show_seams(tx, event.scene_id)
