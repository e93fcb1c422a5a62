"""Runs: started by an update or by a person, cancelled, accepted as the new baseline."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.regression import metrics
from services.regression.domain import locks
from services.regression.domain.errors import (
    AssetUnknown,
    NothingToRun,
    ReferenceUnknown,
    RunNotAllowed,
    RunUnknown,
    VersionUnknown,
)
from services.regression.domain.lifecycle import (
    ReferenceStatus,
    RenderState,
    RunStatus,
    Trigger,
    check_accept,
    check_cancel,
)
from services.regression.domain.locks import LockedVersion
from services.regression.operations import translate
from services.regression.operations.captures import Captures
from services.regression.operations.judging import NOTHING_DIFFERS, NOTHING_USES_IT, Judging
from services.regression.operations.rendering import Rendering
from services.regression.store import Store
from services.regression.store.rows import AssetRow, ReferenceRow, RenderRow, ResultRow
from services.regression.store.runs import NewRun
from shared.cause import Cause
from shared.clock import Clock
from shared.contracts.asset import AssetUpdated
from shared.contracts.types import Purpose
from shared.postgres import Transaction

TRIGGERS = {
    "workflow": Trigger.WORKFLOW_UPDATE,
    "lora": Trigger.LORA_UPDATE,
    "model": Trigger.MODEL_UPDATE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run about to be started. `version` replaces its asset's version in every lock; None renders the locks as
    they are.
    """

    trigger: Trigger
    version: LockedVersion | None
    references: Sequence[ReferenceRow]
    requested_by: str
    previous_version_id: int | None = None
    asset_sequence: int = 0
    trigger_key: str | None = None
    proof_of_run_id: int | None = None
    nothing: str = NOTHING_USES_IT


class Runs:
    def __init__(self, *, store: Store, rendering: Rendering, judging: Judging, captures: Captures, now: Clock) -> None:
        self._store = store
        self._rendering = rendering
        self._judging = judging
        self._captures = captures
        self._now = now

    async def released(self, tx: Transaction, event: AssetUpdated, asset: AssetRow, version: LockedVersion) -> None:
        """Every reference that was rendered with another version of this asset is rendered again with the new one.

        One run per activation. A run that still tests an older version goes on, and its report says that it is
        superseded; so does this one, if a newer version is active by the time its event is handled.
        """
        using = await self._store.lock_references_using(tx, event.asset_id)
        run_id = await self.start(
            tx,
            Plan(
                trigger=TRIGGERS[event.kind.value],
                version=version,
                references=[one for one in using if locks.would_test(translate.lock_of(one.assets), version)],
                requested_by=event.updated_by,
                previous_version_id=event.previous_version_id,
                asset_sequence=event.sequence,
                trigger_key=f"{event.asset_id}:{event.version_id}:{event.sequence}",
                nothing=NOTHING_DIFFERS if using else NOTHING_USES_IT,
            ),
            superseded=asset.sequence > event.sequence,
        )
        if run_id is not None:
            await self._store.supersede(
                tx, asset_id=event.asset_id, before_sequence=event.sequence, by_run_id=run_id, at=self._now()
            )

    async def manual(
        self,
        cause: Cause,
        *,
        asset_id: int | None = None,
        version_id: int | None = None,
        reference_ids: Sequence[int] | None = None,
    ) -> int:
        """Render references again: with a version of an asset (by default the active one), or exactly as they are.

        Raises AssetUnknown, VersionUnknown, ReferenceUnknown, NothingToRun.
        """
        async with self._store.transaction(cause) as tx:
            version, previous = await self._version_to_test(tx, asset_id, version_id)
            references = await self._references_to_run(tx, version, reference_ids)
            run_id = await self.start(
                tx,
                Plan(
                    trigger=Trigger.MANUAL,
                    version=version,
                    references=references,
                    requested_by=cause.actor,
                    previous_version_id=previous,
                ),
            )
            assert run_id is not None
            return run_id

    async def cancel(self, run_id: int, cause: Cause) -> None:
        """Raises RunUnknown, RunNotAllowed. Results that are there stay in the report."""
        async with self._store.transaction(cause) as tx:
            run = await self._store.lock_run(tx, run_id)
            if run is None:
                raise RunUnknown(run_id)
            check_cancel(run_id=run_id, status=run.status)
            reason = f"cancelled by {cause.actor}"
            await self._rendering.take_back(tx, await self._store.renders_of_run(run_id, tx), reason)
            await self._judging.cancel(tx, run, reason)

    async def accept(self, run_id: int, cause: Cause, *, override: bool) -> list[int]:
        """The run's renders become the first of new baselines; returns the references that are being captured.

        Raises RunUnknown, RunNotAllowed.
        """
        async with self._store.transaction(cause) as tx:
            results = await self._store.results_of(run_id, tx)
            references = await self._store.lock_references(tx, [result.reference_id for result in results])
            run = await self._store.lock_run(tx, run_id)
            if run is None:
                raise RunUnknown(run_id)
            check_accept(
                run_id=run_id,
                trigger=run.trigger_type,
                status=run.status,
                outcome=run.outcome,
                accepted=run.accepted_at is not None,
                rollback=run.rollback_state,
                override=override,
            )
            version = await self._known_version(tx, run.trigger_version_id)
            renders = {render.reference_id: render for render in await self._store.renders_of_run(run_id, tx)}
            accepted = [
                reference
                for reference in references
                if await self._accept_one(tx, run_id, reference, renders[reference.id], results, version)
            ]
            if not accepted:
                raise RunNotAllowed(
                    f"Run {run_id} has no finished render whose reference still has the baseline it had."
                )
            await self._store.accept_run(tx, run_id, by=cause.actor, at=self._now())
            return [reference.id for reference in accepted]

    async def start(self, tx: Transaction, plan: Plan, *, superseded: bool = False) -> int | None:
        """The caller holds the locks of the references. None if this trigger has its run already."""
        now = self._now()
        started = any(reference.baseline_id is not None for reference in plan.references)
        run_id = await self._store.add_run(tx, _new_run(plan, now if started else None))
        if run_id is None:
            return None
        metrics.RUNS_STARTED.labels(plan.trigger.value).inc()
        if superseded and plan.version is not None:
            newer = await self._store.newer_run(tx, asset_id=plan.version.asset_id, after_sequence=plan.asset_sequence)
            await self._store.mark_superseded(tx, run_id, by_run_id=newer, at=now)
        for reference in plan.references:
            await self._render(tx, run_id, plan, reference)
        await self._judging.settle(tx, run_id, nothing=plan.nothing)
        return run_id

    async def _render(self, tx: Transaction, run_id: int, plan: Plan, reference: ReferenceRow) -> None:
        purpose = Purpose.ROLLBACK_PROOF if plan.trigger is Trigger.ROLLBACK_PROOF else Purpose.REGRESSION
        baseline = await self._store.baseline(reference.baseline_id, tx) if reference.baseline_id is not None else None
        await self._rendering.for_run(
            tx,
            reference,
            run_id=run_id,
            purpose=purpose,
            lock=locks.replaced(translate.lock_of(reference.assets), plan.version),
            clips=baseline.clips if baseline is not None else {},
        )

    async def _accept_one(
        self,
        tx: Transaction,
        run_id: int,
        reference: ReferenceRow,
        render: RenderRow,
        results: Sequence[ResultRow],
        version: LockedVersion | None,
    ) -> bool:
        """False where there is nothing to accept: no whole render, or a baseline that has moved on since."""
        result = next(result for result in results if result.reference_id == reference.id)
        if render.state is not RenderState.COMPLETE or result.baseline_id != reference.baseline_id:
            return False
        if any(one.status is ReferenceStatus.CAPTURING for one in await self._store.baselines_of(reference.id, tx)):
            raise RunNotAllowed(f"Reference {reference.id} is still capturing a baseline. Try again when it is ready.")
        lock = locks.replaced(translate.lock_of(reference.assets), version)
        await self._captures.begin_accepted(tx, reference, run_id=run_id, render=render, lock=lock)
        return True

    async def _version_to_test(
        self, tx: Transaction, asset_id: int | None, version_id: int | None
    ) -> tuple[LockedVersion | None, int | None]:
        """The version, and the one before it if it is the active one: only that can be rolled back."""
        if asset_id is None:
            return None, None
        asset = await self._store.asset(asset_id, tx)
        if asset is None and version_id is None:
            raise AssetUnknown(asset_id)
        wanted = version_id if version_id is not None else asset.active_version_id if asset is not None else None
        version = await self._known_version(tx, wanted)
        if version is None or version.asset_id != asset_id:
            raise VersionUnknown(asset_id, wanted or 0)
        active = asset is not None and asset.active_version_id == version.version_id
        return version, asset.previous_version_id if asset is not None and active else None

    async def _references_to_run(
        self, tx: Transaction, version: LockedVersion | None, ids: Sequence[int] | None
    ) -> list[ReferenceRow]:
        if ids is None:
            assert version is not None
            using = await self._store.lock_references_using(tx, version.asset_id)
            if not using:
                raise NothingToRun(
                    f"No reference uses {version.kind} '{version.name}'. Designate a finished scene that uses it first "
                    "(POST /api/regression/references)."
                )
            return using
        found = await self._store.lock_references(tx, ids)
        for id in ids:
            if id not in {reference.id for reference in found}:
                raise ReferenceUnknown(id)
        for reference in found:
            _check_can_run(reference, version)
        return found

    async def _known_version(self, tx: Transaction, version_id: int | None) -> LockedVersion | None:
        if version_id is None:
            return None
        return translate.locked_row(await self._store.asset_version(version_id, tx))


def _check_can_run(reference: ReferenceRow, version: LockedVersion | None) -> None:
    """A reference named by a person must really be able to answer."""
    if reference.status is ReferenceStatus.FAILED:
        raise NothingToRun(
            f"Reference {reference.id} has no baseline ({reference.failure}). Delete and designate it again."
        )
    if version is not None and locks.version_in(translate.lock_of(reference.assets), version.asset_id) is None:
        raise NothingToRun(f"Reference {reference.id} does not use {version.kind} '{version.name}'. Leave it out.")


def _new_run(plan: Plan, started_at: datetime | None) -> NewRun:
    return NewRun(
        trigger=plan.trigger,
        asset_id=plan.version.asset_id if plan.version is not None else None,
        version_id=plan.version.version_id if plan.version is not None else None,
        previous_version_id=plan.previous_version_id,
        asset_sequence=plan.asset_sequence,
        trigger_key=plan.trigger_key,
        proof_of_run_id=plan.proof_of_run_id,
        requested_by=plan.requested_by,
        references_total=len(plan.references),
        segments_total=sum(len(reference.segments) for reference in plan.references),
        status=RunStatus.RUNNING if started_at is not None else RunStatus.PENDING,
        started_at=started_at,
    )
