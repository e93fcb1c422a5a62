"""How bright, and how much of the picture is beyond what it can show."""

import numpy as np

from services.scoring.kernels.luma import Luma, Map, cell_means

CRUSHED = 2
BLOWN = 253
"""8-bit levels. H.264 at usual quality moves a clipped level by one or two, so the ends are three levels wide."""


def mean_luma(*, luma: Luma) -> float:
    """Mean luma in [0, 1] (full range: 255 is 1)."""
    return float(luma.mean(dtype=np.float64)) / 255.0


def clipped_cells(*, luma: Luma) -> Map:
    """Share of pixels at either end of the range, per grid cell; the mean of the cells is the share of the picture."""
    return cell_means(values=((luma <= CRUSHED) | (luma >= BLOWN)).astype(np.float64))


def clipped_share(*, luma: Luma) -> float:
    """Share of pixels at either end of the range, in [0, 1]: detail that no grading brings back."""
    return float(np.count_nonzero((luma <= CRUSHED) | (luma >= BLOWN))) / luma.size
