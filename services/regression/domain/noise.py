"""How far a metric moves when nothing changed, and how sure three renders make us of that."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Standard deviation of identical renders. `pooled`: known from all segments of the reference, not from this one
    alone.
    """

    deviation: float
    observations: int
    degrees_of_freedom: int
    pooled: bool = False


def sample_deviation(values: Sequence[float]) -> float:
    """Sample standard deviation (n - 1); 0 for fewer than two values. Equal values give exactly 0."""
    if len(values) < 2 or min(values) == max(values):
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def noise_of(values: Sequence[float]) -> Noise:
    return Noise(
        deviation=sample_deviation(values), observations=len(values), degrees_of_freedom=max(0, len(values) - 1)
    )


def pooled_noise(values: Sequence[float], groups: Sequence[Sequence[float]]) -> Noise:
    """The noise of one segment (`values`), known from all segments of its reference (`groups`).

    The larger of its own deviation and the pooled one, s^2 = sum((n_i - 1) s_i^2) / sum(n_i - 1), with the
    sum(n_i - 1) degrees of freedom of the latter. Three renders of one segment leave two degrees of freedom, with
    which a limit that many comparisons share is beyond any possible change; those of three segments leave six. Pooling
    assumes that the segments are about equally noisy; taking the larger protects the one that is noisier.
    """
    degrees = sum(len(group) - 1 for group in groups if len(group) > 1)
    own = noise_of(values)
    if degrees <= own.degrees_of_freedom:
        return own
    squares = math.fsum((len(group) - 1) * sample_deviation(group) ** 2 for group in groups if len(group) > 1)
    return Noise(
        deviation=max(own.deviation, math.sqrt(squares / degrees)),
        observations=len(values),
        degrees_of_freedom=degrees,
        pooled=True,
    )


def shared_confidence(*, confidence: float, comparisons: int) -> float:
    """What each of several comparisons must hold, so that all of them together hold `confidence`.

    Bonferroni's inequality: 1 - (1 - c) / m. It needs no independence, and the metrics of one clip are not independent.
    """
    return 1 - (1 - confidence) / max(1, comparisons)


def prediction_factor(*, confidence: float, observations: int, degrees_of_freedom: int) -> float:
    """k such that one new observation lies within mean +- k s with the given confidence, if nothing changed.

    k = t(1 - (1 - confidence) / 2; dof) * sqrt(1 + 1/n): the two-sided prediction interval for one future
    observation of a normal population (Hahn and Meeker, "Statistical Intervals", 1991, 4.7). With n = 3, dof = 2: k
    is 4.97 at 95 % and 11.46 at 99 %; three renders know the noise only roughly, and the factor says so.

    Infinite without a degree of freedom.
    """
    if degrees_of_freedom < 1 or observations < 1:
        return math.inf
    quantile = student_t_quantile(probability=1 - (1 - confidence) / 2, degrees_of_freedom=degrees_of_freedom)
    return quantile * math.sqrt(1 + 1 / observations)


@lru_cache(maxsize=256)
def student_t_quantile(*, probability: float, degrees_of_freedom: int) -> float:
    """Inverse of Student's t distribution for probability in [0.5, 1), by bisection of `student_t_cdf` to 1e-12
    relative.
    """
    if not 0.5 <= probability < 1:
        raise ValueError(f"probability must be in [0.5, 1), not {probability}")
    high = 1.0
    while student_t_cdf(high, degrees_of_freedom) < probability:
        high *= 2
    low = 0.0
    while high - low > 1e-12 * max(1.0, high):
        middle = (low + high) / 2
        if student_t_cdf(middle, degrees_of_freedom) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def student_t_cdf(value: float, degrees_of_freedom: int) -> float:
    """P(T <= value) for whole degrees of freedom, in closed form (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    if degrees_of_freedom < 1:
        raise ValueError("Student's t needs at least one degree of freedom")
    theta = math.atan2(value, math.sqrt(degrees_of_freedom))
    cosine = math.cos(theta)
    if degrees_of_freedom % 2 == 0:
        return 0.5 + math.sin(theta) * _series(cosine, range(1, degrees_of_freedom - 2, 2)) / 2
    if degrees_of_freedom == 1:
        return 0.5 + theta / math.pi
    tail = math.sin(theta) * cosine * _series(cosine, range(2, degrees_of_freedom - 2, 2))
    return 0.5 + (theta + tail) / math.pi


def _series(cosine: float, numerators: range) -> float:
    """1 + (a/(a+1)) cos^2 + (a (a+2)/((a+1)(a+3))) cos^4 + ... over the given numerators."""
    total = term = 1.0
    for numerator in numerators:
        term *= cosine**2 * numerator / (numerator + 1)
        total += term
    return total
