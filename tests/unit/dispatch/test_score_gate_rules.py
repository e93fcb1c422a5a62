"""What a chain that waits for scores does next, from what is known of the position where it stands."""

from typing import Any
from uuid import UUID

import pytest

from services.dispatch.domain.scenes import PassingVerdict, Review, ScoreGate, Segment, SegmentState
from services.dispatch.domain.score_gate import Course, decide, retries_made, retry_seed

PATIENT = ScoreGate(wait_for=PassingVerdict.PASS, retries=2)


def outcome(verdict: str, message: str) -> dict[str, Any]:
    return {"verdict": verdict, "value": 0.03, "limit": 0.08, "message": message}


def version(number: int, verdict: str | None = "fail", **changes: Any) -> Segment:
    """A version of position 2 with this score; the last one made is current unless told otherwise."""
    gates = None if verdict is None else {"sharpness": outcome(verdict, f"sharpness of version {number + 1}")}
    values: dict[str, Any] = dict.fromkeys(Segment.__dataclass_fields__)
    values |= {
        "id": 10 + number, "position": 2, "regeneration_count": number, "is_current": True,
        "state": SegmentState.GENERATED, "review": Review.NONE, "requested_parameters": {"seed": 7}, "is_locked": False,
        "gates": gates, "gate_verdict": verdict, "is_retry": number > 0, "prompt_id": UUID(int=number),
    }  # fmt: skip
    return Segment(**values | changes)


def old(number: int, **changes: Any) -> Segment:
    return version(number, **{"is_current": False} | changes)


def test_nothing_is_decided_before_the_score_is_there() -> None:
    assert decide(PATIENT, [version(0, None)], binds_seed=True).course is Course.AWAIT_SCORE


@pytest.mark.parametrize(
    ("wait_for", "verdict", "course"),
    [
        ("pass", "pass", Course.GO_ON),
        ("pass", "warn", Course.RETRY),
        ("pass", "fail", Course.RETRY),
        ("warn", "warn", Course.GO_ON),
        ("warn", "fail", Course.RETRY),
    ],
)
def test_the_worst_verdict_that_passes_is_the_scenes_choice(wait_for: str, verdict: str, course: Course) -> None:
    gate = ScoreGate(wait_for=PassingVerdict(wait_for), retries=1)
    assert decide(gate, [version(0, verdict)], binds_seed=True).course is course


def test_it_pauses_after_the_last_retry_and_names_segment_metric_and_the_best_version() -> None:
    versions = [old(0, quality_score=0.4), old(1, quality_score=0.6), version(2, quality_score=0.2)]
    decision = decide(PATIENT, versions, binds_seed=True)
    assert decision.course is Course.PAUSE
    assert decision.reason == (
        "segment 12 at position 2, version 3: sharpness of version 3. 2 of 2 retries were made; "
        "of all versions, segment 11 has the highest quality, 0.6"
    )
    assert decide(PATIENT, [*versions[:1], version(1)], binds_seed=True).course is Course.RETRY


def test_only_metrics_that_do_not_pass_are_named() -> None:
    gates = {
        "motion": outcome("warn", "motion 0.7 is above 0.6"),
        "flicker": outcome("fail", "flicker 0.1 is above 0.02"),
    }
    paused = ScoreGate(wait_for=PassingVerdict.WARN, retries=0)
    reason = decide(paused, [version(0, "fail", gates=gates)], binds_seed=True).reason
    assert "flicker 0.1" in reason and "motion" not in reason
    strict = decide(
        ScoreGate(wait_for=PassingVerdict.PASS, retries=0), [version(0, "fail", gates=gates)], binds_seed=True
    )
    assert "motion 0.7 is above 0.6; flicker 0.1 is above 0.02" in strict.reason


def test_what_cannot_be_measured_is_not_tried_again() -> None:
    decision = decide(PATIENT, [version(0, gates={}, not_measurable="no frames")], binds_seed=True)
    assert decision.course is Course.PAUSE and "could not be measured: no frames" in decision.reason


def test_a_persons_word_outranks_the_score() -> None:
    assert decide(PATIENT, [version(0, review=Review.APPROVED)], binds_seed=True).course is Course.GO_ON
    rejected = version(0, "pass", review=Review.REJECTED, reviewed_by="ada")
    decision = decide(PATIENT, [rejected], binds_seed=True)
    assert decision.course is Course.PAUSE and "rejected by ada" in decision.reason


def test_a_version_on_its_way_is_waited_for_unless_the_current_one_is_approved() -> None:
    awaited = old(1, verdict=None, state=SegmentState.QUEUED)
    assert decide(PATIENT, [version(0, "pass"), awaited], binds_seed=True).course is Course.AWAIT_RENDER
    approved = version(0, review=Review.APPROVED)
    assert decide(PATIENT, [approved, awaited], binds_seed=True).course is Course.GO_ON


@pytest.mark.parametrize(
    ("versions", "binds_seed", "told"),
    [
        ([version(0), old(1, state=SegmentState.FAILED, failure={"message": "CUDA"})], True, "is failed: CUDA"),
        ([version(0), old(1)], True, "newer and not the current version"),
        ([version(0, is_locked=True)], True, "locked"),
        ([version(0)], False, "binds no seed"),
    ],
)
def test_where_another_seed_would_not_help_a_person_is_asked(
    versions: list[Segment], binds_seed: bool, told: str
) -> None:
    decision = decide(PATIENT, versions, binds_seed=binds_seed)
    assert decision.course is Course.PAUSE and told in decision.reason and "sharpness" in decision.reason


def test_a_persons_regeneration_gets_its_own_retries() -> None:
    own = [old(0), old(1), old(2), version(3, is_retry=False)]
    assert retries_made(own) == 0 and decide(PATIENT, own, binds_seed=True).course is Course.RETRY
    assert retries_made([*own[:2], version(2)]) == 2


def test_seeds_of_retries_are_told_again_and_differ() -> None:
    seeds = [retry_seed(7, retry=n) for n in range(1, 11)]
    assert seeds == [retry_seed(7, retry=n) for n in range(1, 11)]
    assert len({7, *seeds}) == 11 and all(0 <= seed < 2**53 for seed in seeds)
    assert retry_seed(8, retry=1) != retry_seed(7, retry=1)
