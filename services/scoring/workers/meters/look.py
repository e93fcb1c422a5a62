"""How single frames look: sharpness, exposure, clipping, contrast, colour, blocks, noise."""

from collections.abc import Mapping

from services.scoring.domain import Reading
from services.scoring.kernels.blocks import blockiness, blockiness_cells
from services.scoring.kernels.colour import colour_sums, colourfulness, colourfulness_cells
from services.scoring.kernels.exposure import (
    clipped_cells,
    clipped_share,
    contrast,
    contrast_cells,
    luma_cells,
    mean_luma,
)
from services.scoring.kernels.grain import noise, noise_cells
from services.scoring.kernels.sharpness import edges, sharpness, sharpness_cells
from services.scoring.workers.meters.series import BothSides, Series, mean
from services.scoring.workers.meters.views import View


class SharpnessMeter:
    def __init__(self) -> None:
        self._series = Series(highest_is_worst=False)

    def feed(self, frame: View) -> None:
        found = edges(luma=frame.luma)
        self._series.add_cells(frame.index, sharpness(of=found), sharpness_cells(of=found), frame.size)

    def readings(self) -> tuple[Reading, ...]:
        worst_frame, worst_value = self._series.worst()
        return (
            Reading(
                metric="sharpness",
                value=mean(self._series.values),
                worst_frame=worst_frame,
                worst_value=worst_value,
                worst_region=self._series.worst_region,
            ),
        )

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {"sharpness": self._series.pairs()}


class ExposureMeter:
    def __init__(self) -> None:
        self._brightness = BothSides()
        self._clipped = Series(highest_is_worst=True)

    def feed(self, frame: View) -> None:
        self._brightness.add(frame.index, mean_luma(of=frame.surface), luma_cells(of=frame.surface), frame.size)
        self._clipped.add_cells(
            frame.index, clipped_share(of=frame.surface), clipped_cells(of=frame.surface), frame.size
        )

    def readings(self) -> tuple[Reading, ...]:
        return self._brightness.reading("exposure"), _mean_reading("clipping", self._clipped)

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {"exposure": self._brightness.pairs(), "clipping": self._clipped.pairs()}


class ContrastMeter:
    def __init__(self) -> None:
        self._values = BothSides()

    def feed(self, frame: View) -> None:
        seen = frame.surface
        self._values.add(frame.index, contrast(of=seen), contrast_cells(of=seen), frame.size)

    def readings(self) -> tuple[Reading, ...]:
        return (self._values.reading("contrast"),)

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {"contrast": self._values.pairs()}


class ColourMeter:
    def __init__(self) -> None:
        self._values = BothSides()

    def feed(self, frame: View) -> None:
        sums = colour_sums(rgb=frame.colours)
        self._values.add(frame.index, colourfulness(sums=sums), colourfulness_cells(sums=sums), frame.size)

    def readings(self) -> tuple[Reading, ...]:
        return (self._values.reading("colourfulness"),)

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {"colourfulness": self._values.pairs()}


class BlockinessMeter:
    def __init__(self) -> None:
        self._values = Series(highest_is_worst=True)

    def feed(self, frame: View) -> None:
        self._values.add_cells(
            frame.index, blockiness(of=frame.surface), blockiness_cells(of=frame.surface), frame.size
        )

    def readings(self) -> tuple[Reading, ...]:
        return (_mean_reading("blockiness", self._values),)

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {"blockiness": self._values.pairs()}


class NoiseMeter:
    def __init__(self) -> None:
        self._values = Series(highest_is_worst=True)

    def feed(self, frame: View) -> None:
        seen = frame.surface
        self._values.add_cells(frame.index, noise(of=seen), noise_cells(of=seen), frame.size)

    def readings(self) -> tuple[Reading, ...]:
        return (_mean_reading("noise", self._values),)

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {"noise": self._values.pairs()}


def _mean_reading(metric: str, values: Series) -> Reading:
    """Lower is better; where nothing is wrong anywhere, no region is worst."""
    worst_frame, worst_value = values.worst()
    return Reading(
        metric=metric,
        value=mean(values.values),
        worst_frame=worst_frame,
        worst_value=worst_value,
        worst_region=values.worst_region if worst_value > 0 else None,
    )
