"""Structural similarity with a Gaussian window: sigma 1.5, 11 taps, population covariance.

As skimage.metrics.structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False), without the
border of 5 pixels where the window is incomplete. Planes are uint8, or uint16 with the stream's own number of bits;
`data_range` is their largest value.
"""

import numpy as np

from services.scoring.kernels.luma import Map, Plane
from services.scoring.kernels.ssim import cell_scores, checked, no_cells
from services.scoring.kernels.ssim_rows import GAUSSIAN_TAPS, gaussian_rows
from shared.vision.ssim import DATA_RANGE, K1, K2

GAUSSIAN_SIGMA = 1.5


def gaussian_ssim_map(*, first: Plane, second: Plane, data_range: float = DATA_RANGE) -> Map:
    """SSIM per pixel: Wang et al., IEEE TIP 13(4), 2004, eq. 13, with the window of its section III-B.

    Raises ValueError for other sizes or anything smaller than the window.
    """
    scores = np.empty(checked(first=first, second=second, window=GAUSSIAN_TAPS))
    _run(first, second, data_range, scores, no_cells())
    return scores


def gaussian_ssim_cells(*, first: Plane, second: Plane, data_range: float = DATA_RANGE) -> tuple[float, Map]:
    """The mean of `gaussian_ssim_map` and its mean per grid cell, without keeping the map; see `cell_scores`."""
    _, width = checked(first=first, second=second, window=GAUSSIAN_TAPS)
    cells = no_cells()
    _run(first, second, data_range, np.empty((1, width)), cells)
    return cell_scores(cells=cells)


def _run(first: Plane, second: Plane, data_range: float, scores: Map, cells: Map) -> None:
    """float32 is exact up to 2 to the 24, which two sums of two squares of 8 bits do not reach; more bits need float64.

    Weighting is done in float64 always.
    """
    exact = np.float32 if first.dtype == np.uint8 else np.float64
    ring = np.empty((GAUSSIAN_TAPS, 4 * first.shape[1]), dtype=exact)
    shares = np.exp(-0.5 * (np.arange(-(GAUSSIAN_TAPS // 2), 1) / GAUSSIAN_SIGMA) ** 2)
    shares /= 2 * shares.sum() - shares[-1]
    gaussian_rows(first, second, ring, shares, scores, cells, (K1 * data_range) ** 2, (K2 * data_range) ** 2)
