"""What may happen to references and runs, and how a run ends."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.regression.domain.errors import RunNotAllowed, SceneUnfinished
from services.regression.domain.judgement import Verdict


class Trigger(StrEnum):
    WORKFLOW_UPDATE = "workflow_update"
    LORA_UPDATE = "lora_update"
    MODEL_UPDATE = "model_update"
    MANUAL = "manual"
    ROLLBACK_PROOF = "rollback_proof"


class RunStatus(StrEnum):
    """`pending`: nothing was asked of the renderer yet (baselines are still being captured)."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def finished(self) -> bool:
        return self not in (RunStatus.PENDING, RunStatus.RUNNING)


class Outcome(StrEnum):
    PASSED = "passed"
    DEGRADED = "degraded"
    INCONCLUSIVE = "inconclusive"
    CANCELLED = "cancelled"
    FAILED = "failed"


class ReferenceStatus(StrEnum):
    CAPTURING = "capturing"
    READY = "ready"
    FAILED = "failed"


class RenderState(StrEnum):
    """Of one chain asked of the renderer. `waiting`: not asked for yet, the reference's baseline is not ready."""

    WAITING = "waiting"
    REQUESTED = "requested"
    COMPLETE = "complete"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"

    @property
    def open(self) -> bool:
        return self in (RenderState.WAITING, RenderState.REQUESTED)


class RollbackState(StrEnum):
    """`done`: the earlier version is active and its proof is being rendered."""

    REQUESTED = "requested"
    REJECTED = "rejected"
    DONE = "done"
    PROVEN = "proven"
    NOT_PROVEN = "not_proven"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How the references of a run ended. `timed_out` are counted among `not_comparable` too; `gone` were deleted."""

    improved: int = 0
    same: int = 0
    degraded: int = 0
    not_comparable: int = 0
    timed_out: int = 0
    gone: int = 0

    @property
    def judged(self) -> int:
        return self.improved + self.same + self.degraded + self.not_comparable


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    status: RunStatus
    outcome: Outcome
    reason: str


def tally(verdicts: Iterable[Verdict], *, timed_out: int = 0, gone: int = 0) -> Tally:
    found = list(verdicts)
    return Tally(
        improved=found.count(Verdict.IMPROVED),
        same=found.count(Verdict.SAME),
        degraded=found.count(Verdict.DEGRADED),
        not_comparable=found.count(Verdict.NOT_COMPARABLE),
        timed_out=timed_out,
        gone=gone,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One reference's result, as far as a run's headline needs it. `severity` is None for what has no number."""

    name: str
    verdict: Verdict
    summary: str
    vetoed: bool = False
    severity: float | None = None


def headline(findings: Sequence[Finding], verdict: Verdict) -> str:
    """The sentence about the worst reference with this verdict, and how many there are."""
    found = [finding for finding in findings if finding.verdict is verdict]
    if not found:
        return ""
    worst = max(found, key=lambda one: (one.vetoed, math.inf if one.severity is None else one.severity))
    count = f" ({len(found)} of {_references(len(findings))})" if len(findings) > 1 else ""
    return f"{worst.summary}, in '{worst.name}'{count}"


def ending(counts: Tally, *, findings: Sequence[Finding] = (), nothing: str = "no reference uses this asset") -> Ending:
    """How a run ends when all its references have. One degraded reference makes it degraded.

    What timed out or could not be compared is never "passed": unknown is an answer. `nothing` says why a run has no
    references.
    """
    gone = f"; {_references(counts.gone)} deleted during the run" if counts.gone else ""
    if counts.degraded:
        return _completed(Outcome.DEGRADED, headline(findings, Verdict.DEGRADED) + gone)
    if counts.timed_out:
        text = f"timed out: {_references(counts.timed_out)} never answered{gone}"
        return Ending(status=RunStatus.FAILED, outcome=Outcome.FAILED, reason=text)
    if counts.not_comparable:
        return _completed(Outcome.INCONCLUSIVE, headline(findings, Verdict.NOT_COMPARABLE) + gone)
    if counts.gone:
        text = f"{counts.improved} improved, {counts.same} same" if counts.judged else "nothing is left to compare"
        return _completed(Outcome.INCONCLUSIVE, text + gone)
    if not counts.judged:
        return _completed(Outcome.PASSED, nothing)
    return _completed(Outcome.PASSED, f"passed: {counts.improved} improved, {counts.same} same")


def cancelled_ending(reason: str) -> Ending:
    return Ending(status=RunStatus.CANCELLED, outcome=Outcome.CANCELLED, reason=reason)


def _completed(outcome: Outcome, reason: str) -> Ending:
    return Ending(status=RunStatus.COMPLETED, outcome=outcome, reason=reason)


def _references(count: int) -> str:
    return "1 reference" if count == 1 else f"{count} references"


def check_finished_scene(*, scene_id: int, planned: Sequence[int], generated: Sequence[int]) -> None:
    """Raises SceneUnfinished. Only a whole scene can be a benchmark: a chain's later segments depend on all before."""
    missing = tuple(sorted(set(planned) - set(generated)))
    if missing:
        raise SceneUnfinished(scene_id, missing)


def check_cancel(*, run_id: int, status: RunStatus) -> None:
    if status.finished:
        raise RunNotAllowed(f"Run {run_id} has ended ({status}); there is nothing to cancel.")


def check_accept(
    *,
    run_id: int,
    trigger: Trigger,
    status: RunStatus,
    outcome: Outcome | None,
    accepted: bool,
    rollback: RollbackState | None,
    override: bool,
) -> None:
    """Only a passed run becomes the new baseline, unless somebody says so explicitly."""
    if not status.finished:
        raise RunNotAllowed(f"Run {run_id} is {status}. Wait until it has completed, then accept it.")
    if trigger is Trigger.ROLLBACK_PROOF:
        raise RunNotAllowed(f"Run {run_id} proves a rollback; its references keep the baseline they have.")
    if accepted:
        raise RunNotAllowed(f"Run {run_id} was accepted already.")
    if rollback is not None and rollback is not RollbackState.REJECTED:
        raise RunNotAllowed(f"The update of run {run_id} is rolled back ({rollback}); it cannot become the baseline.")
    if status is RunStatus.CANCELLED:
        raise RunNotAllowed(f"Run {run_id} was cancelled. Start another one (POST /api/regression/run).")
    if outcome is not Outcome.PASSED and not override:
        raise RunNotAllowed(
            f'Run {run_id} ended {outcome}. Accept it only on purpose: send {{"override": true}} with this request.'
        )


def check_rollback(
    *,
    run_id: int,
    trigger: Trigger,
    status: RunStatus,
    outcome: Outcome | None,
    accepted: bool,
    rollback: RollbackState | None,
    previous_version_id: int | None,
    force: bool,
) -> None:
    """Only a degraded update is rolled back, unless somebody says so explicitly; and only once."""
    if not status.finished:
        raise RunNotAllowed(f"Run {run_id} is {status}. Wait until it has ended, or cancel it first.")
    if trigger is Trigger.ROLLBACK_PROOF:
        raise RunNotAllowed(f"Run {run_id} proves a rollback itself; roll back from the run of the update.")
    if previous_version_id is None:
        raise RunNotAllowed(f"Run {run_id} did not test an update, so there is no version to go back to.")
    if rollback is not None and rollback is not RollbackState.REJECTED:
        raise RunNotAllowed(f"The rollback of run {run_id} is {rollback} already.")
    if accepted:
        raise RunNotAllowed(f"Run {run_id} was accepted as the new baseline; publish a new version instead.")
    if outcome is not Outcome.DEGRADED and not force:
        raise RunNotAllowed(
            f'Run {run_id} ended {outcome}, not degraded. To roll back all the same send {{"force": true}}.'
        )


def proof_state(*, outcome: Outcome, judged: int) -> RollbackState:
    """A rollback is proven by renders that are as good as their baseline, and by nothing else."""
    return RollbackState.PROVEN if outcome is Outcome.PASSED and judged else RollbackState.NOT_PROVEN
