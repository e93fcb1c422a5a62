"""Animated WebP as MP4. FFmpeg cannot decode it and browsers do not play it as a video, so it is converted once.

The format's encoder merges a frame with the one before where they are alike: what was eight equal frames is a still
picture without any time, and a pause in the movement is one long frame. Such frames are told apart again here.
"""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from shared.video.decode import DEFAULT_LIMITS, VideoError, VideoLimits
from shared.video.encode import EncodeError, encode_h264

NEAR_LOSSLESS_CRF = 8
"""The last frame becomes the next clip's first: what is lost here would add up along a chain."""

SHORTEST_MS = 8
"""A common divisor of durations below that is no frame rate, but durations that differ a little."""


def is_webp(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(12)
    return head[:4] == b"RIFF" and head[8:] == b"WEBP"


def webp_to_mp4(
    source: Path,
    target: Path,
    *,
    fps: float | None = None,
    frames: int | None = None,
    limits: VideoLimits = DEFAULT_LIMITS,
) -> int:
    """Write the frames as MP4 and return how many there are. Raises VideoError.

    `fps` and `frames`: what the file was to have, where that is known. Without `fps` the durations must tell; a still
    picture is a clip of `frames` frames, one unless told otherwise, and refused when nothing tells its rate.
    """
    try:
        with Image.open(source, formats=["WEBP"]) as image:
            if image.width * image.height > limits.max_pixels:
                raise VideoError(f"frames of {image.width}x{image.height} are too large")
            stored = int(getattr(image, "n_frames", 1))
            if stored > limits.max_frames:
                raise VideoError(f"the picture has {stored} frames; at most {limits.max_frames} are accepted")
            rate, counts = _timing(image, fps, frames)
            if sum(counts) > limits.max_frames:
                raise VideoError(f"the picture lasts {sum(counts)} frames; at most {limits.max_frames} are accepted")
            return encode_h264(target, _frames(image, counts), fps=rate, crf=NEAR_LOSSLESS_CRF)
    except (EncodeError, OSError, ValueError, EOFError, SyntaxError, Image.DecompressionBombError) as error:
        raise VideoError(f"not a readable animated WebP ({error or type(error).__name__})") from error


def _frames(image: Image.Image, counts: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    for frame, count in zip(ImageSequence.Iterator(image), counts, strict=True):
        pixels = np.asarray(frame.convert("RGB"))
        for _ in range(count):
            yield pixels


def _timing(image: Image.Image, fps: float | None, frames: int | None) -> tuple[Fraction, list[int]]:
    """The rate, and how often each stored frame is shown at it."""
    durations = []
    for frame in ImageSequence.Iterator(image):
        frame.load()
        durations.append(int(frame.info.get("duration", 0)))
    if len(durations) < 2:
        if fps is None:
            raise VideoError("the WebP is a still picture, and nothing says how long it is to be shown")
        return Fraction(fps).limit_denominator(1001), [frames or 1]
    if min(durations) <= 0:
        raise VideoError("the WebP does not say how long its frames are shown")
    unit = int(1000 / fps) if fps else math.gcd(*durations)
    if unit and not any(duration % unit for duration in durations) and (fps or unit >= SHORTEST_MS):
        rate = Fraction(fps).limit_denominator(1001) if fps else _rate(Fraction(unit))
        return rate, [duration // unit for duration in durations]
    return _rate(Fraction(sum(durations), len(durations))), [1] * len(durations)


def _rate(mean: Fraction) -> Fraction:
    """Durations are whole milliseconds, cut off: 83 ms stands for 12 frames a second, which gives 83 again."""
    whole = round(1000 / mean)
    return Fraction(whole) if whole and int(Fraction(1000, whole)) == mean else 1000 / mean
