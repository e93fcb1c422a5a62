"""What holds for every verdict, whatever the numbers."""

import math
import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from services.regression.domain.baseline import BaselineMetric, Reading
from services.regression.domain.comparison import Change, Confidence, change_of, compare_metric
from services.regression.domain.judgement import Verdict
from services.regression.domain.noise import noise_of
from services.regression.domain.rules import BUILT_IN, Direction, Rule, rulebook
from tests.support.judging import GOOD, baseline, better, moved, steady, verdict

numbers = st.floats(min_value=-10, max_value=10, allow_nan=False)
moves = st.floats(min_value=0, max_value=0.9, allow_nan=False)
one_way = st.sampled_from([name for name, rule in BUILT_IN.items() if rule.direction is not Direction.TWO_SIDED])
metrics = st.sampled_from(sorted(BUILT_IN))
limits = st.floats(min_value=0, max_value=2, allow_nan=False)
RANK = {Change.DEGRADED: 0, Change.SAME: 1, Change.IMPROVED: 2}
WORTH = {Verdict.DEGRADED: 0, Verdict.NOT_COMPARABLE: 1, Verdict.SAME: 2, Verdict.IMPROVED: 3}


def rule_of(direction: Direction) -> Rule:
    return Rule(metric="x", direction=direction, threshold=0.0)


@given(loser=one_way, gains=st.dictionaries(one_way, moves), loss=st.floats(min_value=0.2, max_value=0.9))
def test_no_gain_buys_back_a_degradation(loser: str, gains: dict[str, float], loss: float) -> None:
    changed = {name: better(name, gain) for name, gain in gains.items()} | {loser: better(loser, -loss)}
    assert verdict(steady(), moved(**changed)).verdict is Verdict.DEGRADED


@given(changes=st.dictionaries(metrics, st.floats(min_value=-0.9, max_value=0.9)), metric=one_way, further=moves)
def test_making_a_metric_worse_never_makes_the_verdict_better(
    changes: dict[str, float], metric: str, further: float
) -> None:
    before = verdict(steady(), moved(**changes))
    worse = dict(changes) | {metric: changes.get(metric, 0.0) + better(metric, -further)}
    assert WORTH[verdict(steady(), moved(**worse)).verdict] <= WORTH[before.verdict]


@given(delta=numbers, limit=limits)
def test_the_rules_are_symmetric(delta: float, limit: float) -> None:
    """Higher-is-better of a move is lower-is-better of the opposite one; a two-sided rule does not care which way."""
    higher = change_of(delta=delta, limit=limit, rule=rule_of(Direction.HIGHER))
    assert higher is change_of(delta=-delta, limit=limit, rule=rule_of(Direction.LOWER))
    mirrored = {Change.IMPROVED: Change.DEGRADED, Change.DEGRADED: Change.IMPROVED, Change.SAME: Change.SAME}
    assert change_of(delta=-delta, limit=limit, rule=rule_of(Direction.HIGHER)) is mirrored[higher]
    both = rule_of(Direction.TWO_SIDED)
    assert change_of(delta=delta, limit=limit, rule=both) is change_of(delta=-delta, limit=limit, rule=both)


@given(one=numbers, other=numbers, limit=limits)
def test_a_larger_move_in_the_good_direction_is_never_judged_worse(one: float, other: float, limit: float) -> None:
    rule = rule_of(Direction.HIGHER)
    low, high = sorted((one, other))
    assert RANK[change_of(delta=low, limit=limit, rule=rule)] <= RANK[change_of(delta=high, limit=limit, rule=rule)]


@given(delta=numbers, limit=limits, wider=limits)
def test_a_wider_limit_only_makes_more_the_same(delta: float, limit: float, wider: float) -> None:
    rule = rule_of(Direction.HIGHER)
    narrow = change_of(delta=delta, limit=limit, rule=rule)
    wide = change_of(delta=delta, limit=limit + wider, rule=rule)
    assert wide is narrow or wide is Change.SAME


@given(
    values=st.lists(
        st.fixed_dictionaries({name: st.floats(0, 1, allow_nan=False) for name in GOOD}), min_size=1, max_size=4
    )
)
def test_an_unchanged_asset_is_the_same_whatever_its_values(values: list[dict[str, float]]) -> None:
    assert verdict(steady(*values), *values).verdict is Verdict.SAME


@given(values=st.lists(numbers, min_size=3, max_size=5), name=metrics)
def test_a_repetition_inside_the_spread_of_the_baseline_is_never_judged_changed(values: list[float], name: str) -> None:
    before = BaselineMetric(unit="", direction=Direction.HIGHER, values=tuple(values), noise=noise_of(values))
    for value in values:
        found = compare_metric(
            metric=name,
            rule=BUILT_IN[name],
            baseline=before,
            new=Reading(value=value),
            confidence=Confidence(wanted=rulebook().confidence),
        )
        assert found.change is Change.SAME


def _called_changed(*, scales: Sequence[float], trials: int) -> int:
    """Simulated: how often an unchanged engine is judged changed, whose every metric scatters by `scales`, per segment;
    far beyond all thresholds, so that the noise decides everywhere."""
    chance = random.Random(7)

    def rendered() -> list[dict[str, float | None]]:
        return [{name: chance.gauss(0, scale) for name in BUILT_IN} for scale in scales]

    renders = ([rendered() for _ in range(4)] for _ in range(trials))
    return sum(verdict(baseline(*before), *after).verdict is not Verdict.SAME for *before, after in renders)


def test_an_unchanged_noisy_engine_is_called_changed_in_at_most_one_run_of_a_hundred() -> None:
    trials = 300
    luck = 2.33 * math.sqrt(0.01 * 0.99 * trials)
    assert _called_changed(scales=(100, 100, 100), trials=trials) <= 0.01 * trials + luck, "beyond the 99th percentile"


def test_segments_that_are_three_times_as_noisy_as_others_do_not_bring_back_the_false_alarms() -> None:
    """Pooling assumes equal noise. Where that is wrong the promise is missed, by less than the factor of ten; without
    a shared confidence a quarter of such runs were false alarms."""
    assert _called_changed(scales=(100, 170, 300), trials=150) < 0.1 * 150


@given(values=st.lists(numbers, min_size=3, max_size=3), new=numbers, name=metrics)
def test_the_limit_is_never_below_threshold_or_noise(values: list[float], new: float, name: str) -> None:
    before = BaselineMetric(unit="", direction=Direction.HIGHER, values=tuple(values), noise=noise_of(values))
    sure = Confidence(wanted=0.95)
    found = compare_metric(metric=name, rule=BUILT_IN[name], baseline=before, new=Reading(value=new), confidence=sure)
    assert found.limit is not None and found.threshold is not None and found.noise is not None
    assert found.noise_factor is not None
    assert found.limit == max(found.threshold, found.noise * found.noise_factor)
