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
    """What a number means. `unit` is for people; values lie from `lowest` to `highest` (None: nothing bounds them)."""

    name: str
    unit: str
    direction: Direction
    lowest: float
    highest: float | None

    @property
    def range(self) -> str:
        return f"{self.lowest:g} upwards" if self.highest is None else f"{self.lowest:g} to {self.highest:g}"


def _higher(name: str, unit: str, lowest: float, highest: float | None) -> Metric:
    return Metric(name=name, unit=unit, direction=Direction.HIGHER, lowest=lowest, highest=highest)


def _lower(name: str, unit: str, lowest: float, highest: float | None) -> Metric:
    return Metric(name=name, unit=unit, direction=Direction.LOWER, lowest=lowest, highest=highest)


def _two_sided(name: str, unit: str, lowest: float, highest: float | None) -> Metric:
    return Metric(name=name, unit=unit, direction=Direction.TWO_SIDED, lowest=lowest, highest=highest)


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        _higher("matches_request", "yes/no", 0, 1),
        _higher("sharpness", "0-1", 0, 1),
        _two_sided("exposure", "mean luma, share of range", 0, 1),
        _lower("clipping", "share of pixels", 0, 1),
        _two_sided("contrast", "RMS, share of luma range", 0, 0.5),
        _two_sided("colourfulness", "Hasler-Suesstrunk M3", 0, None),
        _lower("blockiness", "excess of steps at 8x8 blocks", 0, None),
        _lower("noise", "share of luma range", 0, None),
        _two_sided("motion", "frame diagonals/s", 0, None),
        _lower("motion_jump", "frame diagonals", 0, None),
        _lower("warping_error", "squared share of luma range", 0, 1),
        _lower("flicker", "share of luma range", 0, 1),
        _higher("temporal_flicker", "0-1", 0, 1),
        _lower("frozen_frames", "share of frames", 0, 1),
        _lower("black_frames", "share of frames", 0, 1),
        _lower("cuts", "cuts", 0, None),
        _higher("identity_similarity", "0-1", -1, 1),
        _higher("handover_ssim", "SSIM", -1, 1),
        _higher("ssim_to_baseline", "SSIM", -1, 1),
        _two_sided("colour_cast", "CIELAB chroma at L* 50", 0, None),
        _lower("drift_colour", "CIELAB a, b distance to segment 1", 0, None),
        _two_sided("drift_contrast", "share of segment 1's", -1, None),
        _higher("drift_identity", "likeness less segment 1's", -2, 2),
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
