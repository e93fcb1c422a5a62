"""One decode pass over a clip, in step with its baseline, feeding every meter.

Runs in a process of its own (see `pool`); takes files, gives plain data. A few frames are held at a time; what grows
with the clip is one number per frame and metric.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageOps

from services.scoring.adapters.identity import IdentityBackend
from services.scoring.domain import CLIP_METRICS, Expectation, Measurement, Reading, SourceRegion, unmeasurable
from services.scoring.kernels.luma import Rgb
from services.scoring.workers.meters import (
    FREEZE_SECONDS,
    BaselineMeter,
    BlockinessMeter,
    ColourCastMeter,
    ColourMeter,
    ContrastMeter,
    CutMeter,
    ExposureMeter,
    FlickerMeter,
    FreezeMeter,
    HandoverMeter,
    IdentityMeter,
    JumpMeter,
    Meter,
    MotionMeter,
    NoiseMeter,
    SharpnessMeter,
    StaticFlickerMeter,
    StepsMeter,
    View,
    WarpingMeter,
    view,
)
from services.scoring.workers.process import settle
from shared.video.decode import VideoError, VideoInfo, probe
from shared.video.pictures import eight_bits, is_sequence, probe_pictures
from shared.video.planes import Planes, StoredFrame, iter_planes, iter_stored, last_planes

FPS_TOLERANCE = 0.005
"""Relative: containers round rates (29.97 and 30000/1001 are the same); a whole frame per second is never rounding."""

SMALLEST_SIDE = 16
"""Two SSIM windows; the smallest picture on which a grid of regions means anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementRequest:
    """Local files. What is None is not measured; `absent` may say why, by metric.

    A clip may also be a folder of PNG pictures, shown at `sequence_fps`. With further source images, each frame counts
    with the one it is most like. What stands still for at least `freeze_seconds` is frozen.
    """

    clip: Path
    expected: Expectation
    source_image: Path | None = None
    further_source_images: tuple[Path, ...] = ()
    sequence_fps: float = 24.0
    freeze_seconds: float = FREEZE_SECONDS
    known_region: SourceRegion | None = None
    previous_clip: Path | None = None
    baseline_clip: Path | None = None
    absent: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True, kw_only=True)
class Watch:
    """For people who wait, and for those who want every frame: `series` is (frame, value) per metric at the end.

    `stages` is the seconds spent in each: decode, meters, identity, compare.
    """

    progress: Callable[[int, int], None] = lambda done, total: None
    series: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.stages[name] = self.stages.get(name, 0.0) + time.perf_counter() - started

    def decoded(self, frames: Iterator[StoredFrame]) -> Iterator[StoredFrame]:
        """The same frames, with what it took to get them."""
        while True:
            with self.stage("decode"):
                frame = next(frames, None)
            if frame is None:
                return
            yield frame


def measure(request: MeasurementRequest, *, identity: IdentityBackend, watch: Watch | None = None) -> Measurement:
    """Every metric of one clip; never raises for what is wrong with a file, the readings say it."""
    settle()
    try:
        return _measured(request, identity, watch or Watch())
    except VideoError as error:
        return unmeasurable(f"the clip cannot be decoded: {error}", decodable=False)


def _measured(request: MeasurementRequest, identity: IdentityBackend, watch: Watch) -> Measurement:
    info = _facts(request)
    if min(info.width, info.height) < SMALLEST_SIDE:
        reason = f"frames of {info.width}x{info.height} are too small to measure; {SMALLEST_SIDE} pixels are needed"
        return unmeasurable(reason, decodable=True)
    readings = {name: Reading(metric=name, not_measurable=reason) for name, reason in request.absent}
    meters: list[Meter] = [*_meters_of_look(), *_meters_of_time(info.fps, request.freeze_seconds)]
    for unusual in (_identity_meter(request, identity), _handover_meter(request)):
        if isinstance(unusual, Reading):
            readings.setdefault(unusual.metric, unusual)
        else:
            meters.append(unusual)
    comparison = _Comparison(request.baseline_clip)
    frames = 0
    seen: View | None = None
    for frame in watch.decoded(iter_stored(request.clip)):
        with watch.stage("meters"):
            seen = view(frame)
        for meter in meters:
            with watch.stage("identity" if isinstance(meter, IdentityMeter) else "meters"):
                meter.feed(seen)
        if request.baseline_clip is not None:
            with watch.stage("compare"):
                comparison.feed(seen)
        frames += 1
        watch.progress(frames, info.frames)
    readings.setdefault("ssim_to_baseline", comparison.reading())
    assert seen is not None  # a clip without frames raises
    readings["matches_request"] = _matches(request.expected, seen.size, info.fps, frames)
    for meter in meters:
        readings.update({reading.metric: reading for reading in meter.readings()})
        watch.series.update(meter.series())
    region = next((meter.region for meter in meters if isinstance(meter, IdentityMeter)), None)
    return Measurement(readings={name: readings[name] for name in CLIP_METRICS}, region=region)


def _meters_of_look() -> tuple[Meter, ...]:
    colours = ColourMeter(), ColourCastMeter()
    return SharpnessMeter(), ExposureMeter(), ContrastMeter(), *colours, BlockinessMeter(), NoiseMeter()


def _meters_of_time(fps: float, freeze_seconds: float) -> tuple[Meter, ...]:
    steps = StepsMeter(MotionMeter(fps=fps), JumpMeter(), WarpingMeter(), FlickerMeter(), StaticFlickerMeter())
    return steps, FreezeMeter(fps=fps, least_seconds=freeze_seconds), CutMeter()


def _facts(request: MeasurementRequest) -> VideoInfo:
    if is_sequence(request.clip):
        return probe_pictures(request.clip, fps=request.sequence_fps)
    return probe(request.clip)


class _Comparison:
    """Reads the baseline in step with the clip. What is wrong with the baseline ends the comparison, not the pass."""

    def __init__(self, baseline: Path | None) -> None:
        self._meter = BaselineMeter()
        self._frames: Iterator[Planes] | None = None if baseline is None else iter_planes(baseline)
        self._problem: str | None = "no baseline clip was named" if baseline is None else None
        self._fed = 0

    def feed(self, frame: View) -> None:
        if self._frames is None or self._problem is not None:
            return
        try:
            other = next(self._frames, None)
        except VideoError as error:
            self._problem = f"the baseline clip cannot be decoded: {error}"
            return
        if other is None:
            self._problem = f"the baseline has {self._fed} frames, this clip has more"
        elif other.size != frame.size:
            self._problem = (
                f"the baseline is {other.size[0]}x{other.size[1]}, this clip {frame.size[0]}x{frame.size[1]}"
            )
        else:
            self._meter.feed_pair(frame, other)
            self._fed += 1

    def reading(self) -> Reading:
        if self._problem is None and self._frames is not None:
            self._problem = self._rest()
        if self._problem is not None:
            return Reading(metric="ssim_to_baseline", not_measurable=self._problem)
        return self._meter.reading()

    def _rest(self) -> str | None:
        assert self._frames is not None
        try:
            more = next(self._frames, None)
        except VideoError as error:
            return f"the baseline clip cannot be decoded: {error}"
        return None if more is None else f"the baseline has more frames than this clip's {self._fed}"


def _identity_meter(request: MeasurementRequest, identity: IdentityBackend) -> IdentityMeter | Reading:
    metric = "identity_similarity"
    if request.source_image is None:
        return Reading(metric=metric, not_measurable="the character has no source image")
    trackers = []
    images = (request.source_image, *request.further_source_images)
    for number, path in enumerate(images, start=1):
        try:
            known = request.known_region if number == 1 else None
            trackers.append(identity.tracker(load_image(path), known=known))
        except ValueError as error:
            which = f"number {number} of {len(images)} source images: " if len(images) > 1 else ""
            return Reading(metric=metric, not_measurable=f"{which}{error}")
    return IdentityMeter(tracker=trackers[0], further=trackers[1:])


def _handover_meter(request: MeasurementRequest) -> HandoverMeter | Reading:
    metric = "handover_ssim"
    if request.previous_clip is None:
        return Reading(metric=metric, not_measurable="the first segment of a scene continues nothing")
    try:
        return HandoverMeter(previous_last=last_planes(request.previous_clip))
    except VideoError as error:
        return Reading(metric=metric, not_measurable=f"the previous clip cannot be decoded: {error}")


def _matches(expected: Expectation, size: tuple[int, int], fps: float, frames: int) -> Reading:
    """The size is that of the upright picture."""
    wrong = [
        f"{name} {got} instead of {wanted}"
        for name, got, wanted in (
            ("width", size[0], expected.width),
            ("height", size[1], expected.height),
            ("frames", frames, expected.frames),
        )
        if wanted is not None and got != wanted
    ]
    if expected.fps is not None and abs(fps - expected.fps) > FPS_TOLERANCE * expected.fps:
        wrong.append(f"fps {fps:g} instead of {expected.fps:g}")
    return Reading(metric="matches_request", value=0.0 if wrong else 1.0, note=", ".join(wrong) or None)


MAX_IMAGE_PIXELS = 64_000_000


def load_image(path: Path) -> Rgb:
    """A source photograph as RGB, upright: a camera that was held sideways only notes it, and what renders from the
    photograph turns it as well. Raises ValueError, with the reason, for anything that is not one."""
    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
            if image.width * image.height > MAX_IMAGE_PIXELS:
                raise ValueError(f"the source image has {image.width}x{image.height} pixels, more than can be used")
            return eight_bits(ImageOps.exif_transpose(image))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError("the source image cannot be read as PNG, JPEG or WebP") from error
