"""What the meters of one pass are fed with."""

from dataclasses import dataclass
from functools import cached_property

from services.scoring.kernels import colour, motion
from services.scoring.kernels.luma import Luma, Rgb, at_side, stored_luma
from services.scoring.kernels.surface import Surface, surface
from shared.video.planes import Planes, StoredFrame


@dataclass(frozen=True, kw_only=True)
class View:
    """One frame as the meters see it, upright; each form of it is computed once, when a meter first asks, and shared.

    `stored` are the planes as the clip holds them, `luma` is full range and 8 bits, `surface` what one pass over it
    tells, `small` is it at the size of the optical flow, `colours` the coarse picture in colour.
    """

    index: int
    stored: Planes
    luma: Luma
    source: StoredFrame

    @property
    def size(self) -> tuple[int, int]:
        return self.luma.shape[1], self.luma.shape[0]

    @cached_property
    def surface(self) -> Surface:
        return surface(luma=self.luma)

    @cached_property
    def rgb(self) -> Rgb:
        return self.source.rgb()

    @cached_property
    def small(self) -> Luma:
        return at_side(picture=self.luma, side=motion.SIDE)

    @cached_property
    def colours(self) -> Rgb:
        stored = self.stored
        return colour.coarse_rgb(
            luma=self.luma, u=stored.u, v=stored.v, bits=stored.bits, limited=stored.limited, weights=stored.weights
        )


def full_luma(planes: Planes) -> Luma:
    return stored_luma(plane=planes.y, bits=planes.bits, limited=planes.limited)


def view(frame: StoredFrame) -> View:
    planes = frame.planes
    return View(index=planes.index, stored=planes, luma=full_luma(planes), source=frame)
