"""Real photographs under camera moves, encoded for real, and the ways they are spoiled in tests."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

from shared.video.encode import encode_h264

Rgb = NDArray[np.uint8]


@lru_cache
def photograph(name: str) -> Rgb:
    """A photograph that ships inside scikit-image, by the name of its function in skimage.data; astronaut is a face."""
    picture: Rgb = getattr(skimage.data, name)()
    picture.setflags(write=False)
    return picture


def camera(
    picture: Rgb,
    *,
    frames: int = 16,
    size: tuple[int, int] = (160, 160),
    zoom: float = 0.1,
    pan: float = 0.04,
    turn: float = 0.0,
    gain: Callable[[int], float] = lambda frame: 1.0,
) -> Iterator[Rgb]:
    """A camera that zooms in, pans right (shares of the picture) and turns (degrees) over the clip."""
    height, width = picture.shape[:2]
    for frame in range(frames):
        along = frame / max(1, frames - 1)
        scale = (1 + zoom * along) * max(size[0] / width, size[1] / height)
        centre = (width / 2 + pan * width * along, height / 2)
        matrix = cv2.getRotationMatrix2D(centre, turn * along, scale)
        matrix[:, 2] += (size[0] / 2 - centre[0], size[1] / 2 - centre[1])
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        shown = cv2.warpAffine(picture, matrix, size, flags=method, borderMode=cv2.BORDER_REFLECT)
        yield np.clip(shown * gain(frame), 0, 255).astype(np.uint8)


def clip(path: Path, frames: Iterator[Rgb], *, fps: float = 16) -> Path:
    encode_h264(path, frames, fps=fps, preset="veryfast")
    return path


def lossless(path: Path, pictures: Sequence[Rgb], pix_fmt: str) -> Path:
    """FFV1 in Matroska, in any pixel format and size."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(16))
        stream.width, stream.height, stream.pix_fmt = pictures[0].shape[1], pictures[0].shape[0], pix_fmt
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pix_fmt)))
        container.mux(stream.encode(None))
    return path


def noted_as_turned(source: Path, target: Path, quarter_turns: int = 1) -> None:
    """The track header's matrix, set to quarter turns counter-clockwise, as `ffmpeg -display_rotation 90` does."""
    cosine, sine = (65536, 0, -65536, 0)[quarter_turns], (0, 65536, 0, -65536)[quarter_turns]
    matrix = ((65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30), (cosine, -sine, 0, sine, cosine, 0, 0, 0, 1 << 30))
    identity, turned = (b"".join(value.to_bytes(4, "big", signed=True) for value in each) for each in matrix)
    data = bytearray(source.read_bytes())
    at = data.index(identity, data.index(b"tkhd"))
    data[at : at + 36] = turned
    target.write_bytes(bytes(data))


def bulged(picture: Rgb, *, centre: tuple[float, float], radius: float, strength: float) -> Rgb:
    """The surroundings of a point made wider: a face that drifts."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    across, down = x - centre[0], y - centre[1]
    pull = 1 - strength * np.exp(-2 * (across**2 + down**2) / radius**2)
    return cv2.remap(picture, (centre[0] + across * pull).astype(np.float32), y, cv2.INTER_LINEAR)


def tinted(picture: Rgb, *, centre: tuple[float, float], radius: float, factors: tuple[float, float, float]) -> Rgb:
    """The surroundings of a point in another colour."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    share = np.exp(-2 * ((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / radius**2)[..., None]
    return np.clip(picture * (1 - share + share * np.array(factors)), 0, 255).astype(np.uint8)


ASTRONAUT_FACE = (226.0, 113.0)
"""Centre of the face in the astronaut photograph, x and y in pixels of 512."""
