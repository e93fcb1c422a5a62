"""A finished render gets its verdict, and a run with nothing left to wait for gets its end."""

from collections.abc import Sequence

from services.regression import metrics
from services.regression.domain import locks
from services.regression.domain.judgement import Judgement, functional_failure, judge, never_compared
from services.regression.domain.lifecycle import (
    Ending,
    Finding,
    RollbackState,
    cancelled_ending,
    ending,
    proof_state,
    tally,
)
from services.regression.domain.rules import Rulebook, rulebook
from services.regression.operations import translate
from services.regression.operations.limits import Limits
from services.regression.store import Store
from services.regression.store.rows import (
    AssetVersionRow,
    BaselineRow,
    Json,
    NewResult,
    ReferenceRow,
    RenderRow,
    ResultRow,
    RunRow,
)
from shared.clock import Clock
from shared.contracts.regression import RegressionCompleted, RegressionProgressed, RunOutcome, TriggerType
from shared.contracts.scoring import ScoringRequested
from shared.contracts.types import AssetId, AssetVersionId, RunId
from shared.postgres import Transaction

NOTHING_USES_IT = "no reference uses this asset"
NOTHING_DIFFERS = "every reference that uses this asset was rendered with this very version"


class Judging:
    """All of it happens under the lock of the run, which the caller holds or which is taken here."""

    def __init__(self, *, store: Store, limits: Limits, now: Clock) -> None:
        self._store = store
        self._limits = limits
        self._now = now

    async def rendered(self, tx: Transaction, render: RenderRow) -> None:
        """Judge a complete render. If only its baseline's measures are of an older scale, ask for new ones first."""
        run = await self._open_run(tx, render)
        if run is None or render.baseline_id is None:
            return
        [reference] = await self._store.references([render.reference_id], tx)
        baseline = await self._store.baseline(render.baseline_id, tx)
        assert baseline is not None
        rows = (await self._store.segments_of([render.request_id], tx))[render.request_id]
        new = translate.render(rows)
        version = translate.locked_row(await self._tested_version(tx, run))
        judgement = judge(
            baseline=translate.baseline(baseline),
            render=new,
            rules=await self._rules(tx, reference),
            under_test=locks.under_test(translate.lock_of(baseline.assets), version),
        )
        if judgement.remeasure and render.remeasure_asked_at is None:
            await self._ask_remeasure(tx, render, baseline)
            return
        await self._conclude(tx, run, render, judgement, new_scores=translate.new_scores(new), baseline=baseline)

    async def failed(self, tx: Transaction, render: RenderRow, *, position: int, failure: Json) -> None:
        """A render that failed is a functional regression, unless somebody stopped it."""
        run = await self._open_run(tx, render)
        if run is None:
            return
        if failure["kind"] in ("cancelled", "deleted"):
            judgement = never_compared(f"the render was {failure['kind']}: {failure['message']}")
        else:
            judgement = functional_failure(message=failure["message"], position=position)
        await self._conclude(tx, run, render, judgement, failure={**failure, "position": position})

    async def never_rendered(self, tx: Transaction, render: RenderRow, reason: str, *, timed_out: bool = False) -> None:
        run = await self._open_run(tx, render)
        if run is not None:
            await self._conclude(tx, run, render, never_compared(reason), timed_out=timed_out)

    async def settle(self, tx: Transaction, run_id: int, *, nothing: str = NOTHING_USES_IT) -> None:
        """End the run if all its references have a result; otherwise say how far it is."""
        run = await self._store.lock_run(tx, run_id)
        if run is None or run.status.finished:
            return
        renders = await self._store.renders_of_run(run_id, tx)
        results = await self._store.results_of(run_id, tx)
        if {render.reference_id for render in renders} - {result.reference_id for result in results}:
            await self._progress(tx, run, results)
            return
        counts = tally(
            [result.verdict for result in results],
            timed_out=sum(result.timed_out for result in results),
            gone=len(run.gone),
        )
        names = {one.id: one.name for one in await self._store.references([r.reference_id for r in results], tx)}
        findings = [_finding(result, names[result.reference_id]) for result in results]
        await self.end(tx, run, ending(counts, findings=findings, nothing=nothing), results)

    async def cancel(self, tx: Transaction, run: RunRow, reason: str) -> None:
        await self.end(tx, run, cancelled_ending(reason), await self._store.results_of(run.id, tx))

    async def end(self, tx: Transaction, run: RunRow, how: Ending, results: Sequence[ResultRow]) -> None:
        now = self._now()
        counts = tally([result.verdict for result in results])
        await self._store.end_run(tx, run.id, how, now)
        await tx.emit(
            RegressionCompleted(
                run_id=RunId(run.id),
                trigger_type=TriggerType(run.trigger_type.value),
                asset_id=_asset_id(run),
                version_id=AssetVersionId(run.trigger_version_id) if run.trigger_version_id is not None else None,
                outcome=RunOutcome(how.outcome.value),
                reason=how.reason,
                superseded=run.superseded_at is not None,
                improved=counts.improved,
                same=counts.same,
                degraded=counts.degraded,
                not_comparable=counts.not_comparable,
                completed_at=now,
            )
        )
        metrics.RUNS_ENDED.labels(run.trigger_type.value, how.outcome.value).inc()
        metrics.RUN_SECONDS.observe((now - run.created_at).total_seconds())
        if run.proof_of_run_id is not None:
            await self._conclude_proof(tx, run.proof_of_run_id, how, judged=counts.judged)

    async def _conclude_proof(self, tx: Transaction, run_id: int, how: Ending, *, judged: int) -> None:
        original = await self._store.lock_run(tx, run_id)
        if original is not None and original.rollback_state is RollbackState.DONE:
            state = proof_state(outcome=how.outcome, judged=judged)
            await self._store.set_rollback(tx, run_id, state, how.reason)

    async def _conclude(
        self,
        tx: Transaction,
        run: RunRow,
        render: RenderRow,
        judgement: Judgement,
        *,
        new_scores: Json | None = None,
        baseline: BaselineRow | None = None,
        failure: Json | None = None,
        timed_out: bool = False,
    ) -> None:
        if baseline is None and render.baseline_id is not None:
            baseline = await self._store.baseline(render.baseline_id, tx)
        current = await self._store.lock_render(tx, render.request_id)
        await self._store.end_remeasure(tx, render.request_id)
        await self._store.add_result(
            tx,
            NewResult(
                run_id=run.id,
                reference_id=render.reference_id,
                new_scene_id=current.scene_id if current is not None else None,
                baseline_scores=baseline.scores if baseline is not None else {},
                new_scores=new_scores or {},
                verdict=judgement.verdict,
                baseline_id=render.baseline_id,
                request_id=render.request_id,
                summary=judgement.summary,
                failure=failure,
                timed_out=timed_out,
                judgement=translate.judgement_json(judgement),
            ),
        )
        metrics.VERDICTS.labels(judgement.verdict.value).inc()
        await self.settle(tx, run.id)

    async def _ask_remeasure(self, tx: Transaction, render: RenderRow, baseline: BaselineRow) -> None:
        """Have the baseline's own clips measured by the suite that measured the new ones."""
        now = self._now()
        renders = await self._store.renders_of_baseline(baseline.id, tx)
        segments = await self._store.segments_of([one.request_id for one in renders], tx)
        wanted = {
            (row.generated["clip"]["sha256"], row.scored["baseline_clip_sha256"])
            for rows in segments.values()
            for row in rows
            if row.generated is not None and row.scored is not None
        }
        for clip, compared_with in sorted(wanted, key=str):
            await tx.emit(
                ScoringRequested(
                    clip_sha256=clip, baseline_clip_sha256=compared_with, requested_by="service:regression"
                )
            )
        await self._store.ask_remeasure(tx, render.request_id, at=now, deadline_at=now + self._limits.remeasure)

    async def _progress(self, tx: Transaction, run: RunRow, results: Sequence[ResultRow]) -> None:
        await tx.emit(
            RegressionProgressed(
                run_id=RunId(run.id),
                trigger_type=TriggerType(run.trigger_type.value),
                asset_id=_asset_id(run),
                references_total=run.references_total,
                references_done=len(results) + len(run.gone),
                segments_total=run.segments_total,
                segments_done=await self._store.segments_done(run.id, tx),
            )
        )

    async def _open_run(self, tx: Transaction, render: RenderRow) -> RunRow | None:
        run = await self._store.lock_run(tx, render.run_id) if render.run_id is not None else None
        return run if run is not None and not run.status.finished else None

    async def _tested_version(self, tx: Transaction, run: RunRow) -> AssetVersionRow | None:
        if run.trigger_version_id is None:
            return None
        return await self._store.asset_version(run.trigger_version_id, tx)

    async def _rules(self, tx: Transaction, reference: ReferenceRow) -> Rulebook:
        project = await self._store.project_thresholds(tx, reference.project_id)
        return rulebook(translate.overrides(project), translate.overrides(reference.thresholds))


def _asset_id(run: RunRow) -> AssetId | None:
    return AssetId(run.trigger_asset_id) if run.trigger_asset_id is not None else None


def _finding(result: ResultRow, name: str) -> Finding:
    decisive = result.judgement.get("decisive")
    return Finding(
        name=name,
        verdict=result.verdict,
        summary=result.summary,
        vetoed=bool(result.judgement.get("vetoed")),
        severity=decisive["comparison"]["severity"] if decisive else None,
    )
