"""How colourful a picture is."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.compiled import compiled
from services.scoring.kernels.luma import GRID, Map, Rgb

SIDE = 96
"""Colour is looked at in a coarse picture (see `luma.coarse`): it has the colours, and not the noise, which by itself
would count as colourful."""

Sums: TypeAlias = NDArray[np.int64]


def colour_sums(*, rgb: Rgb) -> Sums:
    """Per grid cell (5, GRID, GRID): pixels; sum of rg = R - G and of its square; of 2 yb = R + G - 2 B and of its
    square. Cells are those of `cell_region`."""
    sums = np.zeros((5, GRID, GRID), dtype=np.int64)
    _add(rgb, sums)
    return sums


def colourfulness(*, sums: Sums) -> float:
    """Of the whole picture, 0 (grey) upwards: 15 slightly, 45 quite, 82 highly, 109 extremely colourful.

    M3 of Hasler and Suesstrunk, "Measuring colourfulness in natural images", SPIE 5007, 2003: sqrt(var rg + var yb) +
    0.3 sqrt(mean rg ^ 2 + mean yb ^ 2) with rg = R - G, yb = (R + G) / 2 - B, population variances, levels of 0 to 255;
    the words are those of their table 2.
    """
    return float(colourfulness_cells(sums=sums.sum(axis=(1, 2))[:, None, None])[0, 0])


def colourfulness_cells(*, sums: Sums) -> Map:
    """The same within each grid cell."""
    count = np.maximum(sums[0], 1).astype(np.float64)
    means = sums[1] / count, sums[3] / count / 2
    variance = (sums[0] * sums[2] - sums[1] ** 2 + (sums[0] * sums[4] - sums[3] ** 2) / 4) / count**2
    return np.asarray(np.sqrt(variance) + 0.3 * np.hypot(*means), dtype=np.float64)


def _plain_add(rgb: Rgb, sums: Sums) -> None:
    height, width = rgb.shape[:2]
    for y in range(height):
        cy = ((y + 1) * GRID - 1) // height
        for cx in range(GRID):
            rg_sum = rg_square = yb_sum = yb_square = np.int64(0)
            left, right = cx * width // GRID, (cx + 1) * width // GRID
            for x in range(left, right):
                red, green, blue = np.int64(rgb[y, x, 0]), np.int64(rgb[y, x, 1]), np.int64(rgb[y, x, 2])
                rg, yb = red - green, red + green - 2 * blue
                rg_sum += rg
                rg_square += rg * rg
                yb_sum += yb
                yb_square += yb * yb
            sums[0, cy, cx] += right - left
            sums[1, cy, cx] += rg_sum
            sums[2, cy, cx] += rg_square
            sums[3, cy, cx] += yb_sum
            sums[4, cy, cx] += yb_square


_add = compiled(_plain_add)
