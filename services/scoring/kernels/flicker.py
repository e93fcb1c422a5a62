"""Light that jumps to and fro while the picture stays: apart from motion, and as VBench counts it on static clips."""

import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.compiled import compiled
from services.scoring.kernels.luma import Luma, Map, Plane, cell_means
from services.scoring.kernels.motion import Field, lengths, warped

GRID = 6
"""Cells of 16 x 16 pixels at the analysis size: large enough that interpolation noise averages out."""

FASTEST_SHARE = 0.02
STATIC_LENGTH = 3.0 / 256.0
"""VBench's `static_filter.py`: a step moves if the fiftieth of the picture that moves most does so by more than 3
pixels of 256."""


def brightness_change(*, previous: Luma, current: Luma, field: Field) -> Map:
    """Change of mean luma per cell, in fractions of the range, after moving the previous frame along the flow."""
    compensated = warped(previous=previous, field=field)
    return cell_means(values=(current.astype(np.float32) - compensated) / 255.0, grid=GRID)


def flicker_cells(*, before: Map, after: Map) -> Map:
    """Flicker at the frame between two steps of `brightness_change`, per cell, as a fraction of the range.

    Where brightness rises and then falls (or falls and then rises), the smaller of the two steps; otherwise 0. So a
    fade, an exposure ramp or a single cut is no flicker, and an alternation by a is a. The rule is that of flashes in
    ITU-R BT.1702-3, Annex 1: a pair of opposing changes in luminance.
    """
    opposing = before * after < 0
    return np.where(opposing, np.minimum(np.abs(before), np.abs(after)), 0.0)


def flicker(*, before: Map, after: Map) -> float:
    """Mean of `flicker_cells`: the share of the range by which the picture flickers at this frame."""
    return float(flicker_cells(before=before, after=after).mean())


def fastest_part(*, field: Field) -> float:
    """Mean length of the longest 2 % of the flow, as a fraction of the frame's shorter side (VBench's `get_score`)."""
    every = lengths(field=field).ravel()
    count = max(1, int(every.size * FASTEST_SHARE))
    fastest = np.partition(every, every.size - count)[every.size - count :]
    return float(fastest.mean(dtype=np.float64) / min(field.shape[:2]))


def is_static(*, steps: NDArray[np.float64], ends: tuple[float, float]) -> bool:
    """VBench's `check_static`, from the `fastest_part` of every step and of the first frame against the last and back.

    An eighth of the frames may move, and the whole clip by twice that many steps' limit.
    """
    allowed = round(2 * (len(steps) + 1) / 16)
    moving = int(np.count_nonzero(steps > STATIC_LENGTH))
    return bool(moving <= allowed and max(ends) <= STATIC_LENGTH * allowed * 2)


def grey_change(*, before: Luma, after: Luma) -> float:
    """Mean absolute difference of two pictures without colour, in 8-bit levels."""
    return float(np.abs(after.astype(np.int16) - before).mean(dtype=np.float64))


def rgb_change(
    *,
    before: tuple[Luma, Plane, Plane],
    after: tuple[Luma, Plane, Plane],
    bits: int,
    limited: bool,
) -> float:
    """Mean absolute difference of R', G' and B' of two pictures, in 8-bit levels; what VBench's `calculate_mae` gives.

    Taken where chroma has its samples, which in 4:2:0 is a quarter of the pixels and estimates the mean within a few
    per cent. Luma comes at full range and 8 bits, chroma as stored; ITU-R BT.601-7, 2.5.3, as every reader that leaves
    the matrix to swscale does.
    """
    middle = np.float32(1 << (bits - 1))
    stretch = (255.0 / 224.0 if limited else 1.0) / (1 << (bits - 8))
    red, green_u, green_v, blue = (np.float32(factor * stretch) for factor in (1.402, 0.344136, 0.714136, 1.772))
    return float(_rgb_difference(*before, *after, middle, red, green_u, green_v, blue))


def _level_of(value: np.float32) -> np.float32:
    return np.float32(np.floor(min(np.float32(255), max(np.float32(0), value)) + np.float32(0.5)))


_level = compiled(_level_of)


def _rgb_difference_of(
    y0: Luma, u0: Plane, v0: Plane, y1: Luma, u1: Plane, v1: Plane,
    middle: np.float32, red: np.float32, green_u: np.float32, green_v: np.float32, blue: np.float32,
) -> float:  # fmt: skip
    rows, columns = u0.shape
    down, across = (y0.shape[0] + rows - 1) // rows, (y0.shape[1] + columns - 1) // columns
    total = 0.0
    for row in range(rows):
        line = np.float32(0)
        for column in range(columns):
            one, two = np.float32(y0[row * down, column * across]), np.float32(y1[row * down, column * across])
            a, b = np.float32(u0[row, column]) - middle, np.float32(v0[row, column]) - middle
            c, d = np.float32(u1[row, column]) - middle, np.float32(v1[row, column]) - middle
            line += abs(_level(one + red * b) - _level(two + red * d))
            line += abs(_level(one - green_u * a - green_v * b) - _level(two - green_u * c - green_v * d))
            line += abs(_level(one + blue * a) - _level(two + blue * c))
        total += float(line)
    return float(total / (3.0 * rows * columns))


_rgb_difference = compiled(_rgb_difference_of, reorder_sums=True)
