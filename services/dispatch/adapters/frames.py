"""How alike two stored frames look."""

import asyncio
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.media import MediaMissing, MediaStore
from shared.vision.ssim import WINDOW, ssim


class FrameComparer:
    """Structural similarity of the luma of two frames."""

    def __init__(self, *, media: MediaStore) -> None:
        self._media = media

    async def __call__(self, first: str, second: str) -> float | None:
        """From -1 to 1. -1 also where the sizes differ or are too small to compare. None: a frame is not stored."""
        try:
            pictures = [await self._media.get(sha256) for sha256 in (first, second)]
        except MediaMissing:
            return None
        return await asyncio.to_thread(_ssim, pictures[0], pictures[1])


def _ssim(first: bytes, second: bytes) -> float:
    one, two = _luma(first), _luma(second)
    if one.shape != two.shape or min(one.shape) < WINDOW:
        return -1.0
    return min(1.0, max(-1.0, ssim(first=one, second=two)))


def _luma(content: bytes) -> NDArray[np.uint8]:
    with Image.open(BytesIO(content)) as picture:
        return np.asarray(picture.convert("L"), dtype=np.uint8)
