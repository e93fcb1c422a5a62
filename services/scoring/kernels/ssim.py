"""Structural similarity, exactly as scikit-image computes it: its defaults, and its Gaussian variant.

Planes are uint8, or uint16 with the stream's own number of bits; `data_range` is their largest value.
"""

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.compiled import compiled
from services.scoring.kernels.luma import GRID, Luma, Map, Plane
from shared.vision.ssim import DATA_RANGE, K1, K2, WINDOW

Sums: TypeAlias = NDArray[np.int32] | NDArray[np.float64]

GAUSSIAN_SIGMA = 1.5
GAUSSIAN_TAPS = 11


def ssim_map(*, first: Plane, second: Plane, data_range: float = DATA_RANGE) -> Map:
    """SSIM per pixel, without the border of 3 pixels where the window is incomplete.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 13(4), 2004, eq.
    13, with skimage.metrics.structural_similarity's defaults: 7 x 7 uniform window, sample covariance (N - 1), K1 =
    0.01, K2 = 0.03. Sums over the window are integers and therefore exact, also on flat bright frames, where means of
    products cancel.

    Raises ValueError for other sizes or anything smaller than the window.
    """
    height, width = _checked(first, second, WINDOW)
    scores = np.empty((height - WINDOW + 1, width - WINDOW + 1))
    _run(first, second, data_range, scores)
    return scores


def ssim(*, first: Plane, second: Plane, data_range: float = DATA_RANGE) -> float:
    """Mean of `ssim_map`: 1 for equal frames, down to -1. Keeps one row of it at a time."""
    height, width = _checked(first, second, WINDOW)
    count = (height - WINDOW + 1) * (width - WINDOW + 1)
    return _run(first, second, data_range, np.empty((1, width - WINDOW + 1))) / count


def ssim_cells(*, first: Plane, second: Plane, data_range: float = DATA_RANGE) -> tuple[float, Map]:
    """The mean of `ssim_map` and its mean per grid cell (GRID, GRID), without keeping the map.

    Cells are whole pixels of the map; those of a picture narrower than the grid may be empty, and are then 1.
    """
    height, width = _checked(first, second, WINDOW)
    scores = np.empty((1, width - WINDOW + 1))
    cells = np.zeros((2, GRID, GRID))
    total = _run(first, second, data_range, scores, cells)
    found = np.where(cells[1] > 0, cells[0] / np.maximum(cells[1], 1), 1.0)
    return total / ((height - WINDOW + 1) * (width - WINDOW + 1)), found


def gaussian_ssim_map(*, first: Plane, second: Plane, data_range: float = DATA_RANGE) -> Map:
    """SSIM per pixel with the window of Wang et al. 2004: Gaussian, sigma 1.5, 11 taps, population covariance.

    As structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False), without the border of 5
    pixels. Values are taken relative to the middle of the range first: covariance does not change by it, and cancels
    less.
    """
    height, width = _checked(first, second, GAUSSIAN_TAPS)
    scores = np.empty((height - GAUSSIAN_TAPS + 1, width - GAUSSIAN_TAPS + 1))
    for top in range(0, scores.shape[0], STRIP):
        rows = np.s_[top : min(top + STRIP, scores.shape[0]) + GAUSSIAN_TAPS - 1]
        scores[top : top + STRIP] = _gaussian_strip(first[rows], second[rows], data_range)
    return scores


STRIP = 48
"""Rows taken together: few enough that what is computed of them stays in the processor's cache."""


def _gaussian_strip(first: Plane, second: Plane, data_range: float) -> Map:
    middle = (data_range + 1) / 2
    one, two = first.astype(np.float64) - middle, second.astype(np.float64) - middle
    mean_one, mean_two = _gaussian_mean(one), _gaussian_mean(two)
    covariance = _gaussian_mean(one * two) - mean_one * mean_two
    variances = 2 * _gaussian_mean((one * one + two * two) / 2) - (mean_one**2 + mean_two**2)
    mean_one, mean_two = mean_one + middle, mean_two + middle
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    above = (2 * mean_one * mean_two + c1) * (2 * covariance + c2)
    below = (mean_one**2 + mean_two**2 + c1) * (variances + c2)
    return np.asarray(above / below, dtype=np.float64)


def _gaussian_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    pad = GAUSSIAN_TAPS // 2
    line = np.exp(-0.5 * (np.arange(-pad, pad + 1) / GAUSSIAN_SIGMA) ** 2)
    line /= line.sum()
    means = cv2.sepFilter2D(values, cv2.CV_64F, line, line, borderType=cv2.BORDER_REFLECT)
    return np.asarray(means[pad:-pad, pad:-pad], dtype=np.float64)


def _checked(first: Plane, second: Plane, window: int) -> tuple[int, int]:
    if first.shape != second.shape:
        raise ValueError(f"frames of shape {first.shape} and {second.shape} cannot be compared")
    if first.dtype != second.dtype or first.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"SSIM compares planes of 8 or 16 bits, not {first.dtype} and {second.dtype}")
    if min(first.shape) < window:
        raise ValueError(f"SSIM needs at least {window}x{window} pixels, not {first.shape[1]}x{first.shape[0]}")
    return first.shape[0], first.shape[1]


def _run(first: Plane, second: Plane, data_range: float, scores: Map, cells: Map | None = None) -> float:
    """int32 holds 49 x 49 x 255 x 255 x 2; more bits are summed in float64, exact up to 2 to the 53."""
    exact = np.int32 if first.dtype == np.uint8 else np.float64
    columns = np.zeros((4, first.shape[1]), dtype=exact)
    sums = np.empty((4, first.shape[1] - WINDOW + 1), dtype=exact)
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    kept = np.zeros((2, 0, 0)) if cells is None else cells
    return _rows(first, second, columns, sums, scores, kept, c1, c2)


def _plain_row_sum(values: NDArray[np.float64]) -> float:
    total = 0.0
    for x in range(values.shape[0]):
        total += values[x]
    return total


_row_sum = compiled(_plain_row_sum, reorder_sums=True)


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


def _plain_score_row(sums: Sums, row: NDArray[np.float64], c1: float, c2: float) -> None:
    """Both factors of eq. 13, multiplied by N squared and N (N - 1): one division per pixel."""
    n = WINDOW * WINDOW
    d1, d2 = c1 * n * n, c2 * n * (n - 1)
    for x in range(row.shape[0]):
        a, b = np.float64(sums[0, x]), np.float64(sums[1, x])
        squares, product = np.float64(sums[2, x]), np.float64(sums[3, x])
        ab, aa_bb = a * b, a * a + b * b
        above = (2.0 * ab + d1) * (2.0 * (n * product - ab) + d2)
        row[x] = above / ((aa_bb + d1) * ((n * squares - aa_bb) + d2))


_score_row = compiled(_plain_score_row)


def _plain_add_cells(row: NDArray[np.float64], cells: Map, cy: int) -> None:
    for cx in range(GRID):
        left, right = cx * row.shape[0] // GRID, (cx + 1) * row.shape[0] // GRID
        cells[0, cy, cx] += _row_sum(row[left:right])
        cells[1, cy, cx] += right - left


_add_cells = compiled(_plain_add_cells)


def _plain_rows(
    first: Plane, second: Plane, columns: Sums, sums: Sums, scores: Map, cells: Map, c1: float, c2: float
) -> float:  # fmt: skip
    """Window sums slide down the picture; every row of the map is written, to one place if `scores` has one row."""
    total = 0.0
    for y in range(first.shape[0]):
        _add_row(columns, first[y], second[y], 1)
        if y >= WINDOW:
            _add_row(columns, first[y - WINDOW], second[y - WINDOW], -1)
        if y >= WINDOW - 1:
            _window_sums(columns, sums)
            row = scores[min(y - WINDOW + 1, scores.shape[0] - 1)]
            _score_row(sums, row, c1, c2)
            total += _row_sum(row)
            if cells.shape[1] > 0:
                _add_cells(row, cells, ((y - WINDOW + 2) * GRID - 1) // (first.shape[0] - WINDOW + 1))
    return total


_rows = compiled(_plain_rows)


def handover_map(*, previous_last: Luma, first: Luma) -> Map:
    """SSIM per pixel between the frame a segment should continue and the frame it begins with, at the smaller size.

    The seed frame may be larger than the clip (a draft of a full-tier scene): the larger one is shrunk by area
    averaging, which is what the renderer does with it.
    """
    if previous_last.shape == first.shape:
        return ssim_map(first=previous_last, second=first)
    height, width = min(previous_last.shape, first.shape, key=lambda shape: shape[0] * shape[1])
    small = [
        np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        for frame in (previous_last, first)
    ]
    return ssim_map(first=small[0], second=small[1])
