"""How sharp are the edges that are there."""

import cv2
import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.luma import Luma, at_side

SIDE = 256
"""Common size: clips of draft and full tier are judged at the same number of pixels."""

SIGMA_FINE = 1.0
"""Also the noise filter: what is finer than this at the common size is grain, not edges."""

SIGMA_COARSE = 2.5
EDGE_SHARE = 10
"""Percent of pixels, those with the strongest coarse gradient, that count as edges."""

FLAT_GRADIENT = 0.25
"""Levels per pixel; below this the strongest edges are codec noise and the picture counts as flat."""


def sharpness(*, luma: Luma) -> float:
    """Edge sharpness in [0, 1]: 1 an ideal step, 0 no edges or edges blurred beyond recognition.

    Ratio of gradient magnitudes at two Gaussian scales on the strongest edges. For a step edge of blur s the ratio is
    R = sqrt((s^2 + coarse^2) / (s^2 + fine^2)) (Zhuo and Sim, "Defocus map estimation from a single image", Pattern
    Recognition 44, 2011, eq. 6), from 1 (blurred) to coarse/fine (step). It does not depend on contrast, and noise
    hardly moves it because only edges are asked.
    """
    picture = at_side(picture=luma, side=SIDE).astype(np.float32)
    fine = _gradient(picture, SIGMA_FINE)
    coarse = _gradient(picture, SIGMA_COARSE)
    edges = coarse >= np.percentile(coarse, 100 - EDGE_SHARE)
    coarse_mean = float(coarse[edges].mean(dtype=np.float64))
    if coarse_mean < FLAT_GRADIENT:
        return 0.0
    ratio = float(fine[edges].mean(dtype=np.float64)) / coarse_mean
    return float(np.clip((ratio - 1.0) / (SIGMA_COARSE / SIGMA_FINE - 1.0), 0.0, 1.0))


def _gradient(picture: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    blurred = cv2.GaussianBlur(picture, (0, 0), sigma)
    across = (blurred[1:-1, 2:] - blurred[1:-1, :-2]) / 2
    down = (blurred[2:, 1:-1] - blurred[:-2, 1:-1]) / 2
    return np.asarray(np.hypot(across, down), dtype=np.float32)
