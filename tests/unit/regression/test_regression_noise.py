"""How far three renders let us say that a metric moves by itself."""

import math
import random
import statistics

import pytest

from services.regression.domain.noise import (
    noise_of,
    pooled_noise,
    prediction_factor,
    sample_deviation,
    shared_confidence,
    student_t_cdf,
    student_t_quantile,
)


@pytest.mark.parametrize(
    ("probability", "degrees", "expected"),
    [
        # Tables of Student's t (for example NIST/SEMATECH e-Handbook, 1.3.6.7.2).
        (0.95, 1, 6.314),
        (0.975, 1, 12.706),
        (0.975, 2, 4.303),
        (0.995, 2, 9.925),
        (0.975, 3, 3.182),
        (0.99, 4, 3.747),
        (0.995, 6, 3.707),
        (0.975, 7, 2.365),
        (0.95, 30, 1.697),
    ],
)
def test_student_quantiles_are_those_of_the_tables(probability: float, degrees: int, expected: float) -> None:
    assert student_t_quantile(probability=probability, degrees_of_freedom=degrees) == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize("degrees", range(1, 12))
def test_quantile_and_distribution_are_inverse(degrees: int) -> None:
    for probability in (0.5, 0.6, 0.9, 0.999):
        value = student_t_quantile(probability=probability, degrees_of_freedom=degrees)
        assert student_t_cdf(value, degrees) == pytest.approx(probability, abs=1e-10)


def test_three_renders_give_the_factor_of_the_prediction_interval() -> None:
    assert prediction_factor(confidence=0.95, observations=3, degrees_of_freedom=2) == pytest.approx(4.968, abs=1e-3)
    assert prediction_factor(confidence=0.99, observations=3, degrees_of_freedom=2) == pytest.approx(11.460, abs=1e-3)


def test_one_reading_says_nothing_of_the_noise() -> None:
    assert prediction_factor(confidence=0.95, observations=1, degrees_of_freedom=0) == math.inf


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_the_interval_holds_as_often_as_it_promises(confidence: float) -> None:
    """Simulated: three baseline readings and one repetition of the same normal noise."""
    chance = random.Random(7)
    factor = prediction_factor(confidence=confidence, observations=3, degrees_of_freedom=2)
    trials = 20_000
    inside = 0
    for _ in range(trials):
        *baseline, new = (chance.gauss(0.9, 0.02) for _ in range(4))
        inside += abs(new - statistics.mean(baseline)) <= factor * sample_deviation(baseline)
    assert inside / trials == pytest.approx(confidence, abs=0.01)


def test_equal_readings_have_no_noise_at_all() -> None:
    assert sample_deviation([0.1, 0.1, 0.1]) == 0.0
    assert noise_of([0.1, 0.1, 0.1]).deviation == 0.0


def test_deviation_is_that_of_a_sample() -> None:
    assert sample_deviation([1.0, 2.0, 4.0]) == pytest.approx(statistics.stdev([1.0, 2.0, 4.0]))


def test_pooling_adds_the_degrees_of_freedom_of_all_segments() -> None:
    noise = pooled_noise([0.7, 0.7], [[0.9, 0.92], [0.8, 0.84], [0.7, 0.7]])
    assert noise.degrees_of_freedom == 3
    assert noise.deviation == pytest.approx(math.sqrt((0.0002 + 0.0008 + 0) / 3))
    assert noise.pooled


def test_a_segment_noisier_than_the_others_keeps_its_own_deviation() -> None:
    noise = pooled_noise([0.8, 0.84], [[0.9, 0.92], [0.8, 0.84], [0.7, 0.7]])
    assert noise.deviation == sample_deviation([0.8, 0.84])
    assert noise.degrees_of_freedom == 3


def test_a_single_segment_has_nothing_to_pool_with() -> None:
    assert pooled_noise([0.9, 0.92, 0.97], [[0.9, 0.92, 0.97]]) == noise_of([0.9, 0.92, 0.97])


def test_many_comparisons_share_the_error_that_one_may_make() -> None:
    assert shared_confidence(confidence=0.99, comparisons=1) == 0.99
    assert shared_confidence(confidence=0.99, comparisons=50) == pytest.approx(0.9998)
    assert shared_confidence(confidence=0.99, comparisons=0) == 0.99


def test_pooling_without_any_repetition_leaves_the_noise_unknown() -> None:
    assert pooled_noise([0.9], [[0.9], [0.8]]).degrees_of_freedom == 0
