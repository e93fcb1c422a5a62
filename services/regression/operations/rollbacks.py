"""An update goes back, and the earlier version proves itself by really rendering what had failed."""

from services.regression import metrics
from services.regression.domain.errors import RunUnknown
from services.regression.domain.judgement import Verdict
from services.regression.domain.lifecycle import RollbackState, Trigger, check_rollback
from services.regression.domain.locks import LockedVersion
from services.regression.operations.limits import Limits
from services.regression.operations.runs import Plan, Runs
from services.regression.store import Store
from shared.cause import Cause
from shared.clock import Clock
from shared.contracts.asset import AssetRollbackRejected, AssetRollbackRequested, AssetUpdated
from shared.contracts.types import AssetId, AssetVersionId, RunId
from shared.postgres import Transaction

WAITING = (RollbackState.REQUESTED, RollbackState.REJECTED)
"""`rejected` may be our own deadline; an answer that comes after it still counts."""


class Rollbacks:
    def __init__(self, *, store: Store, runs: Runs, limits: Limits, now: Clock) -> None:
        self._store = store
        self._runs = runs
        self._limits = limits
        self._now = now

    async def request(self, run_id: int, cause: Cause, *, force: bool) -> None:
        """Ask the catalog to go back; it refuses when a newer version is active. Raises RunUnknown, RunNotAllowed."""
        async with self._store.transaction(cause) as tx:
            run = await self._store.lock_run(tx, run_id)
            if run is None:
                raise RunUnknown(run_id)
            check_rollback(
                run_id=run_id,
                trigger=run.trigger_type,
                status=run.status,
                outcome=run.outcome,
                accepted=run.accepted_at is not None,
                rollback=run.rollback_state,
                previous_version_id=run.previous_version_id,
                force=force,
            )
            assert run.trigger_asset_id is not None and run.trigger_version_id is not None
            assert run.previous_version_id is not None
            await self._store.request_rollback(
                tx, run_id, by=cause.actor, deadline_at=self._now() + self._limits.rollback
            )
            await tx.emit(
                AssetRollbackRequested(
                    asset_id=AssetId(run.trigger_asset_id),
                    run_id=RunId(run_id),
                    from_version_id=AssetVersionId(run.trigger_version_id),
                    to_version_id=AssetVersionId(run.previous_version_id),
                    requested_by=cause.actor,
                )
            )
            metrics.ROLLBACKS.inc()

    async def rejected(self, event: AssetRollbackRejected, cause: Cause) -> None:
        """Changes nothing but what the report says; too late after the rollback was done."""
        async with self._store.transaction(cause) as tx:
            run = await self._store.lock_run(tx, event.run_id)
            if run is not None and run.rollback_state is RollbackState.REQUESTED:
                await self._store.set_rollback(tx, run.id, RollbackState.REJECTED, event.reason)

    async def rolled_back(self, tx: Transaction, event: AssetUpdated, version: LockedVersion) -> None:
        """The earlier version is active again. If a run of ours asked for it, its degraded references prove it.

        A rollback that nobody asked for here proves nothing and starts nothing.
        """
        await self._store.supersede(
            tx, asset_id=event.asset_id, before_sequence=event.sequence, by_run_id=None, at=self._now()
        )
        if event.run_id is None:
            return
        results = await self._store.results_of(event.run_id, tx)
        failed = [result for result in results if result.verdict is Verdict.DEGRADED] or results
        references = await self._store.lock_references(tx, [result.reference_id for result in failed])
        run = await self._store.lock_run(tx, event.run_id)
        if run is None or run.trigger_asset_id != event.asset_id or run.rollback_state not in WAITING:
            return
        await self._store.set_rollback(
            tx, run.id, RollbackState.DONE, "the earlier version is active; proof is rendered"
        )
        await self._runs.start(
            tx,
            Plan(
                trigger=Trigger.ROLLBACK_PROOF,
                version=version,
                references=references,
                requested_by=event.updated_by,
                asset_sequence=event.sequence,
                proof_of_run_id=run.id,
                nothing="no reference is left to prove the rollback with",
            ),
        )

    async def expire(self, run_id: int, cause: Cause) -> None:
        """The catalog never answered."""
        async with self._store.transaction(cause) as tx:
            run = await self._store.lock_run(tx, run_id)
            if run is not None and run.rollback_state is RollbackState.REQUESTED:
                reason = "the asset catalog did not answer in time; ask again"
                await self._store.set_rollback(tx, run_id, RollbackState.REJECTED, reason)
                metrics.TIMED_OUT.labels("rollback").inc()
