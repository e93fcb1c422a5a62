"""A straight line through a few points, with what is known of its slope: noise is no trend.

Points have one coordinate (a number that moves) or two (a colour, whose distance from where it began is what counts).
Least squares per coordinate, one residual variance for all of them. The slope is news only if its 95 % region leaves
out zero: Student's t for one coordinate; for two the region is a circle, by F with 2 and 2(n - 2) degrees of freedom
(Draper and Smith, "Applied Regression Analysis", 3rd ed., 1.4 and 5).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95

FEWEST_POINTS = 3
"""With two, every line fits."""

T_QUANTILES = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""Two-sided 95 % quantiles of Student's t for 1 to 30 degrees of freedom, from any table; beyond that 1.96 + 2.4/n is
right to 0.002."""

Point = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Per unit of x: `slope` is positive along `direction` (a unit vector; (-1,) for a number that falls), and lies
    between `low` and `high` with 95 % confidence. `is_news`: zero does not."""

    points: int
    slope: float
    low: float
    high: float
    direction: Point
    _middle_x: float
    _middle: float
    _uncertainty: float

    @property
    def is_news(self) -> bool:
        return self.low > 0

    def crossing(self, limit: float) -> tuple[float, float, float]:
        """Where the line reaches `limit` (along its direction), and the earliest and latest x that the data allow:
        those at which the 95 % band of the line contains the limit (Fieller's theorem). Only of a trend that is news.
        """
        if not self.is_news:
            raise ValueError("a slope that may be zero leads nowhere")
        distance = limit - self._middle
        radius = self.slope - self.low
        room = self.slope**2 - radius**2
        root = math.sqrt(self._uncertainty * room + (radius * distance) ** 2)
        ends = sorted((self.slope * distance + sign * root) / room for sign in (-1, 1))
        return self._middle_x + distance / self.slope, self._middle_x + ends[0], self._middle_x + ends[1]


def trend_of(xs: Sequence[float], points: Sequence[Point], *, resolution: float) -> Trend:
    """`resolution` is what the measurement itself cannot tell apart, in the points' unit: residuals count as at least
    that, so that three points on a line by accident of rounding are no certainty. Raises ValueError for fewer than
    three points, or one x only."""
    count, width = len(xs), len(points[0]) if points else 0
    if count < FEWEST_POINTS:
        raise ValueError(f"a trend needs {FEWEST_POINTS} points")
    middle_x = math.fsum(xs) / count
    spread = math.fsum((x - middle_x) ** 2 for x in xs)
    if spread == 0:
        raise ValueError("a trend needs points at different places")
    middle = tuple(math.fsum(point[k] for point in points) / count for k in range(width))
    slopes = tuple(
        math.fsum((x - middle_x) * (point[k] - middle[k]) for x, point in zip(xs, points, strict=True)) / spread
        for k in range(width)
    )
    left = math.fsum(
        (point[k] - middle[k] - slopes[k] * (x - middle_x)) ** 2
        for x, point in zip(xs, points, strict=True)
        for k in range(width)
    )
    freedom = count - 2
    variance = max(left / (width * freedom), resolution**2)
    critical = _critical(width, freedom)
    slope = math.hypot(*slopes)
    radius = math.sqrt(critical * variance / spread)
    direction = tuple(each / slope for each in slopes) if slope > 0 else (1.0, *(0.0 for _ in range(width - 1)))
    return Trend(
        points=count,
        slope=slope,
        low=slope - radius,
        high=slope + radius,
        direction=direction,
        _middle_x=middle_x,
        _middle=math.fsum(a * b for a, b in zip(middle, direction, strict=True)),
        _uncertainty=critical * variance / count,
    )


def _critical(width: int, freedom: int) -> float:
    """The squared radius of the 95 % region, in squared standard errors. F with 2 and v degrees of freedom has the
    closed form P(F > x) = (1 + 2x/v)^(-v/2)."""
    if width == 1:
        quantile = T_QUANTILES[freedom - 1] if freedom <= len(T_QUANTILES) else 1.96 + 2.4 / freedom
        return quantile**2
    if width == 2:
        both = 2 * freedom
        return both * (math.pow(1 - CONFIDENCE, -2 / both) - 1)
    raise ValueError("points have one coordinate or two")
