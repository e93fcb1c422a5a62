"""What one pass over a frame's luma tells of every grid cell: level, spread, ends of the range, grain, steps.

A frame is read once, row by row, while its rows are in the processor's cache; all that is kept is one integer per cell
and question, so nothing is rounded. Cells are those of `cell_region`: whole pixels, between them the whole picture.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.compiled import compiled
from services.scoring.kernels.luma import GRID, Luma, Map

Counts: TypeAlias = NDArray[np.int64]
Line: TypeAlias = NDArray[np.uint8]

CRUSHED = 2
BLOWN = 253
"""8-bit levels. H.264 at usual quality moves a clipped level by one or two, so the ends are three levels wide."""

DARK = 25
"""The highest level that FFmpeg's `blackdetect` takes for black: pixel_black_th, 0.10 of the range."""

BLOCK = 8
"""Pixels: the transform of JPEG, MPEG-2 and MPEG-4, the larger one of H.264, and one latent of the usual video models;
the grid begins at the picture's corner."""

_PIXELS, _LEVEL, _SQUARE, _CRUSHED, _BLOWN, _DARK = range(6)
_GRAIN, _GRAINS, _STEP, _STEPS, _GRID_STEP, _GRID_STEPS = range(6, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Sums per grid cell, each (GRID, GRID).

    `pixels` in the cell, the sum of their `level` and of its `square`, how many are `crushed`, `blown` or `dark`.
    `grain` is the sum of the absolute answers of Immerkaer's mask at `grains` pixels (those with eight neighbours).
    `step` is the sum of the absolute differences to the pixel on the left and to the one above, `steps` how many those
    are; `grid_step` and `grid_steps` the same of those alone that cross the 8 x 8 grid.
    """

    pixels: Counts
    level: Counts
    square: Counts
    crushed: Counts
    blown: Counts
    dark: Counts
    grain: Counts
    grains: Counts
    step: Counts
    steps: Counts
    grid_step: Counts
    grid_steps: Counts


def surface(*, luma: Luma) -> Surface:
    """Of any size; cells of a picture narrower than the grid may be empty."""
    sums = np.zeros((12, GRID, GRID), dtype=np.int64)
    _pass(luma, sums)
    return Surface(**dict(zip(Surface.__dataclass_fields__, sums, strict=True)))


def share(part: Counts, of: Counts) -> Map:
    """Per cell; 0 where there is nothing to share."""
    return np.asarray(part / np.maximum(of, 1), dtype=np.float64)


def _plain_levels(row: Line, left: int, right: int, sums: Counts, cy: int, cx: int) -> None:
    level = square = crushed = blown = dark = np.int32(0)
    for x in range(left, right):
        a = np.int32(row[np.uintp(x)])
        level = np.int32(level + a)
        square = np.int32(square + a * a)
        crushed = np.int32(crushed + np.int32(a <= CRUSHED))
        blown = np.int32(blown + np.int32(a >= BLOWN))
        dark = np.int32(dark + np.int32(a <= DARK))
    sums[_PIXELS, cy, cx] += right - left
    sums[_LEVEL, cy, cx] += level
    sums[_SQUARE, cy, cx] += square
    sums[_CRUSHED, cy, cx] += crushed
    sums[_BLOWN, cy, cx] += blown
    sums[_DARK, cy, cx] += dark


_levels = compiled(_plain_levels)


def _plain_bend(above: Line, row: Line, below: Line, bend: NDArray[np.int16]) -> None:
    for x in range(bend.shape[0]):
        bend[x] = np.int16(above[x]) - 2 * np.int16(row[x]) + np.int16(below[x])


_bend = compiled(_plain_bend)


def _plain_grain(bend: NDArray[np.int16], left: int, right: int) -> int:
    """The mask is the second difference across of the second difference down."""
    total = np.int32(0)
    for x in range(left, right):
        one, two, three = bend[np.uintp(x - 1)], bend[np.uintp(x)], bend[np.uintp(x + 1)]
        total = np.int32(total + abs(np.int32(np.int32(one) - 2 * np.int32(two) + np.int32(three))))
    return int(total)


_grain = compiled(_plain_grain)


def _plain_steps(one: Line, two: Line, left: int, right: int, lag: int) -> int:
    """Absolute differences of one row's pixels from `left` up to `right` to those of the other, `lag` to the left."""
    total = np.int32(0)
    for x in range(left, right):
        total = np.int32(total + abs(np.int32(np.int32(one[np.uintp(x)]) - np.int32(two[np.uintp(x - lag)]))))
    return int(total)


_steps = compiled(_plain_steps)


def _plain_grid_steps(row: Line, left: int, right: int, sums: Counts, cy: int, cx: int) -> None:
    for x in range(max(BLOCK, -(-left // BLOCK) * BLOCK), right, BLOCK):
        sums[_GRID_STEP, cy, cx] += abs(np.int64(row[x]) - np.int64(row[x - 1]))
        sums[_GRID_STEPS, cy, cx] += 1


_grid_steps = compiled(_plain_grid_steps)


def _plain_row_pass(above: Line, row: Line, bend: NDArray[np.int16], sums: Counts, y: int, cy: int, last: bool) -> None:
    width = row.shape[0]
    for cx in range(GRID):
        left, right = cx * width // GRID, (cx + 1) * width // GRID
        inner, outer = max(left, 1), min(right, width - 1)
        _levels(row, left, right, sums, cy, cx)
        sums[_STEP, cy, cx] += _steps(row, row, inner, right, 1)
        sums[_STEPS, cy, cx] += right - inner
        _grid_steps(row, left, right, sums, cy, cx)
        if y == 0:
            continue
        down = _steps(row, above, left, right, 0)
        sums[_STEP, cy, cx] += down
        sums[_STEPS, cy, cx] += right - left
        if y % BLOCK == 0:
            sums[_GRID_STEP, cy, cx] += down
            sums[_GRID_STEPS, cy, cx] += right - left
        if not last:
            sums[_GRAIN, cy, cx] += _grain(bend, inner, outer)
            sums[_GRAINS, cy, cx] += outer - inner


_row_pass = compiled(_plain_row_pass)


def _plain_pass(luma: Luma, sums: Counts) -> None:
    height, width = luma.shape
    bend = np.empty(width, np.int16)
    for y in range(height):
        above, below = luma[max(y - 1, 0)], luma[min(y + 1, height - 1)]
        _bend(above, luma[y], below, bend)
        _row_pass(above, luma[y], bend, sums, y, ((y + 1) * GRID - 1) // height, y == height - 1)


_pass = compiled(_plain_pass)
