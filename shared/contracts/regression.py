"""Regression runs: how far, and how they ended."""

from enum import StrEnum
from typing import ClassVar

from shared.contracts.base import Event
from shared.contracts.types import AssetId, AssetVersionId, Instant, RunId


class TriggerType(StrEnum):
    WORKFLOW_UPDATE = "workflow_update"
    LORA_UPDATE = "lora_update"
    MODEL_UPDATE = "model_update"
    MANUAL = "manual"
    ROLLBACK_PROOF = "rollback_proof"


class RunOutcome(StrEnum):
    """`passed`: nothing degraded. `inconclusive`: nothing degraded, but something could not be compared."""

    PASSED = "passed"
    DEGRADED = "degraded"
    INCONCLUSIVE = "inconclusive"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Verdict(StrEnum):
    IMPROVED = "improved"
    SAME = "same"
    DEGRADED = "degraded"
    NOT_COMPARABLE = "not_comparable"


class RegressionProgressed(Event):
    key_field: ClassVar[str] = "run_id"

    run_id: RunId
    trigger_type: TriggerType
    asset_id: AssetId | None
    references_total: int
    references_done: int
    segments_total: int
    segments_done: int


class RegressionCompleted(Event):
    key_field: ClassVar[str] = "run_id"

    run_id: RunId
    trigger_type: TriggerType
    asset_id: AssetId | None
    version_id: AssetVersionId | None
    outcome: RunOutcome
    reason: str
    superseded: bool
    improved: int
    same: int
    degraded: int
    not_comparable: int
    completed_at: Instant
