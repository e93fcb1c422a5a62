"""Assets: publishing versions, and going back."""

from dataclasses import dataclass
from typing import Any, assert_never

from services.catalog import domain, metrics
from services.catalog.store import AssetStore
from shared.cause import Cause
from shared.clock import Clock, utc_now
from shared.contracts import types
from shared.contracts.asset import AssetRollbackRejected, AssetUpdated, AssetVersionPublished, UpdateCause
from shared.contracts.workflow import Bindings, problems_of_bindings, problems_of_graph
from shared.postgres import Transaction

MAX_PROBLEMS_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What somebody wants to publish, as it was sent. None: not sent."""

    checksum: str | None = None
    file_name: str | None = None
    graph: dict[str, Any] | None = None
    bindings: Bindings | None = None
    note: str = ""


class AssetOperations:
    def __init__(self, *, store: AssetStore, now: Clock = utc_now) -> None:
        self._store = store
        self._now = now

    async def create(self, cause: Cause, *, kind: domain.AssetKind, name: str) -> domain.Asset:
        """An asset without versions: nothing is said of it until the first is published. Raises Conflict."""
        async with self._store.transaction(cause) as tx:
            return await self._store.insert(tx, kind=kind, name=name, created_by=cause.actor)

    async def publish(self, cause: Cause, asset_id: domain.AssetId, submission: Submission) -> domain.AssetVersion:
        """The next version, active at once; `asset.version_published` and `asset.updated` leave with it.

        Two publications of one asset happen one after the other: both become versions, the later one is active.
        Raises NotFound, Refused for content that cannot be rendered, Conflict for a file name or workflow known.
        """
        kind = (await self._store.find(asset_id)).kind
        content = content_of(kind, submission)
        async with self._store.transaction(cause) as tx:
            asset = await self._locked(tx, asset_id)
            await self._refuse_repeat(tx, asset, content)
            version = await self._store.insert_version(
                tx, asset, content, note=submission.note, published_by=cause.actor, published_at=self._now()
            )
            if version is None:
                assert content.file_name is not None
                holder = await self._store.version_with_file(tx, kind, content.file_name)
                domain.refuse_taken_file_name(content, holder=holder, asset=asset)
                raise AssertionError("a taken file name was not refused")
            await tx.emit(_published(asset, version))
            await self._activate(tx, asset, version, domain.ActivationCause.RELEASE, by=cause.actor)
        metrics.VERSIONS_PUBLISHED.labels(kind).inc()
        return version

    async def roll_back(
        self, cause: Cause, asset_id: domain.AssetId, asked: domain.Rollback, *, requested_by: str
    ) -> domain.RollbackStep:
        """Answered by `asset.updated` with cause rollback, or by `asset.rollback_rejected` with the reason.

        A second request of the same run finds nothing to do and gets no second answer.
        """
        async with self._store.transaction(cause) as tx:
            asset = await self._store.lock(tx, asset_id)
            if asset is None:
                decision = domain.RollbackDecision(
                    step=domain.RollbackStep.REJECT, reason=f"there is no asset {asset_id}"
                )
                await tx.emit(_rejected(asset_id, asked, decision.reason, active=None))
            else:
                decision = await self._carry_out(tx, asset, asked, requested_by=requested_by)
        metrics.ROLLBACKS.labels(decision.step).inc()
        return decision.step

    async def _carry_out(
        self, tx: Transaction, asset: domain.Asset, asked: domain.Rollback, *, requested_by: str
    ) -> domain.RollbackDecision:
        target = await self._store.version_of(tx, asset.id, asked.to_version)
        last = await self._store.last_activation(tx, asset.id)
        decision = domain.decide_rollback(
            asked, active=asset.active_version_id, last=last, target_exists=target is not None
        )
        match decision.step:
            case domain.RollbackStep.ACTIVATE:
                assert target is not None
                cause = domain.ActivationCause.ROLLBACK
                await self._activate(tx, asset, target, cause, by=requested_by, run_id=asked.run_id)
            case domain.RollbackStep.REJECT:
                await tx.emit(_rejected(asset.id, asked, decision.reason, active=asset.active_version_id))
            case domain.RollbackStep.NOTHING_TO_DO:
                pass
            case _:
                assert_never(decision.step)
        return decision

    async def _activate(
        self,
        tx: Transaction,
        asset: domain.Asset,
        version: domain.AssetVersion,
        cause: domain.ActivationCause,
        *,
        by: str,
        run_id: int | None = None,
    ) -> None:
        activation = await self._store.activate(
            tx, asset, version, cause=cause, run_id=run_id, activated_by=by, activated_at=self._now()
        )
        await tx.emit(_updated(asset, activation))

    async def _locked(self, tx: Transaction, asset_id: domain.AssetId) -> domain.Asset:
        asset = await self._store.lock(tx, asset_id)
        if asset is None:
            raise domain.NotFound("asset", asset_id)
        return asset

    async def _refuse_repeat(self, tx: Transaction, asset: domain.Asset, content: domain.Content) -> None:
        if asset.active_version_id is not None:
            active = await self._store.version_of(tx, asset.id, asset.active_version_id)
            domain.refuse_repeat(content, active=active)


def content_of(kind: domain.AssetKind, submission: Submission) -> domain.Content:
    """Check what was sent against what this kind needs. Raises Refused."""
    sent = {
        "checksum": submission.checksum,
        "file_name": submission.file_name,
        "graph": submission.graph,
        "bindings": submission.bindings,
    }
    problem = domain.content_problem(kind, sent=frozenset(name for name, value in sent.items() if value is not None))
    if submission.graph is not None:
        _refuse_graph(submission.graph)
    if problem is not None:
        raise domain.Refused(problem)
    if submission.graph is not None and submission.bindings is not None:
        _refuse_problems(problems_of_bindings(submission.graph, submission.bindings))
        return domain.Content(
            checksum=domain.checksum_of(submission.graph),
            graph=submission.graph,
            bindings=submission.bindings.model_dump(mode="json"),
        )
    assert submission.checksum is not None and submission.file_name is not None
    return domain.Content(checksum=submission.checksum, file_name=domain.checked_file_name(submission.file_name))


def _refuse_graph(graph: dict[str, Any]) -> None:
    """Before anything else is said: who sends the wrong export format should hear that, whatever else is missing."""
    domain.refuse_unstorable(graph)
    _refuse_problems(problems_of_graph(graph))


def _refuse_problems(problems: list[str]) -> None:
    if problems:
        more = len(problems) - MAX_PROBLEMS_SHOWN
        shown = problems[:MAX_PROBLEMS_SHOWN] + ([f"and {more} more"] if more > 0 else [])
        raise domain.Refused("; ".join(shown))


def _published(asset: domain.Asset, version: domain.AssetVersion) -> AssetVersionPublished:
    return AssetVersionPublished(
        version_id=types.AssetVersionId(version.id),
        asset_id=types.AssetId(asset.id),
        kind=types.AssetKind(version.kind),
        name=asset.name,
        version=version.version,
        checksum=version.checksum,
        file_name=version.file_name,
        graph=version.graph,
        bindings=None if version.bindings is None else Bindings.model_validate(version.bindings),
        note=version.note,
        published_by=version.published_by,
        published_at=version.published_at,
    )


def _updated(asset: domain.Asset, activation: domain.Activation) -> AssetUpdated:
    previous = activation.previous_version_id
    return AssetUpdated(
        sequence=activation.sequence,
        asset_id=types.AssetId(asset.id),
        kind=types.AssetKind(asset.kind),
        name=asset.name,
        previous_version_id=None if previous is None else types.AssetVersionId(previous),
        version_id=types.AssetVersionId(activation.version_id),
        cause=UpdateCause(activation.cause),
        run_id=None if activation.run_id is None else types.RunId(activation.run_id),
        updated_by=activation.activated_by,
    )


def _rejected(
    asset_id: domain.AssetId, asked: domain.Rollback, reason: str, *, active: domain.VersionId | None
) -> AssetRollbackRejected:
    return AssetRollbackRejected(
        asset_id=types.AssetId(asset_id),
        run_id=types.RunId(asked.run_id),
        reason=reason,
        active_version_id=None if active is None else types.AssetVersionId(active),
    )
