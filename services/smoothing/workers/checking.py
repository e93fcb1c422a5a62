"""Measuring one seam: a handful of frames from either clip, one pass."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from services.smoothing.adapters.clips import clip_facts, head, is_sequence, tail
from services.smoothing.domain import (
    DEFAULT_THRESHOLDS,
    Seam,
    SeamError,
    StepReading,
    Thresholds,
    limit_levels,
)
from services.smoothing.kernels.disturbance import surprises
from services.smoothing.kernels.picture import SMALLEST_SIDE, Luma, Rgb, analysis_size, at_size, luma
from services.smoothing.kernels.reextract import DEFAULT_REACH, KEPT, best_join
from services.smoothing.kernels.steps import steps
from shared.video.ends import ClipFacts
from shared.vision.ssim import ssim

DEFAULT_WINDOW = 12
LARGEST_WINDOW = 240
MARGIN = 2
"""Frames beyond the window: a step is judged by the steps next to it."""

LOOK_FRAMES = 4
RATE_TOLERANCE = 0.005


@dataclass(slots=True)
class _Strip:
    """Frames of both sides at analysis size, and the plain SSIM of every step at native size."""

    size: tuple[int, int]
    native: tuple[int, int]
    small: list[Rgb]
    ssims: list[float]
    last: Luma | None = None

    def take(self, frames: Iterable[Rgb]) -> int:
        """Returns how many frames there were; holds none of them."""
        before = len(self.small)
        for frame in frames:
            shown = _fitted(frame, self.native)
            grey = luma(rgb=shown)
            if self.last is not None:
                self.ssims.append(ssim(first=self.last, second=grey))
            self.last = grey
            self.small.append(at_size(rgb=shown, size=self.size))
        return len(self.small) - before


def _fitted(frame: Rgb, size: tuple[int, int]) -> Rgb:
    """At the compared size: without the row or column that an encoder adds to odd sizes, or else resampled."""
    width, height = size
    if 0 <= frame.shape[1] - width <= 1 and 0 <= frame.shape[0] - height <= 1:
        return frame[:height, :width]
    return at_size(rgb=frame, size=size)


def check(
    previous: Path,
    next_: Path,
    *,
    window: int = DEFAULT_WINDOW,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    limit: float | None = None,
) -> Seam:
    """Measure the cut from one clip to the next, over `window` frames on each side (fewer where a clip is shorter).

    `limit`: the visibility limit of an earlier measurement, in levels, so that a repair is judged by the clip as it
    was. A clip of another tier is compared at the smaller size. Raises VideoError for unreadable clips and SeamError
    for pairs that cannot be compared.
    """
    before, after = clip_facts(previous), clip_facts(next_)
    size = compared_size(before, after)
    paced = not (is_sequence(previous) or is_sequence(next_))
    if paced and abs(before.fps - after.fps) > RATE_TOLERANCE * before.fps:
        raise SeamError(f"the clips run at {float(before.fps):g} and {float(after.fps):g} frames per second")
    if not 1 <= window <= LARGEST_WINDOW:
        raise SeamError(f"a window of {window} frames is not possible; 1 to {LARGEST_WINDOW} are")
    return measure(
        tail(previous, count=window + MARGIN), head(next_, count=window + MARGIN),
        size=size, window=window, thresholds=thresholds, limit=limit,
    )  # fmt: skip


def compared_size(before: ClipFacts, after: ClipFacts) -> tuple[int, int]:
    """The size at which both clips can be seen: the smaller one's."""
    small, large = sorted((before, after), key=lambda clip: clip.width * clip.height)
    if min(small.width, small.height) < SMALLEST_SIDE:
        raise SeamError(
            f"frames of {small.width}x{small.height} are too small; {SMALLEST_SIDE}x{SMALLEST_SIDE} is least"
        )
    if abs(small.width * large.height - large.width * small.height) > 0.02 * small.width * large.height:
        raise SeamError(
            f"the clips have different shapes: {before.width}x{before.height} and {after.width}x{after.height}"
        )
    return small.width, small.height


def measure(
    before: Iterable[Rgb],
    after: Iterable[Rgb],
    *,
    size: tuple[int, int],
    window: int = DEFAULT_WINDOW,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    limit: float | None = None,
) -> Seam:
    """The same on frames: the last ones of the earlier clip and the first ones of the later; both in order."""
    strip = _Strip(size=analysis_size(width=size[0], height=size[1]), native=size, small=[], ssims=[])
    cut = strip.take(before)
    following = strip.take(after)
    if min(cut, following) < MARGIN:
        raise SeamError(f"each clip needs at least {MARGIN} frames, not {min(cut, following)}")
    readings = tuple(_readings(strip, cut, window))
    look = steps(before=strip.small[max(0, cut - LOOK_FRAMES) : cut], after=strip.small[cut : cut + LOOK_FRAMES])
    seam = Seam(
        steps=tuple(reading for reading, _ in readings),
        limit_levels=limit_levels([reading for reading, _ in readings], thresholds) if limit is None else limit,
        luminance_step=look.luminance,
        contrast_step=look.contrast,
        saturation_step=look.saturation,
        repeats_handover=any(repeats for _, repeats in readings),
    )
    if seam.visibility(0) < thresholds.yellow_visibility:
        return seam
    share = _rejoined_share(strip.small[:cut], strip.small[cut:], reach=min(window, DEFAULT_REACH))
    return replace(seam, rejoined_share=share)


def _rejoined_share(before: list[Rgb], after: list[Rgb], *, reach: int) -> float | None:
    if min(len(before), len(after)) < KEPT:
        return None
    join = best_join(before=before, after=after, most_before=reach, most_after=reach)
    return join.levels / join.levels_now if join.levels_now > 0 else 1.0


def _readings(strip: _Strip, cut: int, window: int) -> Iterable[tuple[StepReading, bool]]:
    for index, surprise in enumerate(surprises(frames=strip.small, cut=cut)):
        offset = index + 1 - cut
        if -window < offset < window:
            reading = StepReading(
                offset=offset,
                levels=surprise.total,
                appearance_levels=surprise.appearance,
                change_levels=surprise.change,
                ssim=strip.ssims[index],
                expected_ssim=surprise.likeness,
            )
            yield reading, surprise.repeats
