"""One frame against another: the hand-over from the clip before, and the baseline clip."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from services.scoring.domain import Reading
from services.scoring.kernels import ssim as ssim_kernel
from services.scoring.kernels.luma import Region, cell_means, cell_region, extreme_cell
from services.scoring.workers.meters.series import Series, mean
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
    """SSIM per frame against the baseline's frame of the same number; fed with both, in step."""

    def __init__(self) -> None:
        self._series = Series(highest_is_worst=False)

    def feed_pair(self, frame: View, baseline: Planes) -> None:
        scores = ssim_kernel.ssim_map(first=full_luma(baseline), second=frame.luma)
        _, region = _ssim_worst(scores, frame.size)
        self._series.add(frame.index, float(scores.mean()), region)

    def reading(self) -> Reading:
        worst_frame, worst_value = self._series.worst()
        return Reading(
            metric="ssim_to_baseline",
            value=mean(self._series.values),
            worst_frame=worst_frame,
            worst_value=worst_value,
            worst_region=self._series.worst_region if worst_value < 1 else None,
            details={"p5": float(np.percentile(self._series.values, 5))},
        )


def _ssim_worst(scores: NDArray[np.float64], size: tuple[int, int]) -> tuple[float, Region]:
    cells = cell_means(values=scores)
    value, _ = extreme_cell(cells=cells, highest=False, width=size[0], height=size[1])
    row, column = divmod(int(np.argmin(cells)), cells.shape[1])
    return value, cell_region(row=row, column=column, width=size[0], height=size[1])
