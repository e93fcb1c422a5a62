"""Seams made by code from real photographs, with one planted defect each.

Origin and licence of every photograph, as stated by scikit-image, which ships them: `PHOTOGRAPHS`. The pair that a
seam consists of is one continuous camera move, cut in two; then the later part is spoiled.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

from services.smoothing.domain import Method
from shared.video.encode import encode_h264

Rgb = NDArray[np.uint8]
Size = tuple[int, int]

PHOTOGRAPHS = {
    "astronaut": "NASA Great Images database, Eileen Collins; released into the public domain",
    "chelsea": "photograph by Stefan van der Walt; CC0",
    "coffee": "Pikolo Espresso Bar, photograph by Rachel Michetti; CC0",
    "rocket": "SpaceX, launch of DSCOVR; released into the public domain",
    "retina": "Mikael Häggström, Wikimedia Commons; CC0 1.0",
    "hubble_deep_field": "NASA, Hubble eXtreme Deep Field; may be freely used in the public domain",
}


@dataclass(frozen=True, kw_only=True)
class Move:
    """Camera path in shares of the view per frame: `pan` across and down, `zoom`; `layer`: a second photograph in
    front that moves `parallax` times as fast."""

    pan: tuple[float, float] = (0.0, 0.0)
    zoom: float = 0.0
    layer: str | None = None
    parallax: float = 3.0


CENTRES = {"astronaut": (0.45, 0.3)}
"""Where the camera looks at first, in shares of the photograph: at the face. Elsewhere at the middle."""


MOVES = {
    "still": Move(),
    "pan": Move(pan=(0.006, 0.001)),
    "fast pan": Move(pan=(0.02, 0.0)),
    "zoom": Move(zoom=0.006),
    "parallax": Move(pan=(0.004, 0.0), layer="coffee"),
}


def frame_at(photograph: str, move: Move, time: float, size: Size, shift: tuple[float, float] = (0.0, 0.0)) -> Rgb:
    """What the camera sees at a time (in frames), looking `shift` (shares of the view) aside."""
    back = _view(photograph, move, time, size, 1.0, shift)
    if move.layer is None:
        return back
    front = _view(move.layer, move, time, size, move.parallax, shift)
    width, height = size
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    centre = width * (0.62 - move.parallax * (move.pan[0] * time + shift[0]))
    distance = np.hypot((xs - centre) / (0.16 * width), (ys - 0.6 * height) / (0.3 * height))
    cover = np.clip((1.0 - distance) * 0.16 * width + 0.5, 0, 1)[..., None]
    return np.clip(front * cover + back * (1 - cover) + 0.5, 0, 255).astype(np.uint8)


@lru_cache(maxsize=32)
def _picture(name: str, tenths: int = 0) -> Rgb:
    """A photograph, smoothed by so many tenths of a pixel."""
    picture: Rgb = getattr(skimage.data, name)()
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), tenths / 10), dtype=np.uint8) if tenths else picture


def _view(name: str, move: Move, time: float, size: Size, speed: float, shift: tuple[float, float]) -> Rgb:
    height, width = _picture(name).shape[:2]
    # 1.3: room for the camera to move without leaving the photograph.
    scale = 1.3 * max(size[0] / width, size[1] / height) * (1 + move.zoom) ** time
    middle = CENTRES.get(name, (0.5, 0.5))
    centre = (
        width * middle[0] + speed * (move.pan[0] * time + shift[0]) * size[0] / scale,
        height * middle[1] + speed * (move.pan[1] * time + shift[1]) * size[1] / scale,
    )
    matrix = np.array(
        [[scale, 0.0, size[0] / 2 - scale * centre[0]], [0.0, scale, size[1] / 2 - scale * centre[1]]], np.float64
    )
    smooth = _picture(name, 0 if scale >= 1 else round(4.5 / scale))
    shown = cv2.warpAffine(smooth, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(shown, dtype=np.uint8)


Spoil = Callable[[Rgb], Rgb]


def tinted(factors: tuple[float, float, float]) -> Spoil:
    return lambda frame: np.clip(frame * np.array(factors, np.float32) + 0.5, 0, 255).astype(np.uint8)


def exposed(gain: float) -> Spoil:
    return tinted((gain, gain, gain))


def blurred(share: float) -> Spoil:
    """Out of focus by a sigma given as a share of the width."""
    return lambda frame: np.asarray(cv2.GaussianBlur(frame, (0, 0), share * frame.shape[1]), dtype=np.uint8)


def other_face(strength: float) -> Spoil:
    """Another identity: the middle of the picture (of the astronaut: the face) bulges and changes its colour."""

    def spoil(frame: Rgb) -> Rgb:
        height, width = frame.shape[:2]
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        across, down = x - 0.45 * width, y - 0.36 * height
        near = np.exp(-2 * (across**2 + down**2) / (0.22 * width) ** 2)
        pull = 1 - strength * near
        bent = cv2.remap(
            frame,
            (0.45 * width + across * pull).astype(np.float32),
            y,
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        colour = 1 + strength * near[..., None] * np.array([0.5, -0.2, -0.5], np.float32)
        return np.clip(bent * colour + 0.5, 0, 255).astype(np.uint8)

    return spoil


def as_it_is(frame: Rgb) -> Rgb:
    return frame


@dataclass(frozen=True, kw_only=True)
class Seam:
    """One planted defect in the later clip, from frame `at` on (0 is the cut itself) and before frame `until`.

    `rewind`: the later clip begins so many frames back in time and shows them again.
    """

    photograph: str
    move: str
    defect: str
    spoil: Spoil = as_it_is
    shift: tuple[float, float] = (0.0, 0.0)
    at: int = 0
    until: int = 10_000
    rewind: int = 0
    method: Method = Method.FRAME_BLENDING

    def __str__(self) -> str:
        return f"{self.defect} at {self.at}, {self.photograph}, {self.move}"

    def previous(self, *, frames: int, size: Size) -> Iterator[Rgb]:
        for time in range(-frames, 0):
            yield frame_at(self.photograph, MOVES[self.move], time, size)

    def next(self, *, frames: int, size: Size) -> Iterator[Rgb]:
        for time in range(frames):
            spoiled = self.at <= time < self.until
            shift = self.shift if spoiled else (0.0, 0.0)
            shown = frame_at(self.photograph, MOVES[self.move], time - self.rewind, size, shift)
            yield self.spoil(shown) if spoiled else shown

    def clips(self, folder: Path, *, frames: int, size: Size) -> tuple[Path, Path]:
        """Both clips, encoded."""
        previous, next_ = folder / "previous.mp4", folder / "next.mp4"
        encode_h264(previous, self.previous(frames=frames, size=size), fps=16, preset="veryfast")
        encode_h264(next_, self.next(frames=frames, size=size), fps=16, preset="veryfast")
        return previous, next_


def _late(photograph: str, move: str, at: int, spoil: Spoil) -> Seam:
    return Seam(photograph=photograph, move=move, defect="late disturbance", spoil=spoil, at=at)


def _rewound(photograph: str, move: str, rewind: int) -> Seam:
    method = Method.RE_EXTRACTION
    return Seam(photograph=photograph, move=move, defect="jump back in time", rewind=rewind, method=method)


def _burst(photograph: str, move: str, spoil: Spoil, until: int) -> Seam:
    method, defect = Method.RE_EXTRACTION, "spoiled first frames"
    return Seam(photograph=photograph, move=move, defect=defect, spoil=spoil, until=until, method=method)


WARM, COLD = tinted((1.09, 1.0, 0.90)), tinted((0.91, 0.99, 1.08))

CORPUS = (
    *(Seam(photograph=name, move=move, defect="colour step", spoil=spoil) for name, move, spoil in (
        ("astronaut", "still", WARM), ("chelsea", "pan", COLD), ("coffee", "zoom", COLD), ("rocket", "pan", WARM),
        ("retina", "zoom", COLD), ("coffee", "still", WARM),
        ("hubble_deep_field", "pan", tinted((1.3, 1.0, 0.8))), ("chelsea", "parallax", WARM),
    )),
    *(Seam(photograph=name, move=move, defect="exposure step", spoil=exposed(gain)) for name, move, gain in (
        ("astronaut", "pan", 1.12), ("chelsea", "still", 0.88), ("coffee", "pan", 0.88), ("rocket", "zoom", 1.15),
        ("retina", "pan", 1.12), ("astronaut", "parallax", 0.88),
        ("astronaut", "still", 1.1),
    )),
    *(Seam(photograph=name, move=move, defect="jump", shift=shift) for name, move, shift in (
        ("astronaut", "still", (0.012, 0.006)), ("chelsea", "pan", (0.015, 0.0)), ("coffee", "zoom", (0.0, 0.012)),
        ("rocket", "pan", (-0.012, 0.008)), ("retina", "still", (0.015, 0.01)), ("chelsea", "fast pan", (0.03, 0.0)),
    )),
    *(Seam(photograph=name, move=move, defect="blur step", spoil=blurred(share)) for name, move, share in (
        ("astronaut", "pan", 0.005), ("chelsea", "zoom", 0.006), ("coffee", "still", 0.005), ("rocket", "pan", 0.006),
        ("astronaut", "zoom", 0.004), ("hubble_deep_field", "still", 0.005),
    )),
    *(Seam(photograph=name, move=move, defect="identity step", spoil=other_face(strength)) for name, move, strength in (
        ("astronaut", "still", 0.25), ("astronaut", "pan", 0.3), ("chelsea", "zoom", 0.3), ("coffee", "pan", 0.3),
        ("retina", "still", 0.3), ("astronaut", "zoom", 0.4),
    )),
    _late("astronaut", "pan", 5, WARM), _late("chelsea", "zoom", 3, exposed(1.12)),
    _late("coffee", "still", 8, blurred(0.006)),
    _late("rocket", "zoom", 4, WARM), _late("retina", "pan", 6, COLD), _late("chelsea", "still", 2, other_face(0.3)),
    _rewound("astronaut", "pan", 4), _rewound("coffee", "zoom", 5), _rewound("chelsea", "pan", 3),
    _rewound("rocket", "pan", 6), _burst("coffee", "still", WARM, 2), _burst("astronaut", "zoom", blurred(0.006), 3),
)  # fmt: skip
"""45 seams: 33 with a lasting defect at the cut, 6 some frames later, 6 whose defect ends and can be left out."""
