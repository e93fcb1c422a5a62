"""Structural similarity, exactly as scikit-image computes it by default on 8-bit pictures."""

import cv2
import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.luma import Luma, Map

WINDOW = 7
K1 = 0.01
K2 = 0.03
DATA_RANGE = 255.0


def ssim_map(*, first: Luma, second: Luma) -> Map:
    """SSIM per pixel, without the border of 3 pixels where the window is incomplete.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 13(4), 2004, eq.
    13, with skimage.metrics.structural_similarity's defaults: 7 x 7 uniform window, sample covariance (N - 1), K1 =
    0.01, K2 = 0.03. Sums over the window are integers and therefore exact in float64, also on flat bright frames, where
    means of products cancel.

    Raises ValueError for other sizes or anything smaller than the window.
    """
    if first.shape != second.shape:
        raise ValueError(f"frames of shape {first.shape} and {second.shape} cannot be compared")
    if min(first.shape) < WINDOW:
        raise ValueError(f"SSIM needs at least {WINDOW}x{WINDOW} pixels, not {first.shape[1]}x{first.shape[0]}")
    one, two = first.astype(np.float64), second.astype(np.float64)
    count = float(WINDOW * WINDOW)
    sum_one, sum_two = _window_sum(one), _window_sum(two)
    squares = _window_sum(one * one + two * two)
    product = _window_sum(one * two)
    mean_product = sum_one * sum_two / count**2
    mean_squares = (sum_one * sum_one + sum_two * sum_two) / count**2
    sample = 1.0 / (count * (count - 1.0))
    covariance = (count * product - sum_one * sum_two) * sample
    variances = (count * squares - sum_one * sum_one - sum_two * sum_two) * sample
    c1, c2 = (K1 * DATA_RANGE) ** 2, (K2 * DATA_RANGE) ** 2
    return np.asarray(
        ((2 * mean_product + c1) * (2 * covariance + c2)) / ((mean_squares + c1) * (variances + c2)), dtype=np.float64
    )


def ssim(*, first: Luma, second: Luma) -> float:
    """Mean of `ssim_map`: 1 for equal frames, down to -1."""
    return float(ssim_map(first=first, second=second).mean())


def _window_sum(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over each full 7 x 7 window (valid part only)."""
    pad = WINDOW // 2
    sums = cv2.boxFilter(values, cv2.CV_64F, (WINDOW, WINDOW), normalize=False, borderType=cv2.BORDER_REFLECT)
    return np.asarray(sums[pad:-pad, pad:-pad], dtype=np.float64)


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
