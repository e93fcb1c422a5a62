"""Reading clips: every way a file can be wrong ends in one VideoError whose message a person can act on.

Only MP4/MOV and Matroska/WebM demuxers are allowed. FFmpeg knows formats that open other files (playlists, concat
scripts) or that accept anything (a text file is a "video" of its letters), so the list is what may be read, not what
may not.
"""

import hashlib
import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from shared.video.matroska import missing_bytes

Rgb = NDArray[np.uint8]

READABLE_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm"


class VideoError(Exception):
    """The file is not a clip that can be used; the message says why in one line, without a path."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoLimits:
    """What is refused before it costs memory or hours.

    The defaults allow 8K frames and ten minutes at 60 fps: far above any segment, far below a decompression bomb.
    """

    max_bytes: int = 2 * 1024**3
    max_pixels: int = 8192 * 4352
    max_frames: int = 36_000


DEFAULT_LIMITS = VideoLimits()


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoInfo:
    """Facts of the video stream. From `probe`, `frames` is the number of packets that are shown; from `examine`, of
    decoded frames."""

    width: int
    height: int
    frames: int
    fps: float
    duration_seconds: float
    codec: str
    pix_fmt: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One decoded frame: RGB, 8 bits, shape (height, width, 3); index counts from 0."""

    index: int
    rgb: Rgb


@dataclass(frozen=True, kw_only=True, slots=True)
class ExaminedVideo:
    """What one full decode tells: true counts, the hand-over frame, and the digest of everything seen."""

    info: VideoInfo
    frame_digest: str
    last_frame_png: bytes


def probe(path: Path, *, limits: VideoLimits = DEFAULT_LIMITS) -> VideoInfo:
    """Read the headers and count packets, without decoding: quick, and blind to damage inside the frames."""
    with _opened(path, limits) as (container, stream):
        frames = sum(1 for packet in container.demux(stream) if packet.size and not packet.is_discard)
        _check_count(frames, stream)
        return _info(stream, frames)


def iter_frames(path: Path, *, limits: VideoLimits = DEFAULT_LIMITS) -> Iterator[Frame]:
    """Decode in presentation order, one RGB frame at a time.

    Raises VideoError when reached: a clip cut off half-way gives its good frames first, so a caller that stores
    something must wait for the end.
    """
    with _opened(path, limits) as (container, stream):
        for index, frame in enumerate(_decoded(container, stream, limits)):
            yield Frame(index=index, rgb=_rgb(frame))


def examine(path: Path, *, limits: VideoLimits = DEFAULT_LIMITS) -> ExaminedVideo:
    """Decode everything once: true frame count, digest, and the last frame as PNG."""
    digest = hashlib.sha256()
    last: VideoFrame | None = None
    frames = 0
    with _opened(path, limits) as (container, stream):
        for frame in _decoded(container, stream, limits):
            _feed(digest, frame)
            last = frame
            frames += 1
        assert last is not None  # _decoded raises rather than yield nothing
        return ExaminedVideo(
            info=_info(stream, frames), frame_digest=digest.hexdigest(), last_frame_png=png_bytes(_rgb(last))
        )


def frame_digest(path: Path, *, limits: VideoLimits = DEFAULT_LIMITS) -> str:
    """SHA-256 over the decoded frames in their own pixel format, like FFmpeg's `framemd5` without times.

    Equal for two files with the same pixels, whatever their container metadata, tags or writing date.
    """
    digest = hashlib.sha256()
    with _opened(path, limits) as (container, stream):
        for frame in _decoded(container, stream, limits):
            _feed(digest, frame)
    return digest.hexdigest()


def first_frame(path: Path, *, limits: VideoLimits = DEFAULT_LIMITS) -> Rgb:
    """The first frame only; the rest of the file is not read."""
    with _opened(path, limits) as (container, stream):
        return _rgb(next(_decoded(container, stream, limits)))


def last_frame(path: Path, *, limits: VideoLimits = DEFAULT_LIMITS) -> Rgb:
    """The last frame. Decodes the whole clip: a container's index may lie about where the end is."""
    last: VideoFrame | None = None
    with _opened(path, limits) as (container, stream):
        for frame in _decoded(container, stream, limits):
            last = frame
        assert last is not None  # _decoded raises rather than yield nothing
        return _rgb(last)


def last_frame_png(path: Path, *, limits: VideoLimits = DEFAULT_LIMITS) -> bytes:
    """The last frame as lossless PNG."""
    return png_bytes(last_frame(path, limits=limits))


def png_bytes(rgb: Rgb) -> bytes:
    """Lossless PNG of one RGB frame; the same pixels give the same bytes."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


@contextmanager
def _opened(path: Path, limits: VideoLimits) -> Iterator[tuple[InputContainer, VideoStream]]:
    try:
        _check_file(path, limits)
        options = {"format_whitelist": READABLE_FORMATS, "protocol_whitelist": "file"}
        with av.open(str(path), mode="r", options=options, metadata_errors="replace") as container:
            yield container, _video_stream(container, limits)
    except PermissionError as error:
        raise VideoError("the file cannot be read: permission denied") from error
    except FFmpegError as error:
        raise VideoError(f"not a readable MP4, MOV, MKV or WebM clip ({_reason(error)})") from error
    except OSError as error:
        raise VideoError(f"the file cannot be read: {error.strerror or type(error).__name__}") from error


def _check_file(path: Path, limits: VideoLimits) -> None:
    """Raises OSError as well. A pipe or a device is not opened: it might never answer."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VideoError("the file does not exist") from error
    if not stat.S_ISREG(found.st_mode):
        raise VideoError("it is no file")
    if found.st_size == 0:
        raise VideoError("the file is empty (0 bytes)")
    if found.st_size > limits.max_bytes:
        raise VideoError(f"the file has {found.st_size} bytes; at most {limits.max_bytes} are accepted")
    if (missing := missing_bytes(path)) > 0:
        raise VideoError(f"the clip is cut off: {missing} of its {found.st_size + missing} bytes are missing")


def _video_stream(container: InputContainer, limits: VideoLimits) -> VideoStream:
    if not container.streams.video:
        raise VideoError("the file has no video stream")
    stream = container.streams.video[0]
    context = stream.codec_context
    if not context.width or not context.height:
        raise VideoError("the video stream does not say its frame size")
    if context.width * context.height > limits.max_pixels:
        raise VideoError(
            f"frames of {context.width}x{context.height} are too large; at most {limits.max_pixels} pixels are accepted"
        )
    if stream.frames > limits.max_frames:
        raise VideoError(f"the clip says it has {stream.frames} frames; at most {limits.max_frames} are accepted")
    stream.thread_type = "NONE"
    context.thread_count = 1
    # Without "explode" FFmpeg paints over damaged macroblocks, and a broken file would be measured as a blurred one.
    context.options = {"err_detect": "explode+crccheck+bitstream+buffer"}
    return stream


def _decoded(container: InputContainer, stream: VideoStream, limits: VideoLimits) -> Iterator[VideoFrame]:
    size = (stream.codec_context.width, stream.codec_context.height)
    count = 0
    for frame in _frames(container, stream):
        if frame.is_corrupt:
            raise VideoError(f"frame {count} is damaged")
        if (frame.width, frame.height) != size:
            raise VideoError(
                f"the frame size changes from {size[0]}x{size[1]} to {frame.width}x{frame.height} at frame {count}"
            )
        if count >= limits.max_frames:
            raise VideoError(f"the clip has more than {limits.max_frames} frames")
        yield frame
        count += 1
    _check_count(count, stream)


def _check_count(count: int, stream: VideoStream) -> None:
    if count == 0:
        raise VideoError("the video stream has no frames")
    announced = _announced(stream)
    if count < announced:
        raise VideoError(f"the clip is cut off: it says {announced} frames and has {count}")


def _frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """What FFmpeg stumbles over inside a clip is said to be there: the file as such was readable."""
    count = 0
    try:
        for frame in container.decode(stream):
            yield frame
            count += 1
    except FFmpegError as error:
        raise VideoError(f"the clip is damaged or cut off after {count} frames ({_reason(error)})") from error


def _announced(stream: VideoStream) -> int:
    """How many frames the header promises to show; 0 where it promises nothing.

    A clip that was trimmed without encoding it again holds more: its edit list leaves frames out, which the index of
    an MP4 or MOV marks or does not list at all.
    """
    return min(stream.frames, sum(not entry.is_discard for entry in stream.index_entries))


def _info(stream: VideoStream, frames: int) -> VideoInfo:
    rate = stream.average_rate or stream.guessed_rate or Fraction(0)
    if rate <= 0:
        raise VideoError("the video stream does not say its frame rate")
    context = stream.codec_context
    return VideoInfo(
        width=context.width,
        height=context.height,
        frames=frames,
        fps=float(rate),
        duration_seconds=float(frames / rate),
        codec=context.name,
        pix_fmt=context.pix_fmt or "unknown",
    )


def _rgb(frame: VideoFrame) -> Rgb:
    return np.ascontiguousarray(frame.to_ndarray(format="rgb24"))


def _feed(digest: "hashlib._Hash", frame: VideoFrame) -> None:
    """One header per frame, so that frames of another shape with the same bytes differ; rows without their padding."""
    digest.update(f"{frame.width}x{frame.height} {frame.format.name}\n".encode())
    for index, plane in enumerate(frame.planes):
        row_bytes = min(plane.line_size, plane.width * _bytes_per_pixel(frame, index))
        rows = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(plane.height, plane.line_size)
        digest.update(np.ascontiguousarray(rows[:, :row_bytes]).tobytes())


def _bytes_per_pixel(frame: VideoFrame, plane: int) -> int:
    """In one plane; a packed format (all in one plane) counts its unused bytes too, as in bgr0."""
    if len(frame.planes) == 1:
        return (frame.format.padded_bits_per_pixel + 7) // 8
    return sum((component.bits + 7) // 8 for component in frame.format.components if component.plane == plane)


def _reason(error: FFmpegError) -> str:
    return (error.strerror or type(error).__name__).lower()
