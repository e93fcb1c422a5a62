"""How like two square patches look: a grid of cells, each with its edge directions, its structure and its colour.

Brightness plays no part, so a change of light is no change of identity.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.luma import Map, Rgb

PATCH = 64
"""Side of the square every region is resampled to, so that draft and full tier describe the same number of pixels."""

CELLS = 8
ORIENTATIONS = 8
EDGE_FLOOR = 2.0
"""Levels per pixel of a cell's mean gradient below which its direction is mostly noise; it then counts as agreeing."""

CHROMA_TOLERANCE = 12.0
"""CIELAB units of a/b at which a cell's colour similarity has dropped to 1/e. Video compression moves a cell by 1 to 2,
a just noticeable difference is 2.3."""

STRUCTURE_SIGMA = 4.0
"""Patch pixels: the window of the local correlation, half a cell on each side."""

STRUCTURE_FLOOR = 16.0
"""Squared levels added to both sides of the local correlation: in a flat cell there is nothing to disagree about."""

MEAN_LEVEL = 110.0
"""Mean luma that every patch is scaled to before it is described: a darker scene is not another face."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """`edges` (CELLS, CELLS, ORIENTATIONS), unnormalised; `chroma` (CELLS, CELLS, 2) in CIELAB a, b; `grey` the patch
    itself, smoothed (PATCH, PATCH)."""

    edges: NDArray[np.float64]
    chroma: NDArray[np.float64]
    grey: NDArray[np.float32]


def look(*, rgb_patch: Rgb) -> Look:
    """Edge directions (Dalal and Triggs, "Histograms of oriented gradients", CVPR 2005, with signed directions and
    linear voting between neighbouring directions and cells) and mean colour per cell, at one common brightness."""
    bright = cv2.cvtColor(rgb_patch, cv2.COLOR_RGB2GRAY)
    gain = MEAN_LEVEL / max(1.0, float(bright.mean(dtype=np.float64)))
    grey = np.asarray(cv2.GaussianBlur(bright.astype(np.float32) * gain, (0, 0), 1.2), dtype=np.float32)
    lab = cv2.cvtColor(np.minimum(rgb_patch.astype(np.float32) * (gain / 255), 1.0), cv2.COLOR_RGB2LAB)
    chroma = cv2.resize(lab[..., 1:], (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return Look(edges=_edge_directions(grey), chroma=np.asarray(chroma, dtype=np.float64), grey=grey)


def _edge_directions(grey: NDArray[np.float32]) -> NDArray[np.float64]:
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3) / 8
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=3) / 8
    size = np.hypot(across, down)
    turn = (np.arctan2(down, across) / (2 * np.pi) * ORIENTATIONS) % ORIENTATIONS
    cells = np.empty((CELLS, CELLS, ORIENTATIONS))
    for k in range(ORIENTATIONS):
        distance = np.abs(turn - k)
        vote = np.maximum(0.0, 1.0 - np.minimum(distance, ORIENTATIONS - distance)) * size
        spread = cv2.GaussianBlur(vote, (0, 0), PATCH / CELLS / 2)
        cells[..., k] = cv2.resize(spread, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return cells


def similarity_cells(*, reference: Look, other: Look) -> Map:
    """Likeness per cell in [0, 1]: the product of three agreements, so that one of them is enough to say "changed".

    Cosine of the edge directions; local correlation of the smoothed grey values (the structure term of SSIM, Wang et
    al. 2004, eq. 10), squared, which sees a bent contour that the directions of a whole cell forgive; and
    exp(-(chroma distance / tolerance)^2).
    """
    dot = np.sum(reference.edges * other.edges, axis=-1)
    norms = np.linalg.norm(reference.edges, axis=-1) * np.linalg.norm(other.edges, axis=-1)
    floor = EDGE_FLOOR**2 / ORIENTATIONS
    shape = np.clip((dot + floor) / (norms + floor), 0.0, 1.0)
    distance = np.linalg.norm(reference.chroma - other.chroma, axis=-1)
    colour = np.exp(-((distance / CHROMA_TOLERANCE) ** 2))
    return np.asarray(shape * colour * _structure(reference.grey, other.grey) ** 2, dtype=np.float64)


def _structure(one: NDArray[np.float32], two: NDArray[np.float32]) -> Map:
    def local(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), STRUCTURE_SIGMA), dtype=np.float64)

    a, b = one.astype(np.float64), two.astype(np.float64)
    mean_a, mean_b = local(a), local(b)
    spread_a = np.maximum(local(a * a) - mean_a**2, 0.0)
    spread_b = np.maximum(local(b * b) - mean_b**2, 0.0)
    together = local(a * b) - mean_a * mean_b
    agreement = (together + STRUCTURE_FLOOR) / (np.sqrt(spread_a * spread_b) + STRUCTURE_FLOOR)
    small = cv2.resize(agreement, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(small, 0.0, 1.0), dtype=np.float64)


def similarity(*, reference: Look, other: Look) -> float:
    """Mean of `similarity_cells`, weighted towards the middle of the region: the face, not what is behind it."""
    return float(np.sum(similarity_cells(reference=reference, other=other) * centre_weights()))


def centre_weights() -> Map:
    """Weights of the cells, summing to 1: a Gaussian of a third of the side."""
    at = (np.arange(CELLS) - (CELLS - 1) / 2) / (CELLS / 3)
    line = np.exp(-(at**2) / 2)
    weights = np.outer(line, line)
    return np.asarray(weights / weights.sum(), dtype=np.float64)
