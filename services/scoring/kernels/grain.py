"""How noisy a single picture is, apart from what it shows."""

import numpy as np

from services.scoring.kernels.luma import Map
from services.scoring.kernels.surface import Surface, share

LEVELS = 255.0

QUIET = 25
"""Percent. Noise lies over the whole picture, texture does not: a quarter of the cells are taken to be smooth enough to
tell one from the other."""

MOSTLY = 0.5
"""A cell of which more than this share is clipped cannot show its noise."""


def noise(*, of: Surface) -> float:
    """Standard deviation of the noise as a share of the range, 0 upwards: the lower quartile of `noise_cells`.

    Cells that are mostly clipped do not count; 0 if all are. Texture that fills the picture (foliage, a star field)
    counts as noise of 0.01 to 0.02; and what an encoder smoothed away is gone: H.264 at usual quality leaves about two
    thirds of a noise of 0.04.
    """
    seen = of.crushed + of.blown <= MOSTLY * of.pixels
    return _quantile(noise_cells(of=of)[seen]) if seen.any() else 0.0


def _quantile(values: Map) -> float:
    """QUIET percent of the values are below; linear between two of them, as numpy.percentile, without its overhead."""
    ordered = np.sort(values)
    place = QUIET / 100 * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


def noise_cells(*, of: Surface) -> Map:
    """Immerkaer, "Fast noise variance estimation", Computer Vision and Image Understanding 64(2), 1996, per grid cell:
    sqrt(pi / 2) / 6 times the mean absolute answer of [[1, -2, 1], [-2, 4, -2], [1, -2, 1]], as a share
    of the range."""
    return np.asarray(np.sqrt(np.pi / 2) / 6 / LEVELS * share(of.grain, of.grains), dtype=np.float64)
