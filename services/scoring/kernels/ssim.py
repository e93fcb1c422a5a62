"""Structural similarity, exactly as scikit-image computes it by default: a 7 x 7 uniform window, sample covariance.

Planes are uint8, or uint16 with the stream's own number of bits; `data_range` is their largest value.
"""

import cv2
import numpy as np

from services.scoring.kernels.luma import GRID, Luma, Map, Plane
from services.scoring.kernels.ssim_rows import uniform_rows
from shared.vision.ssim import DATA_RANGE, K1, K2, WINDOW


def ssim_map(*, first: Plane, second: Plane, data_range: float = DATA_RANGE) -> Map:
    """SSIM per pixel, without the border of 3 pixels where the window is incomplete.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 13(4), 2004, eq.
    13, with skimage.metrics.structural_similarity's defaults: 7 x 7 uniform window, sample covariance (N - 1), K1 =
    0.01, K2 = 0.03. Sums over the window are integers and therefore exact, also on flat bright frames, where means of
    products cancel.

    Raises ValueError for other sizes or anything smaller than the window.
    """
    scores = np.empty(checked(first=first, second=second, window=WINDOW))
    _run(first, second, data_range, scores, no_cells())
    return scores


def ssim(*, first: Plane, second: Plane, data_range: float = DATA_RANGE) -> float:
    """Mean of `ssim_map`: 1 for equal frames, down to -1."""
    return ssim_cells(first=first, second=second, data_range=data_range)[0]


def ssim_cells(*, first: Plane, second: Plane, data_range: float = DATA_RANGE) -> tuple[float, Map]:
    """The mean of `ssim_map` and its mean per grid cell, without keeping the map; see `cell_scores`."""
    _, width = checked(first=first, second=second, window=WINDOW)
    cells = no_cells()
    _run(first, second, data_range, np.empty((1, width)), cells)
    return cell_scores(cells=cells)


def checked(*, first: Plane, second: Plane, window: int) -> tuple[int, int]:
    """Height and width of the map: the places where the window is complete. Raises ValueError if there are none."""
    if first.shape != second.shape:
        raise ValueError(f"frames of shape {first.shape} and {second.shape} cannot be compared")
    if first.dtype != second.dtype or first.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"SSIM compares planes of 8 or 16 bits, not {first.dtype} and {second.dtype}")
    if min(first.shape) < window:
        raise ValueError(f"SSIM needs at least {window}x{window} pixels, not {first.shape[1]}x{first.shape[0]}")
    return first.shape[0] - window + 1, first.shape[1] - window + 1


def no_cells() -> Map:
    """Sums and counts of a grid, for the loops to add to."""
    return np.zeros((2, GRID, GRID))


def cell_scores(*, cells: Map) -> tuple[float, Map]:
    """The mean of the whole map and its mean per cell (GRID, GRID).

    Cells are whole pixels of the map; those of a picture narrower than the grid may be empty, and are then 1.
    """
    sums, counts = cells
    return float(sums.sum() / counts.sum()), np.where(counts > 0, sums / np.maximum(counts, 1), 1.0)


def _run(first: Plane, second: Plane, data_range: float, scores: Map, cells: Map) -> None:
    """int32 holds 49 x 49 x 255 x 255 x 2; more bits are summed in float64, exact up to 2 to the 53."""
    exact = np.int32 if first.dtype == np.uint8 else np.float64
    columns = np.zeros((4, first.shape[1]), dtype=exact)
    sums = np.empty((4, first.shape[1] - WINDOW + 1), dtype=exact)
    n = WINDOW * WINDOW
    d1, d2 = (K1 * data_range) ** 2 * n * n, (K2 * data_range) ** 2 * n * (n - 1)
    uniform_rows(first, second, columns, sums, scores, cells, d1, d2)


def handover_map(*, previous_last: Luma, first: Luma) -> Map:
    """SSIM per pixel between the frame a segment should continue and the frame it begins with, at the smaller size.

    The seed frame may be larger than the clip (a draft of a full-tier scene): the larger one is shrunk by area
    averaging, which is what the renderer does with it.
    """
    if previous_last.shape == first.shape:
        return ssim_map(first=previous_last, second=first)
    height, width = min(previous_last.shape, first.shape, key=lambda shape: shape[0] * shape[1])
    small = [
        np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        for frame in (previous_last, first)
    ]
    return ssim_map(first=small[0], second=small[1])
