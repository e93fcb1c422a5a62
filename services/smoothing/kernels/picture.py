"""Luma, colour planes, and the size at which motion is looked at."""

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb: TypeAlias = NDArray[np.uint8]
Luma: TypeAlias = NDArray[np.uint8]
Field: TypeAlias = NDArray[np.float32]
Planes: TypeAlias = NDArray[np.float32]

SMALLEST_SIDE = 32
"""Pixels; four patches of the flow. On anything smaller its pyramid is empty."""

LONG_SIDE = 416
SHORT_SIDE = 240
"""Largest analysis size, in either orientation: flow at this size costs milliseconds and still resolves 0.1 pixels."""


def luma(*, rgb: Rgb) -> Luma:
    """Y' = 0.299 R' + 0.587 G' + 0.114 B', full range (ITU-R BT.601-7, 2.5.1), rounded to 8 bits."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def planes(*, rgb: Rgb) -> Planes:
    """Y', C_R, C_B as float32 in 8-bit levels, shape (height, width, 3); chroma is centred on 128."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb), dtype=np.float32)


def analysis_size(*, width: int, height: int) -> tuple[int, int]:
    """Width and height that fit into 416 x 240 (or 240 x 416), keeping the shape; never larger than the picture.

    A ribbon stays 32 pixels high, or wide, however long it is then.
    """
    across, down = (LONG_SIDE, SHORT_SIDE) if width >= height else (SHORT_SIDE, LONG_SIDE)
    fitting = min(across / width, down / height)
    scale = min(1.0, max(fitting, SMALLEST_SIDE / min(width, height)))
    return round(width * scale), round(height * scale)


def at_size(*, rgb: Rgb, size: tuple[int, int]) -> Rgb:
    """Shrink by area averaging (no aliasing), enlarge by cubic interpolation; `size` is width, height."""
    if (rgb.shape[1], rgb.shape[0]) == size:
        return rgb
    method = cv2.INTER_AREA if size[0] * size[1] < rgb.shape[0] * rgb.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(rgb, size, interpolation=method), dtype=np.uint8)


def field_at_size(*, field: Field, size: tuple[int, int]) -> Field:
    """A flow field for another picture size: resampled, and its lengths scaled with it."""
    height, width = field.shape[:2]
    larger = np.asarray(cv2.resize(field, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)
    return larger * np.array([size[0] / width, size[1] / height], np.float32)
