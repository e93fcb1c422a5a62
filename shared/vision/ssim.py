"""Structural similarity of two luma pictures, exactly as scikit-image computes it by default on 8 bits.

For services without a compiler. The scoring service has the same definition compiled, about ten times as fast and with
maps, other depths and windows (`services.scoring.kernels.ssim`); its constants are these, and one suite of tests runs
on both.
"""

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Luma: TypeAlias = NDArray[np.uint8]
Sums: TypeAlias = NDArray[np.int32]

WINDOW = 7
K1 = 0.01
K2 = 0.03
DATA_RANGE = 255.0

STRIP = 32
"""Rows taken together: few enough that what is computed of them stays in the processor's cache."""


def ssim(*, first: Luma, second: Luma) -> float:
    """Mean over the picture without the border of 3 pixels: 1 for equal frames, down to -1; higher is better.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 13(4), 2004, eq.
    13, with a 7 x 7 uniform window and sample covariance (N - 1). The sums over a window are integers and therefore
    exact, also on flat bright frames, where means of products cancel.

    Raises ValueError for unequal sizes or anything smaller than the window.
    """
    if first.shape != second.shape:
        raise ValueError(f"frames of shape {first.shape} and {second.shape} cannot be compared")
    if min(first.shape) < WINDOW:
        raise ValueError(f"SSIM needs at least {WINDOW}x{WINDOW} pixels, not {first.shape[1]}x{first.shape[0]}")
    rows, columns = first.shape[0] - WINDOW + 1, first.shape[1] - WINDOW + 1
    total = np.float64(0)
    for top in range(0, rows, STRIP):
        strip = np.s_[top : min(top + STRIP, rows) + WINDOW - 1]
        total += _strip_sum(first[strip], second[strip])
    return float(total / (rows * columns))


def _strip_sum(one: Luma, two: Luma) -> np.float64:
    """Both factors of eq. 13, multiplied by N squared and N (N - 1): one division per pixel."""
    n = float(WINDOW * WINDOW)
    d1, d2 = (K1 * DATA_RANGE) ** 2 * n * n, (K2 * DATA_RANGE) ** 2 * n * (n - 1)
    sum_one, sum_two = _window_sums(one), _window_sums(two)
    squares = _window_sums(_multiplied(one, one)) + _window_sums(_multiplied(two, two))
    product = _window_sums(_multiplied(one, two))
    both = _multiplied_sums(sum_one, sum_two)
    each = _multiplied_sums(sum_one, sum_one) + _multiplied_sums(sum_two, sum_two)
    above = (2 * both + d1) * (2 * (n * product - both) + d2)
    below = (each + d1) * ((n * squares - each) + d2)
    return np.float64(np.sum(above / below))


def _multiplied(one: Luma, two: Luma) -> NDArray[np.uint16]:
    """16 bits hold 255 x 255."""
    return np.asarray(cv2.multiply(one, two, dtype=cv2.CV_16U), dtype=np.uint16)


def _multiplied_sums(one: Sums, two: Sums) -> NDArray[np.float64]:
    return np.asarray(cv2.multiply(one, two, dtype=cv2.CV_64F), dtype=np.float64)


def _window_sums(values: NDArray[np.uint8] | NDArray[np.uint16]) -> Sums:
    pad = WINDOW // 2
    sums = cv2.boxFilter(values, cv2.CV_32S, (WINDOW, WINDOW), normalize=False, borderType=cv2.BORDER_REFLECT)
    return np.asarray(sums[pad:-pad, pad:-pad], dtype=np.int32)
