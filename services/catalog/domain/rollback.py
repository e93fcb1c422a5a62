"""When a rollback is carried out."""

from dataclasses import dataclass
from enum import StrEnum

from services.catalog.domain.nouns import Activation, ActivationCause, VersionId


class RollbackStep(StrEnum):
    ACTIVATE = "activate"
    NOTHING_TO_DO = "nothing_to_do"
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """What was asked: undo `from_version` in favour of `to_version`, because of a run."""

    run_id: int
    from_version: VersionId
    to_version: VersionId


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackDecision:
    step: RollbackStep
    reason: str = ""


def decide_rollback(
    asked: Rollback, *, active: VersionId | None, last: Activation | None, target_exists: bool
) -> RollbackDecision:
    """A rollback undoes the active version only; a newer one, which it knows nothing of, is never undone.

    Asking a second time for what the same run has already got changes nothing.
    """
    if last is not None and (last.cause, last.run_id, last.version_id) == (
        ActivationCause.ROLLBACK,
        asked.run_id,
        asked.to_version,
    ):
        return RollbackDecision(step=RollbackStep.NOTHING_TO_DO)
    if not target_exists:
        return _rejected(f"the asset has no version {asked.to_version} to go back to")
    if active != asked.from_version:
        return _rejected(f"version {asked.from_version} is not active any more; version {active} is")
    if asked.to_version == active:
        return _rejected(f"version {asked.to_version} is the active one already")
    return RollbackDecision(step=RollbackStep.ACTIVATE)


def _rejected(reason: str) -> RollbackDecision:
    return RollbackDecision(step=RollbackStep.REJECT, reason=reason)
