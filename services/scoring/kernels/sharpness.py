"""How sharp are the edges that are there."""

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.compiled import compiled
from services.scoring.kernels.luma import GRID, Luma, Map, at_side

Floats: TypeAlias = NDArray[np.float32]

SIDE = 256
"""Common size: clips of draft and full tier are judged at the same number of pixels."""

SIGMA_FINE = 1.0
"""Also the noise filter: what is finer than this at the common size is grain, not edges."""

SIGMA_COARSE = 2.5
EDGE_SHARE = 10
"""Percent of pixels, those with the strongest coarse gradient, that count as edges."""

FLAT_GRADIENT = 0.25
"""Levels per pixel; below this the strongest edges are codec noise and the picture counts as flat."""


FEWEST_EDGES = 32
"""Pixels with an edge, of the thousand of a grid cell: fewer do not tell how sharp it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Sums over the strongest edges, per grid cell (GRID, GRID): how many pixels, and their gradients at two scales."""

    count: Map
    fine: Map
    coarse: Map


def edges(*, luma: Luma) -> Edges:
    """The pixels with the strongest coarse gradient at the common size, a tenth of them, without the outermost ring."""
    picture = at_side(picture=luma, side=SIDE).astype(np.float32)
    fine = _gradient(_blurred(picture, SIGMA_FINE))
    coarse = _gradient(_blurred(picture, SIGMA_COARSE))
    sums = np.zeros((3, GRID, GRID), dtype=np.float64)
    strongest = (100 - EDGE_SHARE) * (coarse.size - 1)
    rank = -(-strongest // 100)
    _add(fine, coarse, np.partition(coarse.ravel(), rank)[rank], sums)
    return Edges(count=sums[0], fine=sums[1], coarse=sums[2])


def sharpness(*, of: Edges) -> float:
    """Edge sharpness in [0, 1]: 1 an ideal step, 0 no edges or edges blurred beyond recognition.

    Ratio of gradient magnitudes at two Gaussian scales on the strongest edges. For a step edge of blur s the ratio is
    R = sqrt((s^2 + coarse^2) / (s^2 + fine^2)) (Zhuo and Sim, "Defocus map estimation from a single image", Pattern
    Recognition 44, 2011, eq. 6), from 1 (blurred) to coarse/fine (step). It does not depend on contrast, and noise
    hardly moves it because only edges are asked.
    """
    count, coarse = float(of.count.sum()), float(of.coarse.sum())
    if coarse < FLAT_GRADIENT * count:
        return 0.0
    return float(_steepness(of.fine.sum() / coarse))


def sharpness_cells(*, of: Edges) -> Map:
    """The same per grid cell; 1 where a cell has no edges to speak of, as nothing in it can be unsharp."""
    telling = (of.count >= FEWEST_EDGES) & (of.coarse >= FLAT_GRADIENT * of.count)
    return np.where(telling, _steepness(of.fine / np.where(telling, of.coarse, 1.0)), 1.0)


def _steepness(ratio: Map) -> Map:
    return np.clip((ratio - 1.0) / (SIGMA_COARSE / SIGMA_FINE - 1.0), 0.0, 1.0)


def _blurred(picture: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), dtype=np.float32)


def _gradient(blurred: Floats) -> Floats:
    """Length of the gradient by central differences, without the outermost ring."""
    lengths = np.empty((blurred.shape[0] - 2, blurred.shape[1] - 2), dtype=np.float32)
    _lengths(blurred, lengths)
    return lengths


def _plain_lengths(blurred: Floats, lengths: Floats) -> None:
    half = np.float32(0.5)
    for y in range(lengths.shape[0]):
        above, row, below, target = blurred[y], blurred[y + 1], blurred[y + 2], lengths[y]
        for x in range(target.shape[0]):
            across, down = (row[x + 2] - row[x]) * half, (below[x + 1] - above[x + 1]) * half
            target[x] = np.sqrt(across * across + down * down)


_lengths = compiled(_plain_lengths)


def _plain_add(fine: Floats, coarse: Floats, least: np.float32, sums: Map) -> None:
    """Every pixel is added, those that are no edge as nothing: without a branch the loop runs in parallel lanes."""
    height, width = coarse.shape
    for y in range(height):
        cy = ((y + 1) * GRID - 1) // height
        for cx in range(GRID):
            left, right = cx * width // GRID, (cx + 1) * width // GRID
            count = fine_sum = coarse_sum = np.float32(0)
            for x in range(left, right):
                value = coarse[y, np.uintp(x)]
                is_edge = np.float32(value >= least)
                count += is_edge
                fine_sum += is_edge * fine[y, np.uintp(x)]
                coarse_sum += is_edge * value
            sums[0, cy, cx] += count
            sums[1, cy, cx] += fine_sum
            sums[2, cy, cx] += coarse_sum


_add = compiled(_plain_add, reorder_sums=True)
