"""Drift over a chain: the line against independent code, noise that is no news, and what cannot be compared."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from services.scoring.domain import (
    DRIFT_METRICS,
    Drift,
    Gate,
    Link,
    Measurement,
    Method,
    Reading,
    default_gates,
    drift_readings,
    drifts_of,
)
from services.scoring.domain.trend import trend_of

METHOD = Method(suite_version="2", identity_backend="face-region", identity_backend_version="1")
GATES = default_gates()


def link(
    position: int, *, colour: tuple[float, float] = (5.0, 5.0), contrast: float = 0.2, identity: float | None = 0.95
) -> Link:
    likeness = (
        Reading(metric="identity_similarity", value=identity, worst_frame=7, worst_region=(1, 2, 3, 4))
        if identity is not None
        else Reading(metric="identity_similarity", not_measurable="no face")
    )
    readings = {
        "colour_cast": Reading(
            metric="colour_cast", value=math.hypot(*colour), details={"a": colour[0], "b": colour[1]}
        ),
        "contrast": Reading(metric="contrast", value=contrast),
        "identity_similarity": likeness,
    }
    return Link(position=position, tier="draft", method=METHOD, measurement=Measurement(readings=readings))


def identities(*values: float | None) -> Drift:
    return drifts_of([link(at, identity=value) for at, value in enumerate(values, 1)], GATES)["drift_identity"]


def colours(*values: tuple[float, float]) -> Drift:
    return drifts_of([link(at, colour=value) for at, value in enumerate(values, 1)], GATES)["drift_colour"]


def told(found: Drift) -> tuple[float, float]:
    """The slope's interval, which a test expects to be there."""
    assert found.slope_range is not None
    return found.slope_range


class TestTrend:
    @pytest.mark.parametrize("count", [3, 5, 12, 40])
    def test_slope_and_interval_are_those_of_scipy(self, count: int) -> None:
        rng = np.random.default_rng(count)
        xs = np.sort(rng.choice(80, count, replace=False)).astype(float)
        ys = 0.3 * xs + rng.normal(0, 1, count)
        wanted = stats.linregress(xs, ys)
        radius = stats.t.ppf(0.975, count - 2) * wanted.stderr
        found = trend_of(xs.tolist(), [(y,) for y in ys.tolist()], resolution=0.0)
        sign = math.copysign(1, wanted.slope)
        assert found.direction == (sign,)
        assert (found.slope, found.low, found.high) == pytest.approx(
            (abs(wanted.slope), abs(wanted.slope) - radius, abs(wanted.slope) + radius), rel=2e-3
        )

    def test_the_region_of_a_colours_slope_is_scipys_f(self) -> None:
        rng = np.random.default_rng(7)
        xs = np.arange(1.0, 8.0)
        points = np.outer(xs, (0.5, -1.2)) + rng.normal(0, 0.4, (7, 2))
        found = trend_of(xs.tolist(), [tuple(each) for each in points.tolist()], resolution=0.0)
        slopes = np.polyfit(xs, points, 1)
        left = points - np.outer(xs, slopes[0]) - slopes[1]
        variance = (left**2).sum() / 10
        radius = math.sqrt(2 * stats.f.ppf(0.95, 2, 10) * variance / ((xs - xs.mean()) ** 2).sum())
        assert found.slope == pytest.approx(float(np.hypot(*slopes[0])))
        assert found.slope - found.low == pytest.approx(radius)
        assert found.direction == pytest.approx(tuple(slopes[0] / np.hypot(*slopes[0])))

    def test_noise_alone_is_news_in_one_chain_of_twenty(self) -> None:
        """2000 chains of 6 segments without a trend, for numbers and for colours: 5 % within 3 standard errors."""
        rng = random.Random(11)
        for width in (1, 2):
            chains = [[tuple(rng.gauss(0, 1) for _ in range(width)) for _ in range(6)] for _ in range(2000)]
            news = sum(trend_of(range(6), chain, resolution=0.0).is_news for chain in chains)
            assert news / 2000 == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 2000))

    def test_the_range_of_a_crossing_holds_the_true_one_in_nineteen_of_twenty(self) -> None:
        rng = random.Random(5)
        held = seen = 0
        for _ in range(2000):
            points = [(0.5 * x + rng.gauss(0, 0.3),) for x in range(8)]
            found = trend_of(range(8), points, resolution=0.0)
            if found.is_news:
                _, earliest, latest = found.crossing(10.0)
                held += earliest <= 20.0 <= latest
                seen += 1
        assert seen > 1900
        assert held / seen == pytest.approx(0.95, abs=3 * math.sqrt(0.05 * 0.95 / seen))

    def test_points_on_a_line_are_no_more_certain_than_they_can_be_measured(self) -> None:
        steep = trend_of([1, 2, 3], [(0.0,), (1.0,), (2.0,)], resolution=0.01)
        flat = trend_of([1, 2, 3], [(0.0,), (0.001,), (0.002,)], resolution=0.01)
        assert steep.is_news and not flat.is_news
        with pytest.raises(ValueError, match="leads nowhere"):
            flat.crossing(1.0)

    @pytest.mark.parametrize(("xs", "count"), [([1, 2], 2), ([1, 1, 1], 3)])
    def test_what_has_no_slope_is_refused(self, xs: list[float], count: int) -> None:
        with pytest.raises(ValueError, match="a trend needs"):
            trend_of(xs, [(1.0,)] * count, resolution=0.1)


class TestDrift:
    def test_a_face_that_fades_evenly_crosses_its_limit_where_the_line_does(self) -> None:
        """0.95 less 0.04 a segment is 0.5 below segment 1 at 13.5: beyond it from segment 14 on."""
        found = identities(0.95, 0.91, 0.87, 0.83, 0.79)
        assert found.values == pytest.approx({1: 0.0, 2: -0.04, 3: -0.08, 4: -0.12, 5: -0.16})
        assert found.slope == pytest.approx(-0.04)
        low, high = told(found)
        assert low < -0.04 < high < 0
        assert found.crossing is not None
        assert (found.crossing.limit, found.crossing.position) == (-0.5, 14)
        assert found.crossing.earliest <= 14 <= found.crossing.latest
        assert found.outlook.startswith("expected beyond its limit -0.5 at segment 14 (95 %: ")

    def test_noise_is_no_news(self) -> None:
        found = identities(0.95, 0.93, 0.96, 0.94, 0.95)
        assert found.crossing is None
        assert found.outlook == "no trend: the slope over 5 segments may be zero"
        low, high = told(found)
        assert low < 0 < high

    def test_two_segments_have_no_slope(self) -> None:
        found = identities(0.95, 0.90)
        assert (found.trend, found.crossing, found.values[2]) == (None, None, pytest.approx(-0.05))
        assert found.outlook == "no slope from 2 segments; 3 are needed"

    def test_a_trend_for_the_better_leads_to_no_limit(self) -> None:
        found = identities(0.80, 0.84, 0.88, 0.92)
        assert found.crossing is None
        assert found.outlook == "a trend, with no limit on that side"

    def test_what_is_beyond_its_limit_is_said_and_not_predicted(self) -> None:
        found = identities(0.95, 0.80, 0.60, 0.40, 0.30)
        assert (found.crossed_at, found.crossing) == (4, None)
        assert found.outlook == "beyond its limit since segment 4"

    def test_a_prediction_is_never_of_a_segment_that_was_measured(self) -> None:
        """The line is beyond the limit before the measured values are."""
        found = identities(0.95, 0.95, 0.72, 0.70, 0.47)
        assert found.crossed_at is None and found.crossing is not None
        assert found.crossing.earliest == 6

    def test_colours_are_a_distance_and_the_way_back_is_none(self) -> None:
        assert colours((5, 5), (8, 9)).values[2] == pytest.approx(5.0)
        out_and_back = colours((5, 5), (8, 5), (11, 5), (8, 5), (5, 5))
        assert out_and_back.values[5] == 0.0
        assert out_and_back.outlook == "no trend: the slope over 5 segments may be zero"
        straight = colours((5, 5), (6, 6), (7, 7), (8, 8))
        assert straight.slope == pytest.approx(math.sqrt(2))
        assert straight.crossing is not None
        assert straight.crossing.position == math.floor(1 + 20 / math.sqrt(2)) + 1
        low, _ = told(straight)
        assert low > 0

    def test_contrast_is_relative_and_has_a_limit_on_either_side(self) -> None:
        for step, limit in ((-0.02, -0.6), (0.02, 1.0)):
            chain = [link(at, contrast=0.2 + step * (at - 1)) for at in range(1, 5)]
            found = drifts_of(chain, GATES)["drift_contrast"]
            assert found.values[4] == pytest.approx(3 * step / 0.2)
            assert found.crossing is not None and found.crossing.limit == limit

    def test_a_warning_limit_counts_where_nothing_fails_and_without_any_nothing_is_predicted(self) -> None:
        chain = [link(at, identity=0.95 - 0.04 * at) for at in range(1, 5)]
        warned = drifts_of(chain, {"drift_identity": Gate(metric="drift_identity", warn_below=-0.2)})
        assert warned["drift_identity"].crossing is not None
        assert warned["drift_identity"].crossing.limit == -0.2
        assert drifts_of(chain, {})["drift_identity"].outlook == "a trend, with no limit on that side"


class TestComparability:
    def reasons(self, chain: Sequence[Link]) -> dict[str, str]:
        return {metric: drift.missing.get(chain[-1].position, "") for metric, drift in drifts_of(chain, GATES).items()}

    def test_another_back_end_is_another_scale_for_identity_and_no_other(self) -> None:
        other = replace(METHOD, identity_backend="onnx-pair", identity_backend_version="1-a-b")
        found = self.reasons([link(1), replace(link(2), method=other)])
        assert found["drift_identity"] == (
            "identity of segment 1 was measured by face-region 1, of this one by onnx-pair 1-a-b"
        )
        assert found["drift_colour"] == found["drift_contrast"] == ""
        newer = replace(METHOD, identity_backend_version="2")
        assert "face-region 2" in self.reasons([link(1), replace(link(2), method=newer)])["drift_identity"]

    def test_another_suite_or_tier_is_compared_in_nothing(self) -> None:
        newer = replace(link(2), method=replace(METHOD, suite_version="3"))
        for reason in self.reasons([link(1), newer]).values():
            assert reason == "segment 1 was measured by metric suite 2, this one by 3"
        for reason in self.reasons([link(1), replace(link(2), tier="full")]).values():
            assert reason == "segment 1 is a draft render, this one a full one"

    def test_what_is_not_there_yet_is_the_reason(self) -> None:
        absent = Link(position=1, tier="draft", method=None, measurement=None)
        assert set(self.reasons([absent, link(2)]).values()) == {"segment 1: it is not measured yet"}
        assert set(self.reasons([link(2)]).values()) == {"segment 1 is not known"}
        assert self.reasons([link(1), link(2, identity=None)])["drift_identity"] == (
            "this segment has no identity_similarity: no face"
        )
        flat = [link(1, contrast=0.0), link(2)]
        assert self.reasons(flat)["drift_contrast"] == "segment 1 has no contrast"

    def test_a_gap_in_the_chain_leaves_the_line_through_the_others(self) -> None:
        assert identities(0.95, None, 0.87, 0.83, 0.79).slope == pytest.approx(-0.04)


class TestReadings:
    def test_segment_1_says_why_it_has_none(self) -> None:
        readings = drift_readings([link(1)], GATES)
        assert set(readings) == set(DRIFT_METRICS)
        assert {reading.not_measurable for reading in readings.values()} == {
            "drift is measured against segment 1, and this is it"
        }

    def test_a_later_one_says_how_far_it_is_and_where_it_leads(self) -> None:
        chain = [link(at, identity=0.95 - 0.04 * (at - 1)) for at in range(1, 6)]
        reading = drift_readings(chain, GATES)["drift_identity"]
        assert reading.value == pytest.approx(-0.16)
        assert reading.details["slope"] == pytest.approx(-0.04)
        assert reading.details["slope_low"] < -0.04 < reading.details["slope_high"]
        assert reading.details["crosses_at"] == 14.0
        assert reading.note is not None and "segment 14" in reading.note
        assert (reading.worst_frame, reading.worst_region) == (7, (1, 2, 3, 4))
        early = drift_readings(chain[:2], GATES)["drift_identity"]
        assert (early.details, early.note) == ({}, "no slope from 2 segments; 3 are needed")

    def test_what_cannot_be_compared_is_not_measurable(self) -> None:
        reading = drift_readings([link(2)], GATES)["drift_colour"]
        assert (reading.value, reading.not_measurable) == (None, "segment 1 is not known")
