"""What is asked of the renderer, and taken back."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from services.regression.domain.lifecycle import RenderState
from services.regression.domain.locks import Lock
from services.regression.operations import translate
from services.regression.operations.limits import Limits
from services.regression.store import Store
from services.regression.store.rows import BaselineRow, ReferenceRow, RenderRow
from shared.clock import Clock
from shared.contracts.generation import GenerationCancelRequested, GenerationRequested, SegmentOrder
from shared.contracts.types import CharacterId, ProjectId, Purpose, RenderParameters, SceneId, SceneTypeId, Tier
from shared.ids import uuid7
from shared.postgres import Transaction


class Rendering:
    """Writes the row and says the request in one transaction, so that no answer can find it missing."""

    def __init__(self, *, store: Store, limits: Limits, now: Clock) -> None:
        self._store = store
        self._limits = limits
        self.now = now

    async def for_baseline(
        self, tx: Transaction, reference: ReferenceRow, baseline: BaselineRow, *, index: int, clips: Mapping[str, str]
    ) -> None:
        """One of the identical renders; from the second on it is compared with the first one's clips."""
        render = self._render(reference, purpose=Purpose.BASELINE, run_id=None, baseline_id=None)
        await self._store.add_render(tx, render)
        await self._store.add_capture(tx, baseline_id=baseline.id, capture_index=index, request_id=render.request_id)
        await self._ask(tx, reference, render, translate.lock_of(baseline.assets), clips)

    async def for_run(
        self,
        tx: Transaction,
        reference: ReferenceRow,
        *,
        run_id: int,
        purpose: Purpose,
        lock: Lock,
        clips: Mapping[str, str],
    ) -> None:
        """Render now if the reference has a baseline; otherwise remember to, when it has one."""
        if reference.baseline_id is None:
            await self._store.add_render(tx, self._waiting(reference, purpose=purpose, run_id=run_id))
            return
        render = self._render(reference, purpose=purpose, run_id=run_id, baseline_id=reference.baseline_id)
        await self._store.add_render(tx, render)
        await self._ask(tx, reference, render, lock, clips)

    async def start_waiting(
        self, tx: Transaction, reference: ReferenceRow, render: RenderRow, baseline: BaselineRow, lock: Lock
    ) -> None:
        now = self.now()
        await self._store.render_is_requested(
            tx, render.request_id, baseline_id=baseline.id, at=now, deadline_at=now + self._limits.render
        )
        await self._ask(tx, reference, render, lock, baseline.clips)

    async def take_back(self, tx: Transaction, renders: Sequence[RenderRow], reason: str) -> None:
        """End open renders here and ask the renderer to stop; what it still says of them changes nothing."""
        for render in renders:
            if render.state is RenderState.REQUESTED:
                await tx.emit(GenerationCancelRequested(request_id=render.request_id, reason=reason))
            if render.state.open:
                await self._store.end_render(
                    tx, render.request_id, state=RenderState.CANCELLED, at=self.now(), failure={"message": reason}
                )

    def _render(
        self, reference: ReferenceRow, *, purpose: Purpose, run_id: int | None, baseline_id: int | None
    ) -> RenderRow:
        now = self.now()
        return RenderRow(
            request_id=uuid7(),
            reference_id=reference.id,
            purpose=purpose.value,
            run_id=run_id,
            baseline_id=baseline_id,
            state=RenderState.REQUESTED,
            segment_count=len(reference.segments),
            scene_id=None,
            failure=None,
            remeasure_asked_at=None,
            requested_at=now,
            deadline_at=now + self._limits.render,
            finished_at=None,
        )

    def _waiting(self, reference: ReferenceRow, *, purpose: Purpose, run_id: int) -> RenderRow:
        return RenderRow(
            request_id=uuid7(),
            reference_id=reference.id,
            purpose=purpose.value,
            run_id=run_id,
            baseline_id=None,
            state=RenderState.WAITING,
            segment_count=len(reference.segments),
            scene_id=None,
            failure=None,
            remeasure_asked_at=None,
            requested_at=None,
            deadline_at=self.now() + self._limits.baseline,
            finished_at=None,
        )

    async def _ask(
        self, tx: Transaction, reference: ReferenceRow, render: RenderRow, lock: Lock, clips: Mapping[str, str]
    ) -> None:
        await tx.emit(
            GenerationRequested(
                request_id=render.request_id,
                purpose=Purpose(render.purpose),
                tier=Tier.DRAFT,
                project_id=ProjectId(reference.project_id),
                character_id=CharacterId(reference.character_id),
                scene_type_id=SceneTypeId(reference.scene_type_id),
                source_scene_id=SceneId(reference.reference_scene_id),
                seed_image_sha256=reference.seed_image_sha256,
                source_image_sha256=reference.source_image_sha256,
                assets=translate.lock_contract(lock),
                segments=tuple(
                    SegmentOrder(
                        position=segment["position"],
                        parameters=RenderParameters.model_validate(segment["parameters"]),
                        baseline_clip_sha256=clips.get(str(segment["position"])),
                    )
                    for segment in reference.segments
                ),
                deadline_at=self.now() + self._limits.render,
            )
        )


def request_ids(renders: Sequence[RenderRow]) -> list[UUID]:
    return [render.request_id for render in renders]
