"""Waits that have reached their end."""

from uuid import UUID

from services.regression import metrics
from services.regression.domain.lifecycle import RenderState
from services.regression.operations.captures import Captures
from services.regression.operations.judging import Judging
from services.regression.operations.rollbacks import Rollbacks
from services.regression.store import Store
from shared.cause import Cause
from shared.clock import Clock
from shared.contracts.generation import GenerationCancelRequested

ACTOR = "service:regression"


class Deadlines:
    def __init__(
        self,
        *,
        store: Store,
        captures: Captures,
        judging: Judging,
        rollbacks: Rollbacks,
        now: Clock,
    ) -> None:
        self._store = store
        self._captures = captures
        self._judging = judging
        self._rollbacks = rollbacks
        self._now = now

    async def end_one(self) -> bool:
        """End the most overdue wait; False if none is overdue. Two sweepers at once do no harm: the rows are locked."""
        now = self._now()
        request_id = await self._store.overdue_render(now)
        if request_id is not None:
            await self.end_render(request_id, Cause.begin(ACTOR))
            return True
        run_id = await self._store.overdue_rollback(now)
        if run_id is not None:
            await self._rollbacks.expire(run_id, Cause.begin(ACTOR))
            return True
        return False

    async def end_render(self, request_id: UUID, cause: Cause) -> None:
        async with self._store.transaction(cause) as tx:
            render = await self._store.lock_render(tx, request_id)
            if render is None or render.deadline_at > self._now():
                return
            metrics.TIMED_OUT.labels(render.state.value).inc()
            if render.remeasure_asked_at is not None:
                await self._store.end_remeasure(tx, request_id)
                await self._judging.rendered(tx, render)
                return
            if not render.state.open:
                return
            waited_for = "a baseline" if render.state is RenderState.WAITING else "the renderer"
            reason = f"timed out: {waited_for} did not answer in time"
            if render.state is RenderState.REQUESTED:
                await tx.emit(GenerationCancelRequested(request_id=request_id, reason=reason))
            await self._store.end_render(
                tx, request_id, state=RenderState.TIMED_OUT, at=self._now(), failure={"message": reason}
            )
            if render.run_id is None:
                await self._captures.failed(tx, render, reason)
            else:
                await self._judging.never_rendered(tx, render, reason, timed_out=True)
