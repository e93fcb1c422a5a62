"""What the meters of one pass are fed with."""

from dataclasses import dataclass

from services.scoring.kernels.luma import Luma, Rgb, at_side, luma
from services.scoring.kernels.motion import SIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One frame as the meters see it: computed once, shared by all."""

    index: int
    rgb: Rgb
    luma: Luma
    small: Luma

    @property
    def size(self) -> tuple[int, int]:
        return self.luma.shape[1], self.luma.shape[0]


def view(*, index: int, rgb: Rgb) -> View:
    grey = luma(rgb=rgb)
    return View(index=index, rgb=rgb, luma=grey, small=at_side(picture=grey, side=SIDE))
