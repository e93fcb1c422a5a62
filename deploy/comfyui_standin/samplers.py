"""The sampling loop: from a noisy picture to the wanted one in a number of passes, each with real work per pixel."""

import math
from collections.abc import Iterator
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SAMPLERS = ("euler", "euler_ancestral", "heun", "dpmpp_2m", "ddim", "uni_pc")
SCHEDULERS = ("normal", "karras", "exponential", "simple")

START_SIGMA = 0.5
LAST_SIGMA = 0.02
"""Noise at the first and at the last pass, in units of the full brightness range."""

LEAK = {"euler": 0.30, "euler_ancestral": 0.36, "heun": 0.20, "dpmpp_2m": 0.22, "ddim": 0.30, "uni_pc": 0.24}
"""The share of coarse noise that one pass mistakes for picture: smaller is the better sampler."""

ANCESTRAL_NOISE = 0.25
"""The share of each pass's noise that an ancestral sampler draws anew."""


def sigmas(scheduler: str, steps: int) -> tuple[float, ...]:
    """The falling noise levels, `steps` + 1 of them, the last one 0. More steps end at a lower level before that 0."""
    last = LAST_SIGMA * 8.0 / (steps + 4.0)
    shares = [step / max(1, steps - 1) for step in range(steps)]
    if scheduler == "karras":
        rho = 7.0
        low, high = last ** (1 / rho), START_SIGMA ** (1 / rho)
        levels = [(high + share * (low - high)) ** rho for share in shares]
    elif scheduler == "exponential":
        levels = [
            math.exp(math.log(START_SIGMA) + share * (math.log(last) - math.log(START_SIGMA))) for share in shares
        ]
    else:
        power = 1.0 if scheduler == "simple" else 1.5
        levels = [last + (START_SIGMA - last) * (1.0 - share) ** power for share in shares]
    return (*levels, 0.0)


def _estimate(image: Floats, target: Floats, leak: float) -> Floats:
    """The imperfect denoiser: sees the picture, and takes part of the coarse noise for it."""
    noise = cv2.subtract(image, target)
    coarse = cv2.GaussianBlur(noise, (7, 7), 1.3)
    return np.asarray(cv2.scaleAdd(coarse, leak, target), dtype=np.float32)


def denoise_frame(
    target: Floats, grain: Floats, schedule: tuple[float, ...], sampler: str, random: np.random.Generator
) -> Iterator[Floats]:
    """Yield the picture after each pass; what is left of the grain at the end falls with the number of passes."""
    leak = LEAK.get(sampler, 0.30)
    image = np.asarray(target + grain[..., None] * np.float32(schedule[0]), dtype=np.float32)
    for level, following in pairwise(schedule):
        estimate = _estimate(image, target, leak)
        kept = following / level
        image = np.asarray(cv2.addWeighted(image, kept, estimate, 1.0 - kept, 0.0), dtype=np.float32)
        if sampler == "heun":
            correction = _estimate(image, target, leak)
            image = np.asarray(cv2.addWeighted(image, 0.5 + 0.5 * kept, correction, 0.5 - 0.5 * kept, 0.0), np.float32)
        if sampler == "euler_ancestral" and following:
            fresh = random.standard_normal(grain.shape, np.float32)
            image += fresh[..., None] * np.float32(following * ANCESTRAL_NOISE * 0.5)
        yield image
