"""Animated WebP as MP4. FFmpeg cannot decode it and browsers do not play it as a video, so it is converted once."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from shared.video.decode import DEFAULT_LIMITS, VideoError, VideoLimits
from shared.video.encode import EncodeError, encode_h264

NEAR_LOSSLESS_CRF = 8
"""The last frame becomes the next clip's first: what is lost here would add up along a chain."""


def is_webp(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(12)
    return head[:4] == b"RIFF" and head[8:] == b"WEBP"


def webp_to_mp4(source: Path, target: Path, *, limits: VideoLimits = DEFAULT_LIMITS) -> int:
    """Write the frames as MP4 at their mean rate and return how many there are. Raises VideoError."""
    try:
        with Image.open(source, formats=["WEBP"]) as image:
            frames = int(getattr(image, "n_frames", 1))
            if frames > limits.max_frames:
                raise VideoError(f"the picture has {frames} frames; at most {limits.max_frames} are accepted")
            if image.width * image.height > limits.max_pixels:
                raise VideoError(f"frames of {image.width}x{image.height} are too large")
            return encode_h264(target, _frames(image), fps=_rate(image, frames), crf=NEAR_LOSSLESS_CRF)
    except (EncodeError, OSError, ValueError, EOFError, SyntaxError, Image.DecompressionBombError) as error:
        raise VideoError(f"not a readable animated WebP ({error or type(error).__name__})") from error


def _frames(image: Image.Image) -> Iterator[NDArray[np.uint8]]:
    for frame in ImageSequence.Iterator(image):
        yield np.asarray(frame.convert("RGB"))


def _rate(image: Image.Image, frames: int) -> Fraction:
    """Durations are whole milliseconds, cut off: 83 ms stands for 12 frames a second, which gives 83 again."""
    total = 0
    for frame in ImageSequence.Iterator(image):
        frame.load()
        total += int(frame.info.get("duration", 0))
    if frames < 2 or total <= 0:
        raise VideoError("the WebP is a still picture, not a clip")
    mean = Fraction(total, frames)
    whole = round(1000 / mean)
    return Fraction(whole) if whole and int(Fraction(1000, whole)) == mean else 1000 / mean
