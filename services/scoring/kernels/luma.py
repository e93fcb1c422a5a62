"""Luma, and the sizes at which it is looked at."""

from functools import lru_cache
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.compiled import compiled
from services.scoring.kernels.shrink import shrunk

Rgb: TypeAlias = NDArray[np.uint8]
Luma: TypeAlias = NDArray[np.uint8]
Plane: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]
Map: TypeAlias = NDArray[np.float64]
Region: TypeAlias = tuple[int, int, int, int]

GRID = 8
"""Worst regions are reported as one cell of an 8 x 8 grid: small enough to point at an eye of a close-up, large
enough that codec noise averages out."""


def luma(*, rgb: Rgb) -> Luma:
    """Y' = 0.299 R' + 0.587 G' + 0.114 B', full range (ITU-R BT.601-7, 2.5.1), rounded to 8 bits."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def stored_luma(*, plane: Plane, bits: int, limited: bool) -> Luma:
    """A stored plane of Y' at full range, rounded to 8 bits: the picture's own luma, of whichever matrix it was made.

    Limited range (16 to 235 of 8 bits) is expanded: ITU-R BT.709-6, 4.6; footroom and headroom are clipped.
    """
    if bits == 8:
        return _expanded(plane) if limited else np.asarray(plane, dtype=np.uint8)
    table = _to_full_range(bits) if limited else _to_8_bits(bits)
    return np.asarray(table[plane], dtype=np.uint8)


def _expanded(plane: Plane) -> Luma:
    """Of 8 bits the table's values, by arithmetic that runs in parallel lanes."""
    target = np.empty(plane.shape, dtype=np.uint8)
    _expand(np.ascontiguousarray(plane, dtype=np.uint8), target)
    return target


def _plain_expand(source: Plane, target: Luma) -> None:
    """255 / 219 in 65536ths; no level comes nearer to a half than that errs."""
    for y in range(source.shape[0]):
        row, out = source[y], target[y]
        for x in range(row.shape[0]):
            level = np.int32((np.int32(row[x]) - 16) * 76309 + 32768) >> 16
            out[x] = np.uint8(min(np.int32(255), max(np.int32(0), np.int32(level))))


_expand = compiled(_plain_expand)


@lru_cache
def _to_full_range(bits: int) -> NDArray[np.uint8]:
    step = 1 << (bits - 8)
    levels = (np.arange(1 << bits, dtype=np.float64) - 16 * step) * (255.0 / (219 * step))
    return np.clip(np.floor(levels + 0.5), 0, 255).astype(np.uint8)


@lru_cache
def _to_8_bits(bits: int) -> NDArray[np.uint8]:
    levels = np.arange(1 << bits, dtype=np.float64) * (255.0 / ((1 << bits) - 1))
    return np.floor(levels + 0.5).astype(np.uint8)


def at_side(*, picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Resize so that width x height is side squared, keeping the shape: one common size for clips of every tier.

    Shrinks by area averaging (no aliasing), enlarges linearly: a cubic overshoots, and a small clip would look sharper.
    """
    scale = side / float(np.sqrt(picture.shape[0] * picture.shape[1]))
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    if scale < 1:
        return shrunk(picture=picture, size=size)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def coarse(*, picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Shrunk by area averaging, by a power of two, so that width x height is between side squared and four times that;
    as it is if it is smaller. Odd sizes are rounded down on the way."""
    while picture.shape[0] * picture.shape[1] >= 4 * side * side:
        picture = shrunk(picture=picture, size=(max(1, picture.shape[1] // 2), max(1, picture.shape[0] // 2)))
    return picture


def cell_means(*, values: NDArray[np.float64] | NDArray[np.float32], grid: int = GRID) -> Map:
    """Mean of a map over a grid of equal cells (area weighting where cells cut pixels); shape (grid, grid)."""
    small = cv2.resize(values.astype(np.float64), (grid, grid), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float64)


def cell_region(*, row: int, column: int, width: int, height: int, grid: int = GRID) -> Region:
    """The pixels of one grid cell in a picture of width x height."""
    left, top = column * width // grid, row * height // grid
    right, bottom = (column + 1) * width // grid, (row + 1) * height // grid
    return left, top, max(1, right - left), max(1, bottom - top)


def extreme_cell(*, cells: Map, highest: bool, width: int, height: int) -> tuple[float, Region]:
    """The highest (or lowest) cell and where it lies in a picture of width x height; the first one on a tie."""
    index = int(np.argmax(cells) if highest else np.argmin(cells))
    row, column = divmod(index, cells.shape[1])
    region = cell_region(row=row, column=column, width=width, height=height, grid=cells.shape[0])
    return float(cells[row, column]), region
