"""What is measured of a single frame, written once more as its formula reads: NumPy, SciPy and scikit-image, frame by
frame in floating point, without grids, integers or compiled loops. Tests compare with it, and the benchmark's ratio."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve, gaussian_filter
from skimage.transform import resize_local_mean

from shared.video.planes import Planes

Floats = NDArray[np.float64]

IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float64)


def contrast(grey: NDArray[np.uint8]) -> float:
    return float((grey.astype(np.float64) / 255).std())


def clipped(grey: NDArray[np.uint8]) -> float:
    return float(((grey <= 2) | (grey >= 253)).mean())


def noise_map(grey: NDArray[np.uint8]) -> Floats:
    """Immerkaer 1996 before its mean: its mean over a picture is the deviation of the noise as a share of the range."""
    answer = np.abs(convolve(grey.astype(np.float64), IMMERKAER))[1:-1, 1:-1]
    return np.asarray(np.sqrt(np.pi / 2) / 6 * answer / 255, dtype=np.float64)


def noise(grey: NDArray[np.uint8]) -> float:
    """The lower quartile over 8 x 8 cells that are not mostly clipped."""
    height, width = grey.shape
    values = np.pad(noise_map(grey), 1, constant_values=np.nan)
    bad = (grey <= 2) | (grey >= 253)
    rows = [slice(k * height // 8, (k + 1) * height // 8) for k in range(8)]
    columns = [slice(k * width // 8, (k + 1) * width // 8) for k in range(8)]
    cells = [float(np.nanmean(values[r, c])) for r in rows for c in columns if bad[r, c].mean() <= 0.5]
    return float(np.percentile(cells, 25)) if cells else 0.0


def blockiness(grey: NDArray[np.uint8]) -> float:
    picture = grey.astype(np.float64)
    across, down = np.abs(np.diff(picture, axis=1)), np.abs(np.diff(picture, axis=0))
    on = np.concatenate([across[:, 7::8].ravel(), down[7::8].ravel()])
    off_across = np.delete(across, np.s_[7::8], axis=1)
    off = np.concatenate([off_across.ravel(), np.delete(down, np.s_[7::8], axis=0).ravel()])
    return max(0.0, float((on.mean() - off.mean()) / (off.mean() + 1.0)))


def colourfulness(rgb: NDArray[np.uint8]) -> float:
    red, green, blue = np.moveaxis(rgb.astype(np.float64), 2, 0)
    rg, yb = red - green, (red + green) / 2 - blue
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))


def sharpness(grey: NDArray[np.uint8], side: int = 256) -> float:
    """Ratio of the gradients of two Gaussian scales where the coarse one is strongest, at one common size."""
    scale = side / np.sqrt(grey.size)
    size = (round(grey.shape[0] * scale), round(grey.shape[1] * scale))
    picture = np.rint(resize_local_mean(grey, size, preserve_range=True)) if scale < 1 else grey.astype(np.float64)
    fine, coarse = (
        np.hypot(*np.gradient(gaussian_filter(picture, sigma, mode="mirror", truncate=4)))[1:-1, 1:-1]
        for sigma in (1.0, 2.5)
    )
    strongest = coarse >= np.percentile(coarse, 90)
    if coarse[strongest].mean() < 0.25:
        return 0.0
    return float(np.clip((fine[strongest].mean() / coarse[strongest].mean() - 1) / 1.5, 0, 1))


def rgb(stored: Planes) -> NDArray[np.uint8]:
    """The whole picture in R', G', B' by ITU-R BT.601-7, 2.5.3 (or the stream's own weights), chroma repeated."""
    depth = (1 << stored.bits) / 256
    low, luma_range, chroma_range = (16, 219, 224) if stored.limited else (0, 255, 255)
    y = np.clip((stored.y / depth - low) / luma_range, 0, 1)
    height, width = y.shape
    if stored.u is None or stored.v is None:
        cb = cr = np.zeros_like(y)
    else:
        down, across = -(-height // stored.u.shape[0]), -(-width // stored.u.shape[1])
        cb, cr = (
            ((plane / depth - 128) / chroma_range).repeat(down, 0).repeat(across, 1)[:height, :width]
            for plane in (stored.u, stored.v)
        )
    kr, kb = stored.weights
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.rint(np.clip(np.stack([red, green, blue], axis=2), 0, 1) * 255).astype(np.uint8)


def look(rgb: NDArray[np.uint8], grey: NDArray[np.uint8]) -> Mapping[str, float]:
    """Every metric of a single frame; luma and RGB of one picture."""
    halved = rgb
    while halved.shape[0] * halved.shape[1] >= 4 * 96 * 96:
        size = (halved.shape[0] // 2, halved.shape[1] // 2)
        halved = np.rint(resize_local_mean(halved, size, channel_axis=2, preserve_range=True)).astype(np.uint8)
    return {
        "sharpness": sharpness(grey),
        "exposure": float(grey.mean() / 255),
        "clipping": clipped(grey),
        "contrast": contrast(grey),
        "colourfulness": colourfulness(halved),
        "blockiness": blockiness(grey),
        "noise": noise(grey),
    }
