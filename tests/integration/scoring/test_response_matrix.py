"""What a defect must move and what it must leave alone, on real clips, as tests/support/response.py declares it."""

from functools import lru_cache

import pytest

from services.scoring.domain import METRICS
from tests.support.degrading import DEFECTS, SOURCES
from tests.support.response import (
    DOWN,
    MUST,
    MUST_NOT,
    RECOGNISER_MUST,
    RECOGNISER_MUST_NOT,
    Responses,
    kendall_tau,
    recogniser,
    recogniser_responses,
    responses_of,
)


@lru_cache
def measured(source: str) -> Responses:
    """Every defect at every strength: seconds of work, which the first test of a clip does for all."""
    return responses_of(source)


def test_the_declaration_speaks_of_known_defects_and_metrics_and_never_twice_of_one() -> None:
    assert set(MUST) == set(MUST_NOT) == set(DEFECTS)
    assert len(SOURCES) >= 6
    for defect in DEFECTS:
        assert len(DEFECTS[defect].strengths) == 5
        assert list(DEFECTS[defect].strengths) == sorted(DEFECTS[defect].strengths)
        declared = [*MUST[defect], *MUST_NOT[defect]]
        assert len(declared) == len(set(declared)), defect
        assert set(declared) <= set(METRICS), defect
    assert {metric for told in MUST.values() for metric in told} >= {
        "sharpness", "contrast", "colourfulness", "noise", "motion", "motion_jump", "warping_error", "flicker",
        "temporal_flicker", "frozen_frames", "identity_similarity",
    }  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("defect", DEFECTS)
def test_what_must_respond_does_so_monotonically_and_what_must_not_stays_still(defect: str, source: str) -> None:
    clip = measured(source)
    broken = [
        f"{metric} {problem}"
        for metric in (*MUST[defect], *MUST_NOT[defect])
        if (problem := clip.broken(defect, metric)) is not None
    ]
    assert not broken


def test_every_metric_that_must_respond_is_asked_on_at_least_one_clip() -> None:
    clips = [measured(source) for source in SOURCES]
    asked = {metric for clip in clips for metric, value in clip.clean.items() if value is not None}
    assert {metric for told in MUST.values() for metric in told} <= asked


def test_a_recogniser_falls_with_another_face_and_with_nothing_that_leaves_it_alone() -> None:
    choice = recogniser()
    if choice is None:
        pytest.skip("no face models: set RUSHES_FACE_MODELS")
    found = recogniser_responses(choice)
    metric = "identity_similarity"
    assert [problem for d in RECOGNISER_MUST if (problem := found.not_monotone(d, metric, DOWN))] == []
    assert [problem for d in RECOGNISER_MUST_NOT if (problem := found.not_still(d, metric))] == []


def test_tau_is_the_order_of_the_moves() -> None:
    assert kendall_tau([1, 2, 3, 4, 5]) == 1
    assert kendall_tau([5, 4, 3, 2, 1]) == -1
    assert kendall_tau([1, 2, 4, 3, 5]) == pytest.approx(0.8)
