"""Writing clips that browsers play and seek: H.264, yuv420p, index first, a keyframe at least every 2 s.

One encoder thread and bit-exact muxing: the same frames and settings give the same bytes on the same machine, and
carry no writing date.
"""

import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]

KEYFRAME_SECONDS = 2
DEFAULT_CRF = 18
"""Visually transparent for 8-bit sources; 0 is lossless (and then High 4:4:4, which browsers do not play)."""

_BT601 = 6  # SMPTE 170M: what FFmpeg's RGB conversion uses when nothing is said, so it is said.


class EncodeError(Exception):
    """The frames cannot be written; the message says why in one line."""


def encode_h264(
    path: Path, frames: Iterable[Rgb], *, fps: Fraction | int | float, crf: int = DEFAULT_CRF, preset: str = "medium"
) -> int:
    """Write RGB frames (uint8, height x width x 3, all of one size) as MP4; return how many were written.

    4:2:0 needs even sizes, so an odd edge is repeated once: a 101x75 frame becomes 102x76. The file appears under its
    name only when it is complete.
    """
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise EncodeError("there are no frames to encode")
    rate = Fraction(fps).limit_denominator(1001)
    if rate <= 0:
        raise EncodeError(f"a frame rate of {fps} is not possible")
    partial = path.with_name(f".{path.name}.part")
    try:
        options = {"movflags": "+faststart", "fflags": "+bitexact"}
        with av.open(str(partial), mode="w", format="mp4", options=options) as container:
            stream = _stream(container, _even(first), rate, crf, preset)
            written = _write(container, stream, chain([first], iterator))
        os.replace(partial, path)
    except FFmpegError as error:
        raise EncodeError(f"the clip cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return written


def _stream(container: OutputContainer, first: Rgb, rate: Fraction, crf: int, preset: str) -> VideoStream:
    height, width = first.shape[:2]
    gop = max(1, int(rate * KEYFRAME_SECONDS))
    stream = container.add_stream("libx264", rate=rate)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.options = {
        "crf": str(crf),
        "preset": preset,
        "x264-params": f"threads=1:lookahead-threads=1:keyint={gop}:min-keyint=1",
    }
    context = stream.codec_context
    context.thread_count = 1
    context.gop_size = gop
    context.color_primaries = context.color_trc = context.colorspace = _BT601
    context.color_range = ColorRange.MPEG
    return stream


def _write(container: OutputContainer, stream: VideoStream, frames: Iterator[Rgb]) -> int:
    size = (stream.height, stream.width)
    count = 0
    for rgb in frames:
        even = _even(rgb)
        if even.shape[:2] != size:
            raise EncodeError(f"frame {count} is {rgb.shape[1]}x{rgb.shape[0]}, unlike the first")
        frame = VideoFrame.from_ndarray(even, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.MPEG
        )
        frame.pts = count
        frame.time_base = Fraction(1, 1) / stream.average_rate if stream.average_rate else None
        container.mux(stream.encode(frame))
        count += 1
    container.mux(stream.encode(None))
    return count


def _even(rgb: Rgb) -> Rgb:
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or 0 in rgb.shape:
        raise EncodeError(f"a frame must be RGB with 8 bits, not {rgb.dtype} of shape {rgb.shape}")
    height, width = rgb.shape[:2]
    if height % 2 or width % 2:
        rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(rgb)
