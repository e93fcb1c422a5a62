"""What a measurement says: metrics, readings, and the reason where there is no value."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

METRIC_SUITE_VERSION = "2"
"""Part of every score's identity: raise it when any number for the same pixels may change."""


class Direction(StrEnum):
    HIGHER = "higher"
    LOWER = "lower"
    TWO_SIDED = "two_sided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a number means. `unit` is for people; `share` and `ratio` are in [0, 1]."""

    name: str
    unit: str
    direction: Direction


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(name="matches_request", unit="yes/no", direction=Direction.HIGHER),
        Metric(name="sharpness", unit="0-1", direction=Direction.HIGHER),
        Metric(name="exposure", unit="mean luma 0-1", direction=Direction.TWO_SIDED),
        Metric(name="clipping", unit="share of pixels", direction=Direction.LOWER),
        Metric(name="contrast", unit="RMS of luma 0-0.5", direction=Direction.TWO_SIDED),
        Metric(name="colourfulness", unit="Hasler-Suesstrunk M3", direction=Direction.TWO_SIDED),
        Metric(name="blockiness", unit="excess of steps at 8x8 blocks", direction=Direction.LOWER),
        Metric(name="noise", unit="share of luma range", direction=Direction.LOWER),
        Metric(name="motion", unit="frame diagonals/s", direction=Direction.TWO_SIDED),
        Metric(name="motion_jump", unit="frame diagonals", direction=Direction.LOWER),
        Metric(name="warping_error", unit="squared share of luma range", direction=Direction.LOWER),
        Metric(name="flicker", unit="share of luma range", direction=Direction.LOWER),
        Metric(name="temporal_flicker", unit="0-1", direction=Direction.HIGHER),
        Metric(name="frozen_frames", unit="share of frames", direction=Direction.LOWER),
        Metric(name="black_frames", unit="share of frames", direction=Direction.LOWER),
        Metric(name="cuts", unit="cuts", direction=Direction.LOWER),
        Metric(name="identity_similarity", unit="0-1", direction=Direction.HIGHER),
        Metric(name="handover_ssim", unit="SSIM", direction=Direction.HIGHER),
        Metric(name="ssim_to_baseline", unit="SSIM", direction=Direction.HIGHER),
        Metric(name="colour_cast", unit="CIELAB chroma at L* 50", direction=Direction.TWO_SIDED),
        Metric(name="drift_colour", unit="CIELAB a, b distance to segment 1", direction=Direction.LOWER),
        Metric(name="drift_contrast", unit="share of segment 1's", direction=Direction.TWO_SIDED),
        Metric(name="drift_identity", unit="likeness less segment 1's", direction=Direction.HIGHER),
    )
}

DRIFT_METRICS = ("drift_colour", "drift_contrast", "drift_identity")
"""Of a segment within its chain; a clip alone has none."""

CLIP_METRICS = tuple(name for name in METRICS if name not in DRIFT_METRICS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One metric of one clip: a value, or the reason why there is none.

    `worst_frame` counts from 0; `worst_region` is (x, y, width, height) in pixels of the clip; `details` holds further
    numbers of the same metric (a percentile, a run length); `note` is one line for people.
    """

    metric: str
    value: float | None = None
    not_measurable: str | None = None
    worst_frame: int | None = None
    worst_value: float | None = None
    worst_region: tuple[int, int, int, int] | None = None
    details: Mapping[str, float] = field(default_factory=dict)
    note: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.not_measurable is None):
            raise ValueError(f"{self.metric}: a reading has either a value or a reason")

    @property
    def unit(self) -> str:
        return METRICS[self.metric].unit

    @property
    def direction(self) -> Direction:
        return METRICS[self.metric].direction


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRegion:
    """Where the character is in a source photograph: 'face' or 'subject', and the box in fractions of the picture."""

    kind: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Everything one pass found. `not_measurable` is the reason if the clip as a whole could not be measured.

    `region` is what was found in the source photograph, to be used again for the character's next clip.
    """

    readings: Mapping[str, Reading]
    not_measurable: str | None = None
    region: SourceRegion | None = None

    def with_drift(self, drift: Mapping[str, Reading]) -> "Measurement":
        """As it is said of a segment in its chain."""
        return replace(self, readings={**self.readings, **drift})


def unmeasurable(reason: str, *, decodable: bool) -> Measurement:
    """A measurement of nothing: every metric says why.

    A clip that cannot be decoded certainly is not what was asked for, so `matches_request` is then 0; a measurement
    that broke off for another reason says nothing about the clip.
    """
    readings = {name: Reading(metric=name, not_measurable=reason) for name in CLIP_METRICS}
    if not decodable:
        readings["matches_request"] = Reading(metric="matches_request", value=0.0, note=reason)
    return Measurement(readings=readings, not_measurable=reason)
