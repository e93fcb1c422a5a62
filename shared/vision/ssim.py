"""Structural similarity of two luma pictures, exactly as scikit-image computes it by default on 8 bits."""

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Luma: TypeAlias = NDArray[np.uint8]
Map: TypeAlias = NDArray[np.float64]

WINDOW = 7
K1 = 0.01
K2 = 0.03
DATA_RANGE = 255.0


def ssim_map(*, first: Luma, second: Luma) -> Map:
    """SSIM per pixel, without the border of 3 pixels where the window is incomplete.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 13(4), 2004, eq.
    13, with a 7 x 7 uniform window and sample covariance (N - 1). The sums over a window are integers below 2^53 and so
    exact in float64, also on flat bright frames, where means of products cancel.

    Raises ValueError for unequal sizes or anything smaller than the window.
    """
    if first.shape != second.shape:
        raise ValueError(f"frames of shape {first.shape} and {second.shape} cannot be compared")
    if min(first.shape) < WINDOW:
        raise ValueError(f"SSIM needs at least {WINDOW}x{WINDOW} pixels, not {first.shape[1]}x{first.shape[0]}")
    one, two = first.astype(np.float64), second.astype(np.float64)
    count = float(WINDOW * WINDOW)
    sum_one, sum_two = _window_sums(one), _window_sums(two)
    squares, product = _window_sums(one * one + two * two), _window_sums(one * two)
    both = sum_one * sum_two
    each = sum_one * sum_one + sum_two * sum_two
    sample = 1.0 / (count * (count - 1.0))
    c1, c2 = (K1 * DATA_RANGE) ** 2, (K2 * DATA_RANGE) ** 2
    luminance = (2 * both / count**2 + c1) / (each / count**2 + c1)
    structure = (2 * sample * (count * product - both) + c2) / (sample * (count * squares - each) + c2)
    return np.asarray(luminance * structure, dtype=np.float64)


def ssim(*, first: Luma, second: Luma) -> float:
    """Mean of `ssim_map`: 1 for equal frames, down to -1; higher is better."""
    return float(ssim_map(first=first, second=second).mean())


def _window_sums(values: Map) -> Map:
    pad = WINDOW // 2
    sums = cv2.boxFilter(values, cv2.CV_64F, (WINDOW, WINDOW), normalize=False, borderType=cv2.BORDER_REFLECT)
    return np.asarray(sums[pad:-pad, pad:-pad], dtype=np.float64)
