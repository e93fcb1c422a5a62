"""Which way the colours of a picture lean, as a place in CIELAB's plane of a and b: grey is (0, 0).

All at one brightness, for the same colour is further from grey in a brighter picture, and a scene that darkens has not
changed its colours.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.luma import GRID, Rgb

BRIGHTNESS = 0.184187
"""Mean luminance that every picture is scaled to, in shares of white: that of L* = 50."""

DARKEST = 0.01
"""Mean luminance below which a picture is scaled no further: what is left of its colours is rounding."""

TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
WHITE = np.array([0.950456, 1.0, 1.088754])
"""Linear sRGB to XYZ, and the white D65 (IEC 61966-2-1)."""


def chroma_cells(*, rgb: Rgb) -> NDArray[np.float64]:
    """(GRID, GRID, 2): a and b of each cell's mean colour (CIE 15:2018, 8.2.1)."""
    cells = cv2.resize(rgb, (GRID, GRID), interpolation=cv2.INTER_AREA).astype(np.float64) / 255
    linear = np.where(cells <= 0.04045, cells / 12.92, ((cells + 0.055) / 1.055) ** 2.4)
    xyz = linear @ TO_XYZ.T
    shares = xyz * (BRIGHTNESS / max(float(xyz[..., 1].mean()), DARKEST)) / WHITE
    f = np.where(shares > (6 / 29) ** 3, np.cbrt(shares), shares * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.stack([500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)
