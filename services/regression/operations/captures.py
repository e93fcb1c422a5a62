"""Three identical renders become a baseline."""

from collections.abc import Sequence

from services.regression import metrics
from services.regression.domain import locks
from services.regression.domain.baseline import BASELINE_RENDERS, Baseline, BaselineImpossible, build_baseline
from services.regression.domain.lifecycle import ReferenceStatus, RenderState
from services.regression.operations import translate
from services.regression.operations.judging import Judging
from services.regression.operations.rendering import Rendering
from services.regression.store import Store
from services.regression.store.rows import BaselineRow, ReferenceRow, RenderRow
from shared.postgres import Transaction


class Captures:
    """All of it happens under the lock of the reference, which the caller holds."""

    def __init__(self, *, store: Store, rendering: Rendering, judging: Judging) -> None:
        self._store = store
        self._rendering = rendering
        self._judging = judging

    async def begin(self, tx: Transaction, reference: ReferenceRow) -> None:
        """The first version: a render that the two others will be compared with."""
        baseline = await self._store.add_baseline(
            tx, reference_id=reference.id, assets=reference.assets, accepted_from_run_id=None
        )
        await self._rendering.for_baseline(tx, reference, baseline, index=1, clips={})

    async def begin_accepted(
        self, tx: Transaction, reference: ReferenceRow, *, run_id: int, render: RenderRow, lock: locks.Lock
    ) -> None:
        """The next version: a run's render is the first one, two more give the noise. Until then the old one holds."""
        baseline = await self._store.add_baseline(
            tx, reference_id=reference.id, assets=translate.lock_json(lock), accepted_from_run_id=run_id
        )
        await self._store.add_capture(tx, baseline_id=baseline.id, capture_index=1, request_id=render.request_id)
        await self._ask_for_the_others(tx, reference, baseline, render)

    async def rendered(self, tx: Transaction, render: RenderRow) -> None:
        """A render of a baseline is complete, or one of its clips was measured again."""
        for baseline_id in await self._store.baselines_with(tx, render.request_id):
            baseline = await self._store.baseline(baseline_id, tx)
            if baseline is not None and baseline.status is ReferenceStatus.CAPTURING:
                await self._advance(tx, baseline)
            elif baseline is not None and baseline.status is ReferenceStatus.READY:
                await self._measured_again(tx, baseline)

    async def failed(self, tx: Transaction, render: RenderRow, reason: str) -> None:
        """Without one of its renders there is no baseline; the others are not needed any more."""
        for baseline_id in await self._store.baselines_with(tx, render.request_id):
            baseline = await self._store.baseline(baseline_id, tx)
            if baseline is not None and baseline.status is ReferenceStatus.CAPTURING:
                await self._fail(tx, baseline, reason)

    async def _advance(self, tx: Transaction, baseline: BaselineRow) -> None:
        renders = await self._store.renders_of_baseline(baseline.id, tx)
        if any(render.state is not RenderState.COMPLETE for render in renders):
            return
        [reference] = await self._store.references([baseline.reference_id], tx)
        if len(renders) < BASELINE_RENDERS:
            await self._ask_for_the_others(tx, reference, baseline, renders[0])
            return
        try:
            built = await self._build(tx, renders)
        except BaselineImpossible as error:
            await self._fail(tx, baseline, str(error))
            return
        await self._ready(tx, baseline, built)

    async def _ask_for_the_others(
        self, tx: Transaction, reference: ReferenceRow, baseline: BaselineRow, first: RenderRow
    ) -> None:
        rows = (await self._store.segments_of([first.request_id], tx))[first.request_id]
        clips = {str(row.position): row.generated["clip"]["sha256"] for row in rows if row.generated is not None}
        for index in range(2, BASELINE_RENDERS + 1):
            await self._rendering.for_baseline(tx, reference, baseline, index=index, clips=clips)

    async def _build(self, tx: Transaction, renders: Sequence[RenderRow]) -> Baseline:
        segments = await self._store.segments_of([render.request_id for render in renders], tx)
        return build_baseline([translate.render(segments[render.request_id]) for render in renders])

    async def _ready(self, tx: Transaction, baseline: BaselineRow, built: Baseline) -> None:
        await self._store.save_baseline(tx, baseline.id, **translate.baseline_columns(built))
        ready = await self._store.baseline(baseline.id, tx)
        assert ready is not None
        await self._store.use_baseline(tx, ready)
        metrics.BASELINES.labels("ready").inc()
        await self._start_waiting(tx, ready)

    async def _start_waiting(self, tx: Transaction, baseline: BaselineRow) -> None:
        """Runs that came while the first baseline was being captured."""
        [reference] = await self._store.references([baseline.reference_id], tx)
        for render in await self._store.waiting_renders(tx, reference.id):
            assert render.run_id is not None
            run = await self._store.lock_run(tx, render.run_id)
            if run is None or run.status.finished:
                continue
            version = None
            if run.trigger_version_id is not None:
                version = translate.locked_row(await self._store.asset_version(run.trigger_version_id, tx))
            lock = locks.replaced(translate.lock_of(baseline.assets), version)
            await self._rendering.start_waiting(tx, reference, render, baseline, lock)
            await self._store.start_run(tx, run.id, self._rendering.now())
            await self._judging.settle(tx, run.id)

    async def _fail(self, tx: Transaction, baseline: BaselineRow, reason: str) -> None:
        await self._store.fail_baseline(tx, baseline.id, reason)
        metrics.BASELINES.labels("failed").inc()
        renders = await self._store.renders_of_baseline(baseline.id, tx)
        await self._rendering.take_back(tx, renders, f"the baseline cannot be captured: {reason}")
        [reference] = await self._store.references([baseline.reference_id], tx)
        if reference.baseline_id is not None:
            await self._store.note_recapture_failure(
                tx, reference.id, f"the accepted baseline could not be captured, the one before stays: {reason}"
            )
            return
        await self._store.fail_reference(tx, reference.id, reason)
        for render in await self._store.waiting_renders(tx, reference.id):
            await self._store.end_render(tx, render.request_id, state=RenderState.FAILED, at=self._rendering.now())
            await self._judging.never_rendered(tx, render, f"the reference has no baseline: {reason}")

    async def _measured_again(self, tx: Transaction, baseline: BaselineRow) -> None:
        """Until every clip was measured by the same suite, the old values stay. Then runs that wait for it are
        judged.
        """
        waiting = await self._store.renders_waiting_for_measures(tx, baseline.id)
        if not waiting:
            return
        try:
            built = await self._build(tx, await self._store.renders_of_baseline(baseline.id, tx))
        except BaselineImpossible:
            return
        columns = translate.baseline_columns(built)
        old = baseline.identity_backend or {}
        new = columns["identity_backend"]
        scale = (baseline.metric_suite_version, old.get("name"), old.get("version"))
        if (columns["metric_suite_version"], new["name"], new["version"]) == scale:
            return
        await self._store.save_baseline(tx, baseline.id, **columns)
        measured = await self._store.baseline(baseline.id, tx)
        [reference] = await self._store.references([baseline.reference_id], tx)
        if measured is not None and reference.baseline_id == baseline.id:
            await self._store.use_baseline(tx, measured)
        for render in waiting:
            await self._judging.rendered(tx, render)
