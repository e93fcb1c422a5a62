"""How far two planes are apart, pixel by pixel; and limited-range samples brought to the full range.

Planes are uint8, or uint16 with the stream's own number of bits, of any shape that is equal for both.
"""

import math

import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.luma import Map, Plane, cell_means


def expanded(*, plane: Plane, bits: int, chroma: bool) -> Plane:
    """Limited-range samples at full range: ITU-R BT.709-6, 4.6 and Rec. H.273, 8.3, equations for both ranges.

    For 8-bit luma the same values as swscale's conversion to `gray` for each of the 256 levels; footroom and headroom
    are clipped.
    """
    step, top = 1 << (bits - 8), (1 << bits) - 1
    levels = np.arange(1 << bits, dtype=np.float64)
    if chroma:
        table = (levels - 128 * step) * (top / (224 * step)) + 128 * step
    else:
        table = (levels - 16 * step) * (top / (219 * step))
    rounded = np.clip(np.floor(table + 0.5), 0, top).astype(plane.dtype)
    return np.asarray(rounded[plane])


def squared_error_cells(*, first: Plane, second: Plane) -> Map:
    """Mean squared difference per grid cell."""
    return cell_means(values=_difference(first, second) ** 2)


def mse(*, first: Plane, second: Plane) -> float:
    """Mean squared error in squared levels; 0 for equal planes."""
    return float(np.mean(_difference(first, second) ** 2))


def mae(*, first: Plane, second: Plane) -> float:
    """Mean absolute error in levels; 0 for equal planes."""
    return float(np.mean(np.abs(_difference(first, second))))


def psnr(*, squared_error: float, data_range: float) -> float:
    """Peak signal-to-noise ratio in dB from a mean squared error; infinite for 0."""
    return math.inf if squared_error == 0 else 10 * math.log10(data_range**2 / squared_error)


def _difference(first: Plane, second: Plane) -> NDArray[np.float64]:
    if first.shape != second.shape:
        raise ValueError(f"planes of shape {first.shape} and {second.shape} cannot be compared")
    return first.astype(np.float64) - second.astype(np.float64)
