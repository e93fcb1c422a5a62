"""How far two planes are apart, pixel by pixel; and limited-range samples brought to the full range.

Planes are uint8, or uint16 with the stream's own number of bits, of any shape that is equal for both.
"""

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.luma import GRID, Map, Plane, stored_luma


def expanded(*, plane: Plane, bits: int, chroma: bool) -> Plane:
    """Limited-range samples at full range: ITU-R BT.709-6, 4.6 and Rec. H.273, 8.3, equations for both ranges.

    For 8-bit luma the same values as swscale's conversion to `gray` for each of the 256 levels; footroom and headroom
    are clipped.
    """
    if bits == 8:
        if not chroma:
            return stored_luma(plane=plane, bits=8, limited=True)
        return np.asarray(cv2.LUT(plane, _full_range(8, True)), dtype=np.uint8)
    return np.asarray(np.take(_full_range(bits, chroma), plane), dtype=np.uint16)


@lru_cache
def _full_range(bits: int, chroma: bool) -> Plane:
    """What each level becomes; halves are rounded up, and are halves exactly, as nothing is divided before the end."""
    step, top = 1 << (bits - 8), (1 << bits) - 1
    levels = np.arange(1 << bits, dtype=np.float64)
    if chroma:
        table = (levels - 128 * step) * top / (224 * step) + 128 * step
    else:
        table = (levels - 16 * step) * top / (219 * step)
    rounded: NDArray[np.float64] = np.clip(np.floor(table + 0.5), 0, top)
    return rounded.astype(np.uint8) if bits == 8 else rounded.astype(np.uint16)


def squared_error_cells(*, first: Plane, second: Plane) -> Map:
    """Mean squared difference per grid cell of whole pixels; 0 where a plane narrower than the grid has none."""
    _check(first, second)
    cells = np.zeros((GRID, GRID))
    for row, column in np.ndindex(GRID, GRID):
        part = tuple(
            slice(at * side // GRID, (at + 1) * side // GRID)
            for at, side in zip((row, column), first.shape, strict=True)
        )
        if first[part].size > 0:
            cells[row, column] = mse(first=first[part], second=second[part])
    return cells


def mse(*, first: Plane, second: Plane) -> float:
    """Mean squared error in squared levels; 0 for equal planes.

    The sum is a whole number, and exact up to 2 to the 51: OpenCV gives the square of its root.
    """
    _check(first, second)
    return round(cv2.norm(first, second, cv2.NORM_L2SQR)) / first.size


def mae(*, first: Plane, second: Plane) -> float:
    """Mean absolute error in levels; 0 for equal planes. The sum is exact up to 2 to the 53."""
    _check(first, second)
    return float(cv2.norm(first, second, cv2.NORM_L1)) / first.size


def psnr(*, squared_error: float, data_range: float) -> float:
    """Peak signal-to-noise ratio in dB from a mean squared error; infinite for 0."""
    return math.inf if squared_error == 0 else 10 * math.log10(data_range**2 / squared_error)


def _check(first: Plane, second: Plane) -> None:
    if first.shape != second.shape:
        raise ValueError(f"planes of shape {first.shape} and {second.shape} cannot be compared")
