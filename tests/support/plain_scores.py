"""What `score` measures, written once more as its formulas read: NumPy, SciPy, scikit-image and Farneback's flow, frame
by frame in floating point, without compiled loops. Tests compare with it, and the benchmark of the speed divides by
it."""

import itertools
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve, gaussian_filter, map_coordinates
from skimage.transform import resize_local_mean

from shared.video.planes import Planes, iter_stored

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
    """Weighted slope of fine over coarse gradient where the coarse one is strongest, less what noise adds by Stein."""
    scale = side / np.sqrt(grey.size)
    size = (round(grey.shape[0] * scale), round(grey.shape[1] * scale))
    if scale < 1:
        picture = np.rint(resize_local_mean(grey, size, preserve_range=True))
    else:
        picture = cv2.resize(grey, size[::-1], interpolation=cv2.INTER_LINEAR).astype(np.float64)
    fine, coarse = (
        np.stack(np.gradient(gaussian_filter(picture, sigma, mode="mirror", truncate=4)))[:, 1:-1, 1:-1]
        for sigma in (1.0, 2.5)
    )
    squared = (coarse**2).sum(axis=0)
    weakest = max(np.percentile(squared, 85), 1e-6)
    above = (squared - weakest) / (0.5 * weakest)
    weight = np.clip(above, 0, 1)
    edge = float((weight * squared).sum())
    if edge <= 0.25**2 * weight.sum():
        return 0.0
    inner = float((weight * (fine * coarse).sum(axis=0)).sum())
    outer = (fine[1] * coarse[0] - fine[0] * coarse[1]) ** 2 / np.maximum(squared, 1e-9)
    spread = 2 * (weight + np.where((above > 0) & (above < 1), squared / (0.5 * weakest), 0)).sum()
    s1, s2 = 1 + 0.64, 2.5**2 + 0.64
    shared = (2 * s2 / (s1 + s2)) ** 2
    noise = (weight * outer).sum() / weight.sum() / ((s2 / s1) ** 2 - shared**2 + (shared - 1.4) ** 2)
    ratio = (inner - shared * noise * spread) / max(edge - noise * spread, edge / 2)
    return float(np.clip((ratio - 1) / 1.5, 0, 1))


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


def clip_look(path: Path) -> Mapping[str, float]:
    """Every metric of single frames, of a clip: the mean over its frames."""
    found = [look(frame.rgb(), grey_of(frame.planes)) for frame in iter_stored(path)]
    return {metric: float(np.mean([each[metric] for each in found])) for metric in found[0]}


def grey_of(stored: Planes) -> NDArray[np.uint8]:
    top = (1 << stored.bits) - 1
    step = (top + 1) / 256
    levels = (stored.y - 16.0 * step) / (219 * step) if stored.limited else stored.y / top
    return np.floor(np.clip(levels, 0, 1) * 255 + 0.5).astype(np.uint8)


FLOW_SIZE = (416, 240)


def flow(after: NDArray[np.uint8], before: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Farneback's, backward: where each pixel of `after` was."""
    field = cv2.calcOpticalFlowFarneback(after, before, np.zeros((0,)), 0.5, 3, 15, 3, 5, 1.1, 0)
    return np.asarray(field, dtype=np.float32)


def moved(picture: Floats, field: NDArray[np.float32]) -> Floats:
    height, width = field.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float64)
    return np.asarray(map_coordinates(picture, [y + field[..., 1], x + field[..., 0]], order=1, mode="nearest"))


def warping_error(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> tuple[float, float]:
    """Lai et al. 2018 with the occlusion rules of Ruder et al. 2016; and the mean length of the flow in pixels."""
    there, back = flow(after, before), flow(before, after)
    height, width = after.shape
    y, x = np.mgrid[:height, :width]
    to_x, to_y = x + there[..., 0], y + there[..., 1]
    returned = np.stack([moved(back[..., k].astype(np.float64), there) for k in range(2)], axis=2)
    lengths = (there**2).sum(axis=2)
    meets = ((there + returned) ** 2).sum(axis=2) <= 0.01 * (lengths + (returned**2).sum(axis=2)) + 0.5
    edges = sum((np.gradient(there[..., k], axis=axis) ** 2) for k in range(2) for axis in range(2))
    seen = meets & (edges <= 0.01 * lengths + 0.002) & (to_x >= 0) & (to_y >= 0) & (to_x < width) & (to_y < height)
    difference = (after - moved(before.astype(np.float64), there)) / 255
    return float(np.mean(difference[seen] ** 2)) if seen.any() else 0.0, float(np.sqrt(lengths).mean())


def clip_time(path: Path) -> Mapping[str, float]:
    """Motion, warping error and frame differences of a clip: what the metrics of time are made of."""
    found = []
    for one, two in itertools.pairwise(iter_stored(path)):
        before, after = (
            cv2.resize(grey_of(each.planes), FLOW_SIZE, interpolation=cv2.INTER_AREA) for each in (one, two)
        )
        change = np.abs(two.rgb().astype(np.float64) - one.rgb()).mean()
        error, length = warping_error(before, after)
        found.append((error, length / np.hypot(*FLOW_SIZE), (255 - change) / 255))
    means = np.mean(found, axis=0)
    return {"warping_error": float(means[0]), "motion": float(means[1]), "temporal_flicker": float(means[2])}
