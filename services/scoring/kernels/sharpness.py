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

NOISE_BLUR = 0.8
"""Pixels: noise that was coded, decoded and resized is not white any more, but like white noise after this blur."""

FEWEST_EDGES = 32
"""Pixels with an edge, of the thousand of a grid cell: fewer do not tell how sharp it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Sums over the strongest edges, per grid cell (GRID, GRID).

    `count`: pixels. `coarse`: squared coarse gradient. `along`: inner product of fine and coarse gradient.
    `across`: squared part of the fine gradient that does not point where the coarse one does: no edge, but noise.
    """

    count: Map
    coarse: Map
    along: Map
    across: Map


def edges(*, luma: Luma) -> Edges:
    """The pixels with the strongest coarse gradient at the common size, a tenth of them, without the outermost ring."""
    picture = at_side(picture=luma, side=SIDE).astype(np.float32)
    fine, coarse = _blurred(picture, SIGMA_FINE), _blurred(picture, SIGMA_COARSE)
    products = np.empty((3, picture.shape[0] - 2, picture.shape[1] - 2), dtype=np.float32)
    _products(fine, coarse, products)
    strongest = (100 - EDGE_SHARE) * (products[0].size - 1)
    rank = -(-strongest // 100)
    sums = np.zeros((4, GRID, GRID), dtype=np.float64)
    _add(products, np.partition(products[0].ravel(), rank)[rank], sums)
    return Edges(count=sums[0], coarse=sums[1], along=sums[2], across=sums[3])


def sharpness(*, of: Edges) -> float:
    """Edge sharpness in [0, 1]: 1 an ideal step, 0 no edges or edges blurred beyond recognition.

    Ratio of gradients at two Gaussian scales on the strongest edges. For a step edge of blur s the ratio is
    R = sqrt((s^2 + coarse^2) / (s^2 + fine^2)) (Zhuo and Sim, "Defocus map estimation from a single image", Pattern
    Recognition 44, 2011, eq. 6), from 1 (blurred) to coarse/fine (step). It is taken as the slope of a least-squares
    line through the origin, sum(fine . coarse) / sum(coarse . coarse): noise has no direction, so it cancels in the
    products, but for what both scales share of it; that is taken off, as large as the gradient across the edges says.
    It does not depend on contrast.
    """
    count, coarse = float(of.count.sum()), float(of.coarse.sum())
    if coarse < FLAT_GRADIENT**2 * count:
        return 0.0
    return float(_steepness(of.along.sum(), of.across.sum(), np.asarray(coarse)))


def sharpness_cells(*, of: Edges) -> Map:
    """The same per grid cell; 1 where a cell has no edges to speak of, as nothing in it can be unsharp."""
    telling = (of.count >= FEWEST_EDGES) & (of.coarse >= FLAT_GRADIENT**2 * of.count)
    return np.where(telling, _steepness(of.along, of.across, np.where(telling, of.coarse, 1.0)), 1.0)


def _shared_noise(sigma: float) -> float:
    """What a fine and another gradient share of noise, in squared gradients of the noise at the fine scale.

    White noise blurred by b has derivatives of covariance 1 / (2 pi (b_1^2 + b_2^2)^2) per axis between two scales, up
    to its power; b_i^2 = sigma_i^2 + NOISE_BLUR^2, and there are two axes.
    """
    own = 2 * (SIGMA_FINE**2 + NOISE_BLUR**2)
    return 2 * (own / (sigma**2 + NOISE_BLUR**2 + SIGMA_COARSE**2 + NOISE_BLUR**2)) ** 2


ALONG_NOISE = _shared_noise(SIGMA_FINE)
COARSE_NOISE = _shared_noise(SIGMA_COARSE)


def _steepness(along: Map, across: Map, coarse: Map) -> Map:
    edge = np.maximum(coarse - COARSE_NOISE * across, 0.5 * coarse)
    ratio = (along - ALONG_NOISE * across) / edge
    return np.clip((ratio - 1.0) / (SIGMA_COARSE / SIGMA_FINE - 1.0), 0.0, 1.0)


def _blurred(picture: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), dtype=np.float32)


def _plain_products(fine: Floats, coarse: Floats, products: Floats) -> None:
    """Of gradients by central differences, without the outermost ring: coarse squared, inner and outer product."""
    half = np.float32(0.5)
    for y in range(products.shape[1]):
        fine_above, fine_row, fine_below = fine[y], fine[y + 1], fine[y + 2]
        above, row, below = coarse[y], coarse[y + 1], coarse[y + 2]
        squares, inner, outer = products[0, y], products[1, y], products[2, y]
        for x in range(products.shape[2]):
            fx, fy = (fine_row[x + 2] - fine_row[x]) * half, (fine_below[x + 1] - fine_above[x + 1]) * half
            cx, cy = (row[x + 2] - row[x]) * half, (below[x + 1] - above[x + 1]) * half
            squares[x] = cx * cx + cy * cy
            inner[x] = fx * cx + fy * cy
            outer[x] = fx * cy - fy * cx


_products = compiled(_plain_products)


def _plain_add(products: Floats, least: np.float32, sums: Map) -> None:
    """Every pixel is added, those that are no edge as nothing: without a branch the loop runs in parallel lanes."""
    height, width = products.shape[1], products.shape[2]
    tiny = np.float32(1e-9)
    for y in range(height):
        cell_y = ((y + 1) * GRID - 1) // height
        squares, inner, outer = products[0, y], products[1, y], products[2, y]
        for cell_x in range(GRID):
            left, right = cell_x * width // GRID, (cell_x + 1) * width // GRID
            count = coarse = along = across = np.float32(0)
            for x in range(left, right):
                at = np.uintp(x)
                is_edge = np.float32(squares[at] >= least)
                count += is_edge
                coarse += is_edge * squares[at]
                along += is_edge * inner[at]
                across += is_edge * outer[at] * outer[at] / (squares[at] + tiny)
            sums[0, cell_y, cell_x] += count
            sums[1, cell_y, cell_x] += coarse
            sums[2, cell_y, cell_x] += along
            sums[3, cell_y, cell_x] += across


_add = compiled(_plain_add, reorder_sums=True)
