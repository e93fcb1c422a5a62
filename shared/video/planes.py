"""Frames as they are stored: planes of Y, U and V with their own number of bits, turned into RGB for who asks.

A clip is a file, or a folder of PNG pictures in the order of their names. Everything comes upright.
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from shared.video.decode import DEFAULT_LIMITS, Rgb, VideoLimits, _decoded, _opened
from shared.video.pictures import is_sequence, iter_pictures

Samples = NDArray[np.uint8] | NDArray[np.uint16]

PLANAR = re.compile(r"yuv[aj]?4(44|40|22|20|11|10)p((9|10|12|14|16)le)?|gray((9|10|12|14|16)le)?")
"""With alpha too: it is a fourth plane, and left alone."""
LITTLE_ENDIAN_BITS = re.compile(r"(9|10|12|14|16)le$")

SCALER_THREADS = 1
"""With more, swscale's slices race for the first pixels of a row (gbrp10 of 161 x 121 pixels, one frame in ten)."""


BT601 = (0.299, 0.114)
BT709 = (0.2126, 0.0722)
BT2020 = (0.2627, 0.0593)
"""Red's and blue's share of luma, in ITU-R BT.601-7, BT.709-6 and BT.2020-2."""

WEIGHTS = {1: BT709, 9: BT2020, 10: BT2020}
"""By FFmpeg's number of the colour space; BT.601 for every other, as swscale reads them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planes:
    """One frame. `u` and `v` are None for grey; `limited` says whether luma 16 to 235 (of 8 bits) is black to white;
    `weights` are those of red and blue in its luma."""

    index: int
    y: Samples
    u: Samples | None
    v: Samples | None
    bits: int
    limited: bool
    weights: tuple[float, float] = BT601

    @property
    def size(self) -> tuple[int, int]:
        return self.y.shape[1], self.y.shape[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFrame:
    """One frame as it is stored. It keeps the decoder's memory, so hold few of them."""

    planes: Planes
    _frame: VideoFrame

    @property
    def seconds(self) -> float | None:
        """When it is shown; None where the clip does not say, as a folder of pictures does not."""
        return self._frame.time

    def rgb(self) -> Rgb:
        """The frame as 8-bit RGB, upright; converted at each call."""
        rgb = np.asarray(self._frame.to_ndarray(format="rgb24"), dtype=np.uint8)
        return np.ascontiguousarray(np.rot90(rgb, _quarter_turns(self._frame)))


def iter_stored(path: Path, *, limits: VideoLimits = DEFAULT_LIMITS) -> Iterator[StoredFrame]:
    """Every frame, one at a time. Raises VideoError when what is wrong is reached.

    RGB and packed formats are first converted to planes: RGB to BT.601 at full range, with as many bits. Alpha is left
    out.
    """
    if is_sequence(path):
        for picture in iter_pictures(path, limits=limits):
            yield _stored(picture.index, VideoFrame.from_ndarray(picture.rgb, format="rgb24"))
        return
    with _opened(path, limits) as (container, stream):
        for index, frame in enumerate(_decoded(container, stream, limits)):
            yield _stored(index, frame)


def iter_planes(path: Path, *, limits: VideoLimits = DEFAULT_LIMITS) -> Iterator[Planes]:
    """The planes alone, as `iter_stored`."""
    for frame in iter_stored(path, limits=limits):
        yield frame.planes


def last_planes(path: Path, *, limits: VideoLimits = DEFAULT_LIMITS) -> Planes:
    """Those of the last frame. Decodes the whole clip: a container's index may lie about where the end is."""
    return deque(iter_planes(path, limits=limits), maxlen=1).pop()


def _stored(index: int, frame: VideoFrame) -> StoredFrame:
    return StoredFrame(planes=_planes(index, frame), _frame=frame)


def _quarter_turns(frame: VideoFrame) -> int:
    return round(frame.rotation / 90) % 4


def _planes(index: int, frame: VideoFrame) -> Planes:
    quarter_turns = _quarter_turns(frame)
    if frame.format.is_rgb:
        bits, samples = _of_rgb(frame)
        limited, weights = False, BT601
    else:
        stored = _planar(frame)
        bits = _bits(stored)
        samples = [_samples(plane, bits) for plane in stored.planes[:3]]
        limited, weights = _is_limited(frame, stored), WEIGHTS.get(int(frame.colorspace), BT601)
    planes = [_turned(each, quarter_turns) for each in samples]
    grey = len(planes) < 3
    return Planes(
        index=index,
        y=planes[0],
        u=None if grey else planes[1],
        v=None if grey else planes[2],
        bits=bits,
        limited=limited,
        weights=weights,
    )


def _planar(frame: VideoFrame) -> VideoFrame:
    if PLANAR.fullmatch(frame.format.name):
        return frame
    return frame.reformat(format=f"yuv444p{_depth(frame)[1]}", threads=SCALER_THREADS)


def _depth(frame: VideoFrame) -> tuple[int, str]:
    """The number of bits in which this frame's samples find room, and what names of formats with as many end in."""
    bits = max(component.bits for component in frame.format.components)
    if bits <= 8:
        return 8, ""
    wide = next((each for each in (10, 12, 14) if bits <= each), 16)
    return wide, f"{wide}le"


def _of_rgb(frame: VideoFrame) -> tuple[int, list[Samples]]:
    """Y', Cb and Cr of ITU-R BT.601-7, 2.5.1 and 2.5.2, at full range, rounded.

    Not by swscale: to 10 bits at full range it gives luma that is one and a half levels too high (of 1023, FFmpeg 8).
    """
    bits, name = _depth(frame)
    red, green, blue = (each.astype(np.float32) for each in _rgb_samples(frame, name))
    luma = BT601[0] * red + (1 - sum(BT601)) * green + BT601[1] * blue
    middle = np.float32(1 << (bits - 1))
    chroma = (
        (each - luma) / np.float32(2 * (1 - share)) + middle for each, share in ((blue, BT601[1]), (red, BT601[0]))
    )
    kind = np.uint8 if bits == 8 else np.uint16
    top = (1 << bits) - 1
    return bits, [np.clip(np.floor(each + np.float32(0.5)), 0, top).astype(kind) for each in (luma, *chroma)]


def _rgb_samples(frame: VideoFrame, name: str) -> Sequence[Samples]:
    if not name:
        rgb = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
        return rgb[..., 0], rgb[..., 1], rgb[..., 2]
    planar = f"gbrp{name}"
    stored = frame if frame.format.name == planar else frame.reformat(format=planar, threads=SCALER_THREADS)
    green, blue, red = (_samples(plane, bits=16) for plane in stored.planes)
    return red, green, blue


def _bits(frame: VideoFrame) -> int:
    found = LITTLE_ENDIAN_BITS.search(frame.format.name)
    return int(found.group(1)) if found else 8


def _is_limited(frame: VideoFrame, stored: VideoFrame) -> bool:
    """FFmpeg's reading where the stream says nothing: YUV is limited; grey and the `yuvj` formats are full."""
    name = stored.format.name
    if name.startswith("yuvj"):
        return False
    if frame.color_range in (ColorRange.MPEG, ColorRange.JPEG):
        return bool(frame.color_range == ColorRange.MPEG)
    return not name.startswith("gray")


def _samples(plane: VideoPlane, bits: int) -> Samples:
    """A copy without the padding of rows: the decoder reuses its memory."""
    rows = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, plane.line_size)[: plane.height]
    if bits == 8:
        return np.ascontiguousarray(rows[:, : plane.width])
    return np.ascontiguousarray(rows[:, : plane.width * 2]).view(np.uint16)


def _turned(samples: Samples, quarter_turns: int) -> Samples:
    turned: Samples = np.rot90(samples, quarter_turns).copy() if quarter_turns else samples
    return turned
