"""How single frames look: sharpness, exposure, clipping."""

from collections.abc import Mapping

from services.scoring.domain import Reading
from services.scoring.kernels.exposure import clipped_cells, clipped_share, mean_luma
from services.scoring.kernels.luma import extreme_cell
from services.scoring.kernels.sharpness import sharpness
from services.scoring.workers.meters.series import Series, mean
from services.scoring.workers.meters.views import View


class SharpnessMeter:
    def __init__(self) -> None:
        self._series = Series(highest_is_worst=False)

    def feed(self, frame: View) -> None:
        self._series.add(frame.index, sharpness(luma=frame.luma))

    def readings(self) -> tuple[Reading, ...]:
        worst_frame, worst_value = self._series.worst()
        value = mean(self._series.values)
        return (Reading(metric="sharpness", value=value, worst_frame=worst_frame, worst_value=worst_value),)

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {"sharpness": self._series.pairs()}


class ExposureMeter:
    def __init__(self) -> None:
        self._brightness = Series(highest_is_worst=True)
        self._clipped = Series(highest_is_worst=True)

    def feed(self, frame: View) -> None:
        self._brightness.add(frame.index, mean_luma(luma=frame.luma))
        width, height = frame.size
        _, region = extreme_cell(cells=clipped_cells(luma=frame.luma), highest=True, width=width, height=height)
        self._clipped.add(frame.index, clipped_share(luma=frame.luma), region)

    def readings(self) -> tuple[Reading, ...]:
        odd_frame, odd_value = self._brightness.furthest_from_median()
        worst_frame, worst_value = self._clipped.worst()
        return (
            Reading(
                metric="exposure", value=mean(self._brightness.values), worst_frame=odd_frame, worst_value=odd_value
            ),
            Reading(
                metric="clipping",
                value=mean(self._clipped.values),
                worst_frame=worst_frame,
                worst_value=worst_value,
                worst_region=self._clipped.worst_region if worst_value > 0 else None,
            ),
        )

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {"exposure": self._brightness.pairs(), "clipping": self._clipped.pairs()}
