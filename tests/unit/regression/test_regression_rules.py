"""Thresholds, directions and vetoes: built-in, then the project's, then the reference's."""

import pytest

from services.regression.domain.errors import BadThreshold
from services.regression.domain.rules import (
    BUILT_IN,
    DEFAULT_CONFIDENCE,
    Direction,
    Override,
    Overrides,
    check_overrides,
    rulebook,
)


def test_identity_and_flicker_are_the_vetoes() -> None:
    assert {name for name, rule in BUILT_IN.items() if rule.veto} == {"identity_similarity", "flicker"}


def test_only_the_comparison_with_the_baseline_clip_measures_change_alone() -> None:
    assert [name for name, rule in BUILT_IN.items() if rule.relational] == ["ssim_to_baseline"]


def test_reference_goes_before_project_and_project_before_built_in() -> None:
    project = Overrides(
        metrics={"sharpness": Override(threshold=0.2), "motion": Override(enabled=False)}, confidence=0.9
    )
    reference = Overrides(metrics={"sharpness": Override(threshold=0.4, veto=True)})
    book = rulebook(project, reference)
    sharpness, motion, identity = book.rule("sharpness"), book.rule("motion"), book.rule("identity_similarity")
    assert sharpness is not None and (sharpness.threshold, sharpness.veto) == (0.4, True)
    assert motion is not None and not motion.enabled
    assert identity == BUILT_IN["identity_similarity"]
    assert book.confidence == 0.9


def test_without_overrides_the_built_in_rules_hold() -> None:
    assert dict(rulebook().rules) == dict(BUILT_IN)
    assert rulebook().confidence == DEFAULT_CONFIDENCE


def test_an_overriding_threshold_replaces_the_relative_one() -> None:
    rule = rulebook(Overrides(metrics={"motion": Override(threshold=0.0)})).rule("motion")
    assert rule is not None and rule.smallest_move(10.0) == 0.0


def test_the_larger_of_absolute_and_relative_threshold_holds() -> None:
    rule = BUILT_IN["sharpness"]
    assert rule.smallest_move(0.1) == pytest.approx(0.03)
    assert rule.smallest_move(0.9) == pytest.approx(0.09)


def test_a_misspelt_metric_is_refused_with_the_names_that_are_known() -> None:
    with pytest.raises(BadThreshold, match="identity_similarity"):
        check_overrides(Overrides(metrics={"identity_similarty": Override(threshold=0.1)}))


def test_another_metric_is_judged_once_its_direction_and_threshold_are_given() -> None:
    overrides = Overrides(metrics={"grain": Override(direction=Direction.LOWER, threshold=0.1)})
    check_overrides(overrides)
    rule = rulebook(overrides).rule("grain")
    assert rule is not None and rule.direction is Direction.LOWER
    assert rulebook().rule("grain") is None
