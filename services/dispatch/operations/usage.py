"""The ledger: what is written down when a render arrives, and what it adds up to."""

from datetime import datetime

from services.dispatch.domain.scenes import Purpose, Render, Scene, Segment
from services.dispatch.domain.usage import Usage, Work, summed, work_of
from services.dispatch.store import Store
from shared.postgres import Transaction


class UsageOperations:
    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def arrived(
        self, tx: Transaction, scene: Scene, segment: Segment, render: Render, *, queued_seconds: float, now: datetime
    ) -> None:
        """`segment` as it was before its clip came."""
        work = work_of(scene.purpose, segment)
        await self._store.book_render(
            tx,
            scene,
            segment.id,
            work=work,
            render_seconds=render.render_seconds,
            queued_seconds=queued_seconds,
            now=now,
        )
        if work is not Work.REGENERATION:
            return
        if segment.cascade_id is None:
            await self._store.book_saved_by_regeneration(tx, scene, segment.id, position=segment.position, now=now)
        elif segment.previous_segment_id is not None:
            await self._store.book_cascade_step(
                tx, scene, segment.id, cascade_id=segment.cascade_id, replaced_id=segment.previous_segment_id, now=now
            )

    async def usage(
        self, *, since: datetime, until: datetime, project_id: int | None = None, purpose: Purpose | None = None
    ) -> Usage:
        rows = await self._store.usage(since=since, until=until, project_id=project_id, purpose=purpose)
        return summed(rows, since=since, until=until)
