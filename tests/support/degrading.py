"""Real clips, and the ways they are made worse: each defect at five strengths, planted before the encoder.

The clips are photographs under camera moves (origin and licence: `PHOTOGRAPHS` of tests/support/seams.py), so that what
moves, and by how much, is known.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.support.seams import Move, frame_at, other_face

Rgb: TypeAlias = NDArray[np.uint8]
Frames: TypeAlias = Sequence[Rgb]

SIZE, FRAMES, FPS = (256, 144), 16, 16
HALF = FRAMES // 2


@dataclass(frozen=True, kw_only=True)
class Source:
    """A photograph under a camera move; `sway`: a hand-held camera, in shares of the view.

    `still`: hardly anything moves, so that stopping and leaving out frames leave no trace in what moves.
    """

    photograph: str
    move: Move
    sway: float = 0.0
    still: bool = False

    def frame(self, time: float, shift: tuple[float, float] = (0.0, 0.0)) -> Rgb:
        across, down = self.sway * np.sin(0.11 * time), self.sway * np.cos(0.07 * time)
        return frame_at(self.photograph, self.move, time, SIZE, (across + shift[0], down + shift[1]))

    def frames(self, count: int = FRAMES) -> list[Rgb]:
        return [self.frame(time) for time in range(count)]


SOURCES = {
    "astronaut, hand-held": Source(photograph="astronaut", move=Move(pan=(0.004, 0.001)), sway=0.03),
    "chelsea, zoom": Source(photograph="chelsea", move=Move(zoom=0.006)),
    "coffee, pan": Source(photograph="coffee", move=Move(pan=(0.004, 0.002))),
    "rocket, tilt": Source(photograph="rocket", move=Move(pan=(0.002, 0.006))),
    "retina, pan and zoom": Source(photograph="retina", move=Move(pan=(0.005, 0.0), zoom=0.004)),
    "chelsea, nearly still": Source(photograph="chelsea", move=Move(zoom=0.0014), still=True),
}


@lru_cache(maxsize=len(SOURCES))
def clean(source: str) -> tuple[Rgb, ...]:
    return tuple(SOURCES[source].frames(FRAMES + 8))


def _blur(source: str, sigma: float) -> list[Rgb]:
    return [np.asarray(cv2.GaussianBlur(f, (0, 0), sigma), dtype=np.uint8) for f in clean(source)[:FRAMES]]


def _noise(source: str, sigma: float) -> list[Rgb]:
    rng = np.random.default_rng(7)
    return [_rounded(f + rng.normal(0, sigma, f.shape)) for f in clean(source)[:FRAMES]]


def _cast(source: str, share: float) -> list[Rgb]:
    """Of the same brightness: the weights are those of luma."""
    factors = np.array((1 + share, 1, 1 - share)) / (1 + (0.299 - 0.114) * share)
    return [_rounded(f * factors) for f in clean(source)[:FRAMES]]


def _flicker(source: str, share: float) -> list[Rgb]:
    return [_rounded(f * (1 + share * (0.5 - i % 2))) for i, f in enumerate(clean(source)[:FRAMES])]


def _freeze(source: str, length: float) -> list[Rgb]:
    frames = clean(source)
    return [frames[i if i < 3 else max(3, i - int(length))] for i in range(FRAMES)]


def _drop(source: str, count: float) -> list[Rgb]:
    frames = clean(source)
    return [frames[i if i < HALF else i + int(count)] for i in range(FRAMES)]


def _swap(source: str, strength: float) -> list[Rgb]:
    spoil = other_face(strength)
    return [f if i < HALF else spoil(f) for i, f in enumerate(clean(source)[:FRAMES])]


def _jump(source: str, share: float) -> list[Rgb]:
    shifted = [SOURCES[source].frame(time, (share, share / 2)) for time in range(HALF, FRAMES)]
    return [*clean(source)[:HALF], *shifted]


def _rounded(values: NDArray[np.float64]) -> Rgb:
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class Defect:
    """`strengths` rise; `unit` says what they are."""

    make: Callable[[str, float], list[Rgb]]
    strengths: tuple[float, float, float, float, float]
    unit: str


DEFECTS = {
    "blur": Defect(make=_blur, strengths=(0.6, 0.9, 1.3, 1.9, 2.8), unit="sigma in pixels of 256 x 144"),
    "noise": Defect(make=_noise, strengths=(3, 5, 8, 12, 18), unit="sigma in 8-bit levels, fresh in every frame"),
    "colour cast": Defect(
        make=_cast, strengths=(0.03, 0.06, 0.1, 0.15, 0.22), unit="share of more red and less blue, as bright as before"
    ),
    "flicker": Defect(
        make=_flicker, strengths=(0.01, 0.02, 0.03, 0.05, 0.08), unit="step of brightness from each frame to the next"
    ),
    "freeze": Defect(make=_freeze, strengths=(3, 4, 6, 8, 11), unit="frames that repeat one, then the clip goes on"),
    "drop": Defect(make=_drop, strengths=(1, 2, 3, 5, 8), unit="frames left out in the middle"),
    "identity swap": Defect(
        make=_swap, strengths=(0.1, 0.2, 0.3, 0.45, 0.6), unit="from the middle on the subject bulges and is recoloured"
    ),
    "jump": Defect(
        make=_jump, strengths=(0.01, 0.02, 0.03, 0.05, 0.08), unit="from the middle on the view is aside by this share"
    ),
}
