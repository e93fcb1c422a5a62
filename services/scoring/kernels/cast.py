"""Which way the colours of a picture lean, as a place in CIELAB's plane of a and b: grey is (0, 0)."""

import cv2
import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.luma import GRID, Rgb


def chroma_cells(*, rgb: Rgb) -> NDArray[np.float64]:
    """(GRID, GRID, 2): a and b of each cell's mean colour (CIE 15:2018, sRGB with white D65)."""
    cells = cv2.resize(rgb, (GRID, GRID), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return np.asarray(cv2.cvtColor(cells, cv2.COLOR_RGB2LAB)[..., 1:], dtype=np.float64)
