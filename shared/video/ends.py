"""The frames at either end of a clip, at a cost that does not grow with the clip's length.

The last frames are reached by seeking to the keyframe before them; what this project encodes has one at least every
two seconds (see `encode`). Frames come upright: rotation that a phone only noted in the container is applied.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from shared.video.decode import DEFAULT_LIMITS, Rgb, VideoError, VideoLimits, _decoded, _opened, _rgb

LATE_FRAMES = 1.5
"""How much earlier than announced, in frames, a clip may end: containers round, encoders drop a last duplicate."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipFacts:
    """What the headers say, without reading on: upright size in pixels, frames per second, whether there is sound."""

    width: int
    height: int
    fps: Fraction
    has_audio: bool


def facts(path: Path, *, limits: VideoLimits = DEFAULT_LIMITS) -> ClipFacts:
    """Size and rate from the headers and the first frame; the rotation is only known from a frame."""
    with _opened(path, limits) as (container, stream):
        rate = _rate(stream)
        first = upright(next(_decoded(container, stream, limits)))
        height, width = first.shape[:2]
        return ClipFacts(width=width, height=height, fps=rate, has_audio=bool(container.streams.audio))


def announced_frames(path: Path, *, limits: VideoLimits = DEFAULT_LIMITS) -> int:
    """How many frames the header says there are; 0 where it does not (MKV, WebM). For progress, never for a result."""
    with _opened(path, limits) as (_, stream):
        return stream.frames


def first_frames(path: Path, *, count: int | None = None, limits: VideoLimits = DEFAULT_LIMITS) -> Iterator[Rgb]:
    """The first `count` frames (fewer if the clip is shorter), or all of them; nothing after them is read."""
    with _opened(path, limits) as (container, stream):
        for index, frame in enumerate(_decoded(container, stream, limits)):
            if count is not None and index >= count:
                return
            yield upright(frame)


def last_frames(path: Path, *, count: int, limits: VideoLimits = DEFAULT_LIMITS) -> Iterator[Rgb]:
    """The last `count` frames in presentation order (fewer if the clip is shorter).

    Raises VideoError if the clip ends earlier than its header says: a cut-off file has no last frame to judge.
    """
    with _opened(path, limits) as (container, stream):
        back = count / _rate(stream)
        end = _end_seconds(container, stream)
        kept: deque[VideoFrame] = deque(maxlen=count)
        while True:
            start = None if end is None or end <= back else end - back
            _seek(container, stream, start)
            kept.clear()
            kept.extend(_frames(container, stream))
            if len(kept) == count or start is None:
                break
            back *= 4
        _check(kept, stream)
        for frame in kept:
            yield upright(frame)


def upright(frame: VideoFrame) -> Rgb:
    """RGB as a player shows it: turned counter-clockwise by the angle of the container's display matrix."""
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(_rgb(frame), quarter_turns)) if quarter_turns else _rgb(frame)


def _frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    yield from container.decode(stream)


def _seek(container: InputContainer, stream: VideoStream, seconds: Fraction | None) -> None:
    first = stream.start_time or 0
    if seconds is None or stream.time_base is None:
        container.seek(first, stream=stream, backward=True)
    else:
        container.seek(first + int(seconds / stream.time_base), stream=stream, backward=True)


def _end_seconds(container: InputContainer, stream: VideoStream) -> Fraction | None:
    if stream.duration is not None and stream.time_base is not None:
        return stream.duration * stream.time_base
    return None if container.duration is None else Fraction(container.duration, av.time_base)


def _check(kept: deque[VideoFrame], stream: VideoStream) -> None:
    if not kept:
        raise VideoError("the video stream has no frames")
    if any(frame.is_corrupt for frame in kept):
        raise VideoError("one of the last frames is damaged")
    last = kept[-1]
    if stream.duration is None or stream.time_base is None or last.pts is None:
        return
    one_frame = 1 / (_rate(stream) * stream.time_base)
    missing = ((stream.start_time or 0) + stream.duration - last.pts) / one_frame - 1
    if missing > LATE_FRAMES:
        raise VideoError(f"the clip is cut off: about {round(missing)} frames are missing at its end")


def _rate(stream: VideoStream) -> Fraction:
    rate = stream.average_rate or stream.guessed_rate
    if rate is None or rate <= 0:
        raise VideoError("the video stream does not say its frame rate")
    return rate
