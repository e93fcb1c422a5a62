"""The loops of structural similarity, row by row, so that what is computed stays in the processor's cache.

Rows are one-dimensional and contiguous: each loop runs in parallel lanes, and one compiled form serves both windows.
All loops are in one file, for Numba's cache looks at the file of the function that is called, and at no other.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.compiled import compiled
from services.scoring.kernels.luma import GRID, Map, Plane
from shared.vision.ssim import WINDOW

Sums: TypeAlias = NDArray[np.int32] | NDArray[np.float64]
Row: TypeAlias = NDArray[np.float64]
Products: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
Lines: TypeAlias = tuple[Products, ...]

GAUSSIAN_TAPS = 11


def _plain_score_row(
    ones: Sums, twos: Sums, squares: Sums, products: Sums, row: Row, n: float, d1: float, d2: float
) -> None:  # fmt: skip
    """Eq. 13 from the sums over the window of a, b, a a + b b and a b, their weights adding up to n.

    Both factors are multiplied by n squared, and so are d1 and d2: one division per pixel. With a sample covariance
    the second factor, and with it d2, is multiplied by n (n - 1) instead.
    """
    for x in range(row.shape[0]):
        a, b = np.float64(ones[x]), np.float64(twos[x])
        ab, aa_bb = a * b, a * a + b * b
        above = (2.0 * ab + d1) * (2.0 * (n * np.float64(products[x]) - ab) + d2)
        row[x] = above / ((aa_bb + d1) * ((n * np.float64(squares[x]) - aa_bb) + d2))


_score_row = compiled(_plain_score_row)


def _plain_row_sum(values: Row) -> float:
    total = 0.0
    for x in range(values.shape[0]):
        total += values[x]
    return total


_row_sum = compiled(_plain_row_sum, reorder_sums=True)


def _plain_add_cells(row: Row, cells: Map, y: int, height: int) -> None:
    """Row y of a map of that height."""
    cy = ((y + 1) * GRID - 1) // height
    for cx in range(GRID):
        left, right = cx * row.shape[0] // GRID, (cx + 1) * row.shape[0] // GRID
        cells[0, cy, cx] += _row_sum(row[left:right])
        cells[1, cy, cx] += right - left


_add_cells = compiled(_plain_add_cells)


def _plain_add_row(
    columns: Sums, first: Plane, second: Plane, sign: int
) -> None:  # fmt: skip
    factor = np.int32(sign)
    ones, twos, squares, products = columns[0], columns[1], columns[2], columns[3]
    for x in range(first.shape[0]):
        a, b = np.int32(first[x]), np.int32(second[x])
        ones[x] += factor * a
        twos[x] += factor * b
        squares[x] += factor * (a * a + b * b)
        products[x] += factor * (a * b)


_add_row = compiled(_plain_add_row)


def _plain_window_sums(columns: Sums, sums: Sums) -> None:
    for k in range(4):
        source, target = columns[k], sums[k]
        for x in range(target.shape[0]):
            target[x] = (
                source[x] + source[x + 1] + source[x + 2] + source[x + 3]
                + source[x + 4] + source[x + 5] + source[x + 6]
            )  # fmt: skip


_window_sums = compiled(_plain_window_sums)


def _plain_uniform(
    first: Plane, second: Plane, columns: Sums, sums: Sums, scores: Map, cells: Map, d1: float, d2: float
) -> None:  # fmt: skip
    """Window sums slide down the picture; each row of the map is written to one place if `scores` has one row."""
    height = first.shape[0] - WINDOW + 1
    for y in range(first.shape[0]):
        _add_row(columns, first[y], second[y], 1)
        if y >= WINDOW:
            _add_row(columns, first[y - WINDOW], second[y - WINDOW], -1)
        top = y - WINDOW + 1
        if top >= 0:
            _window_sums(columns, sums)
            row = scores[min(top, scores.shape[0] - 1)]
            _score_row(sums[0], sums[1], sums[2], sums[3], row, float(WINDOW * WINDOW), d1, d2)
            _add_cells(row, cells, top, height)


uniform_rows = compiled(_plain_uniform)


def _plain_multiply(one: Plane, two: Plane, line: Products) -> None:
    """a, b, a a + b b and a b of one row, one after the other."""
    n = one.shape[0]
    ones, twos, squares, products = line[:n], line[n : 2 * n], line[2 * n : 3 * n], line[3 * n :]
    for x in range(n):
        ones[x], twos[x] = one[x], two[x]
        squares[x], products[x] = ones[x] * ones[x] + twos[x] * twos[x], ones[x] * twos[x]


_multiply = compiled(_plain_multiply)


def _plain_weigh(lines: Lines, shares: Row, target: Row) -> None:
    """The weighted mean of 11 lines; `shares` are those of the first six, and the same backwards.

    Two lines of one share are added first, which is exact for what `_multiply` makes.
    """
    a, b, c, d, e, middle, f, g, h, i, j = lines
    to_a, to_b, to_c, to_d, to_e, to_middle = shares[0], shares[1], shares[2], shares[3], shares[4], shares[5]
    for x in range(target.shape[0]):
        outer = to_a * np.float64(a[x] + j[x]) + to_b * np.float64(b[x] + i[x])
        inner = to_c * np.float64(c[x] + h[x]) + to_d * np.float64(d[x] + g[x])
        target[x] = outer + inner + (to_e * np.float64(e[x] + f[x]) + to_middle * np.float64(middle[x]))


_weigh = compiled(_plain_weigh)


def _plain_weigh_down(ring: Products, y: int, shares: Row, target: Row) -> None:
    """Rows y to y + 10 of the picture, each where the ring has it."""
    a, b, c, d, e = ring[y % 11], ring[(y + 1) % 11], ring[(y + 2) % 11], ring[(y + 3) % 11], ring[(y + 4) % 11]
    f, g, h, i, j = ring[(y + 6) % 11], ring[(y + 7) % 11], ring[(y + 8) % 11], ring[(y + 9) % 11], ring[(y + 10) % 11]
    _weigh((a, b, c, d, e, ring[(y + 5) % 11], f, g, h, i, j), shares, target)


_weigh_down = compiled(_plain_weigh_down)


def _plain_weigh_across(line: Row, shares: Row, target: Row) -> None:
    """All four quantities at once: the last ten values of each are not to be used, as they reach into the next."""
    n = target.shape[0]
    a, b, c, d, e = line[:n], line[1 : n + 1], line[2 : n + 2], line[3 : n + 3], line[4 : n + 4]
    f, g, h, i, j = line[6 : n + 6], line[7 : n + 7], line[8 : n + 8], line[9 : n + 9], line[10 : n + 10]
    _weigh((a, b, c, d, e, line[5 : n + 5], f, g, h, i, j), shares, target)


_weigh_across = compiled(_plain_weigh_across)


def _plain_gaussian(
    first: Plane, second: Plane, ring: Products, shares: Row, scores: Map, cells: Map, c1: float, c2: float
) -> None:  # fmt: skip
    """Row by row, so that what is computed stays in the processor's cache; each row of the map is written to one place
    if `scores` has one row."""
    height, width = first.shape[0] - GAUSSIAN_TAPS + 1, first.shape[1] - GAUSSIAN_TAPS + 1
    n = first.shape[1]
    down, means = np.empty(4 * n), np.empty(4 * n - GAUSSIAN_TAPS + 1)
    for y in range(first.shape[0]):
        _multiply(first[y], second[y], ring[y % GAUSSIAN_TAPS])
        top = y - GAUSSIAN_TAPS + 1
        if top >= 0:
            _weigh_down(ring, top, shares, down)
            _weigh_across(down, shares, means)
            ones, twos = means[:width], means[n : n + width]
            squares, products = means[2 * n : 2 * n + width], means[3 * n :]
            row = scores[min(top, scores.shape[0] - 1)]
            _score_row(ones, twos, squares, products, row, 1.0, c1, c2)
            _add_cells(row, cells, top, height)


gaussian_rows = compiled(_plain_gaussian)
