"""One frame against another: the hand-over from the clip before, and the baseline clip."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from services.scoring.domain import Reading
from services.scoring.kernels import ssim as ssim_kernel
from services.scoring.kernels.luma import Luma, Region, cell_means, cell_region, extreme_cell
from services.scoring.workers.comparison import Comparison, add_pair, as_seen
from services.scoring.workers.meters.views import View, full_luma
from shared.video.planes import Planes


class HandoverMeter:
    """The first frame against the last frame of the clip before."""

    def __init__(self, *, previous_last: Planes) -> None:
        self._previous_last = full_luma(previous_last)
        self._reading: Reading | None = None

    def feed(self, frame: View) -> None:
        if self._reading is None:
            scores = ssim_kernel.handover_map(previous_last=self._previous_last, first=frame.luma)
            value, region = _ssim_worst(scores, frame.size)
            self._reading = Reading(
                metric="handover_ssim", value=float(scores.mean()), worst_frame=frame.index,
                worst_value=value, worst_region=region,
            )  # fmt: skip

    def readings(self) -> tuple[Reading, ...]:
        assert self._reading is not None  # a pass without frames raises before it asks
        return (self._reading,)

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {}


class BaselineMeter:
    """Every frame against the baseline's frame of the same number; fed with both, in step.

    SSIM is the reading. Its details hold what `rushes compare` tells besides: Gaussian SSIM, PSNR of Y, U and V in dB
    (left out where the planes are equal: it would be infinite), MSE and MAE in levels.
    """

    def __init__(self) -> None:
        self._found = Comparison()

    def feed_pair(self, frame: View, baseline: Planes) -> None:
        """Clips of different depths are compared in 8-bit luma alone."""
        clip = frame.stored
        if baseline.bits != clip.bits:
            add_pair(self._found, _grey(baseline.index, full_luma(baseline)), _grey(frame.index, frame.luma))
        else:
            add_pair(self._found, as_seen(baseline), as_seen(clip, luma=frame.luma if clip.bits == 8 else None))

    def reading(self) -> Reading:
        ssim = self._found.tracks["ssim"]
        others = [track for track in self._found.tracks.values() if track is not ssim]
        worst = ssim.values[ssim.worst_frame]
        pooled = {
            track.name: self._found.pooled_psnr(track.name) if track.name.startswith("psnr") else track.mean
            for track in others
        }
        return Reading(
            metric="ssim_to_baseline",
            value=ssim.mean,
            worst_frame=ssim.worst_frame,
            worst_value=worst,
            worst_region=ssim.region if worst < 1 else None,
            details={"p5": ssim.p5} | {name: value for name, value in pooled.items() if math.isfinite(value)},
        )


def _grey(index: int, luma: Luma) -> Planes:
    return Planes(index=index, y=luma, u=None, v=None, bits=8, limited=False)


def _ssim_worst(scores: NDArray[np.float64], size: tuple[int, int]) -> tuple[float, Region]:
    cells = cell_means(values=scores)
    value, _ = extreme_cell(cells=cells, highest=False, width=size[0], height=size[1])
    row, column = divmod(int(np.argmin(cells)), cells.shape[1])
    return value, cell_region(row=row, column=column, width=size[0], height=size[1])
