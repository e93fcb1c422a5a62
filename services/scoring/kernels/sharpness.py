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
EDGE_SHARE = 15
"""Percent of pixels, those with the strongest coarse gradient, that count as edges."""

WHOLE_EDGE = 1.5
"""The weight of an edge rises from 0 at the weakest one's squared gradient to 1 at this many times as much."""

FLAT_GRADIENT = 0.25
"""Levels per pixel; below this the strongest edges are codec noise and the picture counts as flat."""

NO_EDGE = 1e-6
"""Squared levels per pixel: where most of a picture has no gradient at all, the others are its edges."""

NOISE_BLUR = 0.8
"""Pixels: noise that was coded, decoded and resized is not white any more, but like white noise after this blur."""

FEWEST_EDGES = 32
"""Pixels with an edge, of the thousand of a grid cell: fewer do not tell how sharp it is."""


TYPICAL_RATIO = 1.4
"""Of fine to coarse gradient, on photographs; how much noise shows across an edge depends on it a little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Weighted sums over the strongest edges, per grid cell (GRID, GRID).

    `weight`: pixels. `coarse`: squared coarse gradient c. `along`: inner product of fine and coarse gradient.
    `across`: squared part of the fine gradient that does not point where the coarse one does: no edge, but noise.
    `spread`: divergence of weight x c in c, which is how much a gradient of noise adds to the two products.
    """

    weight: Map
    coarse: Map
    along: Map
    across: Map
    spread: Map


def edges(*, luma: Luma) -> Edges:
    """The pixels with the strongest coarse gradient at the common size, without the outermost ring."""
    picture = at_side(picture=luma, side=SIDE).astype(np.float32)
    fine, coarse = _blurred(picture, SIGMA_FINE), _blurred(picture, SIGMA_COARSE)
    products = np.empty((3, picture.shape[0] - 2, picture.shape[1] - 2), dtype=np.float32)
    _products(fine, coarse, products)
    strongest = (100 - EDGE_SHARE) * (products[0].size - 1)
    rank = -(-strongest // 100)
    weakest = max(np.partition(products[0].ravel(), rank)[rank], NO_EDGE)
    sums = np.zeros((5, GRID, GRID), dtype=np.float64)
    _add(products, np.float32(weakest), np.float32(1 / ((WHOLE_EDGE - 1) * weakest)), sums)
    return Edges(weight=sums[0], coarse=sums[1], along=sums[2], across=sums[3], spread=sums[4])


def sharpness(*, of: Edges) -> float:
    """Edge sharpness in [0, 1]: 1 an ideal step, 0 no edges or edges blurred beyond recognition.

    Ratio of gradients at two Gaussian scales on the strongest edges. For a step edge of blur s the ratio is
    R = sqrt((s^2 + coarse^2) / (s^2 + fine^2)) (Zhuo and Sim, "Defocus map estimation from a single image", Pattern
    Recognition 44, 2011, eq. 6), from 1 (blurred) to coarse/fine (step). It is taken as the slope of a weighted
    least-squares line through the origin, sum(fine . coarse) / sum(coarse . coarse). Noise adds to both sums, more so
    because where it is strong it is taken for an edge. For normal noise what it adds is its covariance times the
    divergence of weight x coarse gradient (Stein, "Estimation of the mean of a multivariate normal distribution",
    Annals of Statistics 9, 1981, lemma 2), and is taken off; how strong it is, the gradients across the edges say.
    It does not depend on contrast.
    """
    weight, coarse = float(of.weight.sum()), float(of.coarse.sum())
    if coarse <= FLAT_GRADIENT**2 * weight:
        return 0.0
    noise = of.across.sum() / weight / ACROSS
    return float(_steepness(of.along.sum(), np.asarray(coarse), noise * of.spread.sum()))


def sharpness_cells(*, of: Edges) -> Map:
    """The same per grid cell; 1 where a cell has no edges to speak of, as nothing in it can be unsharp."""
    telling = (of.weight >= FEWEST_EDGES) & (of.coarse >= FLAT_GRADIENT**2 * of.weight)
    noise = of.across / np.where(telling, of.weight, 1.0) / ACROSS
    return np.where(telling, _steepness(of.along, np.where(telling, of.coarse, 1.0), noise * of.spread), 1.0)


def _shared_noise(sigma: float, other: float) -> float:
    """Covariance of the derivatives of white noise at two scales, per axis, as a multiple of one constant.

    Blurred by b_1 and b_2 it is power / (2 pi (b_1^2 + b_2^2)^2), with b_i^2 = sigma_i^2 + NOISE_BLUR^2.
    """
    return 1 / (sigma**2 + other**2 + 2 * NOISE_BLUR**2) ** 2


SHARED = _shared_noise(SIGMA_FINE, SIGMA_COARSE) / _shared_noise(SIGMA_COARSE, SIGMA_COARSE)
"""Of the noise of fine and coarse gradient, as multiple of the coarse one's variance per axis."""

ACROSS = (
    _shared_noise(SIGMA_FINE, SIGMA_FINE) / _shared_noise(SIGMA_COARSE, SIGMA_COARSE)
    - SHARED**2
    + (SHARED - TYPICAL_RATIO) ** 2
)
"""Variance of the fine gradient's noise across the coarse gradient, likewise. The coarse gradient is turned by noise of
its own, towards what the fine one shares of that."""


def _steepness(along: Map, coarse: Map, noise: Map) -> Map:
    """`noise`: what it added to `coarse`, and as a multiple SHARED to `along`. At most half of an edge is noise."""
    ratio = (along - SHARED * noise) / np.maximum(coarse - noise, 0.5 * coarse)
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


def _plain_add(products: Floats, weakest: np.float32, slope: np.float32, sums: Map) -> None:
    """Every pixel is added, those that are no edge as nothing: without a branch the loop runs in parallel lanes."""
    height, width = products.shape[1], products.shape[2]
    none, one, two, tiny = np.float32(0), np.float32(1), np.float32(2), np.float32(1e-9)
    for y in range(height):
        cell_y = ((y + 1) * GRID - 1) // height
        squares, inner, outer = products[0, y], products[1, y], products[2, y]
        for cell_x in range(GRID):
            left, right = cell_x * width // GRID, (cell_x + 1) * width // GRID
            weight = coarse = along = across = spread = none
            for x in range(left, right):
                at = np.uintp(x)
                square = squares[at]
                above = (square - weakest) * slope
                share = min(max(above, none), one)
                rises = np.float32(above > none) * np.float32(above < one)
                weight += share
                coarse += share * square
                along += share * inner[at]
                across += share * outer[at] * outer[at] / (square + tiny)
                spread += two * (share + rises * square * slope)
            sums[0, cell_y, cell_x] += weight
            sums[1, cell_y, cell_x] += coarse
            sums[2, cell_y, cell_x] += along
            sums[3, cell_y, cell_x] += across
            sums[4, cell_y, cell_x] += spread


_add = compiled(_plain_add, reorder_sums=True)
