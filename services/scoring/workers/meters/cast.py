"""Which way a clip's colours lean."""

from collections.abc import Mapping

import numpy as np

from services.scoring.domain import Reading
from services.scoring.kernels.cast import chroma_cells
from services.scoring.kernels.luma import extreme_cell
from services.scoring.workers.meters.series import Series
from services.scoring.workers.meters.views import View


class ColourCastMeter:
    """The clip's mean place in the plane of a and b: `value` is its distance from grey, the details say where it is, so
    that another clip's distance from it can be told."""

    def __init__(self) -> None:
        self._chroma = Series(highest_is_worst=True)
        self._sum = np.zeros(2)

    def feed(self, frame: View) -> None:
        cells = chroma_cells(rgb=frame.colours)
        mean = cells.mean(axis=(0, 1))
        self._sum += mean
        width, height = frame.size
        _, region = extreme_cell(cells=np.hypot(cells[..., 0], cells[..., 1]), highest=True, width=width, height=height)
        self._chroma.add(frame.index, float(np.hypot(*mean)), region)

    def readings(self) -> tuple[Reading, ...]:
        a, b = (float(each) for each in self._sum / len(self._chroma.values))
        worst_frame, worst_value = self._chroma.worst()
        return (
            Reading(
                metric="colour_cast",
                value=float(np.hypot(a, b)),
                worst_frame=worst_frame,
                worst_value=worst_value,
                worst_region=self._chroma.worst_region,
                details={"a": a, "b": b},
            ),
        )

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {"colour_cast": self._chroma.pairs()}
