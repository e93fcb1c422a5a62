"""What comes back of renders: generated, scored or failed, in any order and any number of times."""

from services.regression.domain.lifecycle import RenderState
from services.regression.operations.captures import Captures
from services.regression.operations.judging import Judging
from services.regression.store import Store
from services.regression.store.rows import Json, RenderRow
from shared.cause import Cause
from shared.clock import Clock
from shared.contracts.scoring import SegmentScored
from shared.contracts.segment import SegmentFailed, SegmentGenerated
from shared.contracts.types import Purpose
from shared.postgres import Transaction


class Answers:
    def __init__(self, *, store: Store, captures: Captures, judging: Judging, now: Clock) -> None:
        self._store = store
        self._captures = captures
        self._judging = judging
        self._now = now

    async def segment_generated(self, event: SegmentGenerated, cause: Cause) -> None:
        """A position of a person's scene is remembered; one of a render of ours is the first half of its answer."""
        async with self._store.transaction(cause) as tx:
            if event.request_id is None:
                await self._note_scene(tx, event)
                return
            render = await self._store.lock_render(tx, event.request_id)
            if render is None or event.position > render.segment_count:
                return
            await self._store.save_generated(
                tx,
                request_id=event.request_id,
                position=event.position,
                scene_id=event.scene_id,
                event=event.model_dump(mode="json"),
            )
            await self._advance(tx, render, position=event.position)

    async def segment_scored(self, event: SegmentScored, cause: Cause) -> None:
        """The other half. May come first, and again when the clip is measured by a newer suite."""
        async with self._store.transaction(cause) as tx:
            render = await self._store.lock_render(tx, event.request_id) if event.request_id is not None else None
            if render is None or event.position > render.segment_count:
                return
            await self._store.save_scored(
                tx, request_id=render.request_id, position=event.position, event=event.model_dump(mode="json")
            )
            await self._advance(tx, render, position=event.position)

    async def segment_failed(self, event: SegmentFailed, cause: Cause) -> None:
        """Ends the chain: nothing more is waited for."""
        async with self._store.transaction(cause) as tx:
            render = await self._store.lock_render(tx, event.request_id) if event.request_id is not None else None
            if render is None or not render.state.open:
                return
            failure: Json = {**event.failure.model_dump(mode="json"), "position": event.position}
            await self._store.end_render(
                tx, render.request_id, state=RenderState.FAILED, at=self._now(), failure=failure
            )
            if render.run_id is None:
                reason = f"segment {event.position} could not be rendered: {event.failure.message}"
                await self._captures.failed(tx, render, reason)
            else:
                await self._judging.failed(tx, render, position=event.position, failure=failure)

    async def _note_scene(self, tx: Transaction, event: SegmentGenerated) -> None:
        if event.purpose is Purpose.SCENE and not await self._store.is_deleted(tx, "scene", event.scene_id):
            await self._store.note_scene_segment(tx, event.scene_id, event.position)

    async def _advance(self, tx: Transaction, render: RenderRow, *, position: int) -> None:
        """A run says how far it is only when a position becomes whole."""
        if render.state is RenderState.COMPLETE:
            await self._captures.rendered(tx, render)
            return
        if render.state is not RenderState.REQUESTED:
            return
        rows = (await self._store.segments_of([render.request_id], tx))[render.request_id]
        whole = [row for row in rows if row.generated is not None and row.scored is not None]
        if len(whole) == render.segment_count:
            await self._store.end_render(tx, render.request_id, state=RenderState.COMPLETE, at=self._now())
            await self._captures.rendered(tx, render)
            if render.run_id is not None:
                await self._judging.rendered(tx, render)
        elif render.run_id is not None and any(row.position == position for row in whole):
            await self._judging.settle(tx, render.run_id)
