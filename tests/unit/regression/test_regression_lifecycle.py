"""How runs end, and what may be asked of them."""

from collections.abc import Callable
from typing import Any

import pytest

from services.regression.domain.errors import RunNotAllowed, SceneUnfinished
from services.regression.domain.judgement import Verdict
from services.regression.domain.lifecycle import (
    Finding,
    Outcome,
    RollbackState,
    RunStatus,
    Trigger,
    check_accept,
    check_cancel,
    check_finished_scene,
    check_rollback,
    ending,
    proof_state,
    tally,
)

FINDINGS = [
    Finding(name="Ada", verdict=Verdict.DEGRADED, summary="degraded: sharpness fell", severity=9.0),
    Finding(name="Bob", verdict=Verdict.DEGRADED, summary="degraded: identity fell", severity=2.0, vetoed=True),
    Finding(name="Eve", verdict=Verdict.SAME, summary="same"),
]
UPDATE: dict[str, Any] = {
    "run_id": 4,
    "trigger": Trigger.LORA_UPDATE,
    "status": RunStatus.COMPLETED,
    "accepted": False,
    "rollback": None,
}


def test_nothing_degraded_passes() -> None:
    end = ending(tally([Verdict.SAME, Verdict.IMPROVED]))
    assert (end.status, end.outcome, end.reason) == (
        RunStatus.COMPLETED,
        Outcome.PASSED,
        "passed: 1 improved, 1 same",
    )


def test_one_degraded_reference_makes_the_run_degraded_and_the_worst_is_named() -> None:
    end = ending(tally([one.verdict for one in FINDINGS]), findings=FINDINGS)
    assert end.outcome is Outcome.DEGRADED
    assert end.reason == "degraded: identity fell, in 'Bob' (2 of 3 references)"


def test_what_could_not_be_compared_never_passes() -> None:
    assert ending(tally([Verdict.SAME, Verdict.NOT_COMPARABLE])).outcome is Outcome.INCONCLUSIVE


def test_a_run_that_was_never_answered_has_failed() -> None:
    end = ending(tally([Verdict.SAME, Verdict.NOT_COMPARABLE], timed_out=1))
    assert (end.status, end.outcome) == (RunStatus.FAILED, Outcome.FAILED)
    assert "timed out" in end.reason


def test_a_degraded_reference_counts_even_if_another_one_timed_out() -> None:
    assert ending(tally([Verdict.DEGRADED, Verdict.NOT_COMPARABLE], timed_out=1)).outcome is Outcome.DEGRADED


def test_a_run_without_references_passes_and_says_why() -> None:
    end = ending(tally([]))
    assert (end.outcome, end.reason) == (Outcome.PASSED, "no reference uses this asset")


def test_a_run_that_lost_a_reference_says_so_and_does_not_pass() -> None:
    for verdicts in ([], [Verdict.SAME]):
        end = ending(tally(verdicts, gone=1))
        assert end.outcome is Outcome.INCONCLUSIVE
        assert "1 reference deleted during the run" in end.reason


def test_only_a_passed_proof_that_really_rendered_proves_a_rollback() -> None:
    assert proof_state(outcome=Outcome.PASSED, judged=2) is RollbackState.PROVEN
    assert proof_state(outcome=Outcome.PASSED, judged=0) is RollbackState.NOT_PROVEN
    assert proof_state(outcome=Outcome.DEGRADED, judged=2) is RollbackState.NOT_PROVEN


def test_an_unfinished_scene_names_what_is_missing() -> None:
    check_finished_scene(scene_id=1, planned=[1, 2, 3], generated=[3, 1, 2])
    with pytest.raises(SceneUnfinished, match="segment 2, 3 is not rendered"):
        check_finished_scene(scene_id=1, planned=[1, 2, 3], generated=[1])


def test_a_passed_run_is_accepted_and_another_only_on_purpose() -> None:
    check_accept(**UPDATE, outcome=Outcome.PASSED, override=False)
    check_accept(**UPDATE, outcome=Outcome.DEGRADED, override=True)
    with pytest.raises(RunNotAllowed, match='"override": true'):
        check_accept(**UPDATE, outcome=Outcome.DEGRADED, override=False)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"status": RunStatus.RUNNING, "outcome": None}, "Wait until it has completed"),
        ({"status": RunStatus.CANCELLED, "outcome": Outcome.CANCELLED}, "was cancelled"),
        ({"trigger": Trigger.ROLLBACK_PROOF}, "proves a rollback"),
        ({"accepted": True}, "accepted already"),
        ({"rollback": RollbackState.PROVEN}, "rolled back"),
    ],
)
def test_what_cannot_be_accepted_not_even_on_purpose(change: dict[str, Any], told: str) -> None:
    with pytest.raises(RunNotAllowed, match=told):
        check_accept(**(UPDATE | {"outcome": Outcome.PASSED, "override": True} | change))


def test_a_degraded_update_is_rolled_back_and_a_passed_one_only_on_purpose() -> None:
    check_rollback(**UPDATE, outcome=Outcome.DEGRADED, previous_version_id=1, force=False)
    check_rollback(**UPDATE, outcome=Outcome.PASSED, previous_version_id=1, force=True)
    with pytest.raises(RunNotAllowed, match='"force": true'):
        check_rollback(**UPDATE, outcome=Outcome.PASSED, previous_version_id=1, force=False)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"status": RunStatus.RUNNING, "outcome": None}, "Wait until it has ended"),
        ({"previous_version_id": None}, "no version to go back to"),
        ({"trigger": Trigger.ROLLBACK_PROOF}, "proves a rollback itself"),
        ({"accepted": True}, "publish a new version instead"),
        ({"rollback": RollbackState.REQUESTED}, "is requested already"),
    ],
)
def test_what_cannot_be_rolled_back_not_even_on_purpose(change: dict[str, Any], told: str) -> None:
    with pytest.raises(RunNotAllowed, match=told):
        check_rollback(**(UPDATE | {"outcome": Outcome.DEGRADED, "previous_version_id": 1, "force": True} | change))


def test_a_rejected_rollback_may_be_asked_for_again() -> None:
    check: Callable[..., None] = check_rollback
    check(
        **(UPDATE | {"rollback": RollbackState.REJECTED}), outcome=Outcome.DEGRADED, previous_version_id=1, force=False
    )


def test_only_a_run_that_goes_on_can_be_cancelled() -> None:
    check_cancel(run_id=1, status=RunStatus.PENDING)
    with pytest.raises(RunNotAllowed, match="nothing to cancel"):
        check_cancel(run_id=1, status=RunStatus.COMPLETED)
