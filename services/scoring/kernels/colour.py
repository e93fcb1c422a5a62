"""A coarse picture in colour, and how colourful it is."""

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.compiled import compiled
from services.scoring.kernels.luma import GRID, Luma, Map, Plane, Rgb, coarse
from services.scoring.kernels.shrink import shrunk

SIDE = 96
"""Colour is looked at in a coarse picture (see `luma.coarse`): it has the colours, and not the noise, which by itself
would count as colourful."""

Sums: TypeAlias = NDArray[np.int64]


def coarse_rgb(
    *, luma: Luma, u: Plane | None, v: Plane | None, bits: int, limited: bool, weights: tuple[float, float]
) -> Rgb:
    """R', G' and B' of 8 bits at the size of `coarse` luma, from full-range luma of 8 bits and chroma as it is stored.

    Each is first averaged over the area of a coarse pixel (chroma that is coarser than that is enlarged, bilinearly),
    then turned into RGB with `weights` of red and blue in luma (ITU-R BT.601-7, 2.5.3, and alike for BT.709 and
    BT.2020), rounded and clipped. On a picture without clipped colours that is the coarse picture of its RGB, up to
    what rounding at each halving adds.
    """
    grey = coarse(picture=luma, side=SIDE)
    if u is None or v is None:
        return np.repeat(grey[..., None], 3, axis=2)
    blue, red = (_chroma(plane, bits, (grey.shape[1], grey.shape[0])) for plane in (u, v))
    rgb = np.empty((*grey.shape, 3), dtype=np.uint8)
    _turn(grey, blue, red, np.float32(255 / 224 if limited else 1), np.float32(weights[0]), np.float32(weights[1]), rgb)
    return rgb


def _chroma(plane: Plane, bits: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    if bits > 8:
        plane = np.minimum((plane.astype(np.uint32) + (1 << (bits - 9))) >> (bits - 8), 255)
    samples = np.asarray(plane, dtype=np.uint8)
    if samples.shape[1] >= size[0] and samples.shape[0] >= size[1]:
        return shrunk(picture=samples, size=size)
    return np.asarray(cv2.resize(samples, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _level_of(value: np.float32) -> np.uint8:
    return np.uint8(np.int32(min(np.float32(255), max(np.float32(0), value)) + np.float32(0.5)))


_level = compiled(_level_of)


def _plain_turn(
    grey: Luma, u: Luma, v: Luma, stretch: np.float32, kr: np.float32, kb: np.float32, rgb: Rgb
) -> None:  # fmt: skip
    one, middle = np.float32(1), np.float32(128)
    to_red, to_blue = stretch * (one - kr) * np.float32(2), stretch * (one - kb) * np.float32(2)
    kg = one - kr - kb
    for y in range(grey.shape[0]):
        for x in range(grey.shape[1]):
            level = np.float32(grey[y, x])
            over_red, over_blue = to_red * (np.float32(v[y, x]) - middle), to_blue * (np.float32(u[y, x]) - middle)
            rgb[y, x, 0] = _level(level + over_red)
            rgb[y, x, 1] = _level(level - (kr * over_red + kb * over_blue) / kg)
            rgb[y, x, 2] = _level(level + over_blue)


_turn = compiled(_plain_turn)


def colour_sums(*, rgb: Rgb) -> Sums:
    """Per grid cell (5, GRID, GRID): pixels; sum of rg = R - G and of its square; of 2 yb = R + G - 2 B and of its
    square. Cells are those of `cell_region`."""
    sums = np.zeros((5, GRID, GRID), dtype=np.int64)
    _add(rgb, sums)
    return sums


def colourfulness(*, sums: Sums) -> float:
    """Of the whole picture, 0 (grey) upwards: 15 slightly, 45 quite, 82 highly, 109 extremely colourful.

    M3 of Hasler and Suesstrunk, "Measuring colourfulness in natural images", SPIE 5007, 2003: sqrt(var rg + var yb) +
    0.3 sqrt(mean rg ^ 2 + mean yb ^ 2) with rg = R - G, yb = (R + G) / 2 - B, population variances, levels of 0 to 255;
    the words are those of their table 2.
    """
    return float(colourfulness_cells(sums=sums.sum(axis=(1, 2))[:, None, None])[0, 0])


def colourfulness_cells(*, sums: Sums) -> Map:
    """The same within each grid cell."""
    count = np.maximum(sums[0], 1).astype(np.float64)
    means = sums[1] / count, sums[3] / count / 2
    variance = (sums[0] * sums[2] - sums[1] ** 2 + (sums[0] * sums[4] - sums[3] ** 2) / 4) / count**2
    return np.asarray(np.sqrt(variance) + 0.3 * np.hypot(*means), dtype=np.float64)


def _plain_add(rgb: Rgb, sums: Sums) -> None:
    height, width = rgb.shape[:2]
    for y in range(height):
        cy = ((y + 1) * GRID - 1) // height
        for cx in range(GRID):
            rg_sum = rg_square = yb_sum = yb_square = np.int64(0)
            left, right = cx * width // GRID, (cx + 1) * width // GRID
            for x in range(left, right):
                red, green, blue = np.int64(rgb[y, x, 0]), np.int64(rgb[y, x, 1]), np.int64(rgb[y, x, 2])
                rg, yb = red - green, red + green - 2 * blue
                rg_sum += rg
                rg_square += rg * rg
                yb_sum += yb
                yb_square += yb * yb
            sums[0, cy, cx] += right - left
            sums[1, cy, cx] += rg_sum
            sums[2, cy, cx] += rg_square
            sums[3, cy, cx] += yb_sum
            sums[4, cy, cx] += yb_square


_add = compiled(_plain_add)
