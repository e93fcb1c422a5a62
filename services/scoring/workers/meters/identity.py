"""How like the character's source images a clip's face, or region, is."""

from collections.abc import Mapping, Sequence

from services.scoring.adapters.identity import IdentityTracker
from services.scoring.domain import Reading
from services.scoring.workers.meters.series import Series, mean
from services.scoring.workers.meters.views import View


class IdentityMeter:
    """Similarity of the character's region. Frames without the region count as 0: a face that leaves must not raise the
    mean, and one that never comes must not escape its gate.

    Details: `presence`, the share of frames that show it; `mean_present`, over those alone; `drift`, the mean of the
    last third of those less the mean of the first, negative where the likeness fades within the clip.
    """

    def __init__(self, *, tracker: IdentityTracker, further: Sequence[IdentityTracker] = ()) -> None:
        self._trackers = (tracker, *further)
        self.region = tracker.region
        self._series = Series(highest_is_worst=False)
        self._seen: list[float] = []

    def feed(self, frame: View) -> None:
        sightings = [tracker.observe(frame.rgb) for tracker in self._trackers]
        sighting = max((s for s in sightings if s is not None), key=lambda s: s.similarity, default=None)
        if sighting is None:
            self._series.add(frame.index, 0.0)
            return
        self._seen.append(sighting.similarity)
        self._series.add(frame.index, sighting.similarity, sighting.region)

    def readings(self) -> tuple[Reading, ...]:
        worst_frame, worst_value = self._series.worst()
        return (
            Reading(
                metric="identity_similarity",
                value=mean(self._series.values),
                worst_frame=worst_frame,
                worst_value=worst_value,
                worst_region=self._series.worst_region,
                details={"presence": len(self._seen) / len(self._series.values), **_of_present(self._seen)},
                note=self._note(),
            ),
        )

    def _note(self) -> str | None:
        if not self._seen:
            return "the character's region is in none of the frames"
        return None if self.region.kind == "face" else "no face in the source image: its middle is compared"

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {"identity_similarity": self._series.pairs()}


def _of_present(values: Sequence[float]) -> dict[str, float]:
    return {"mean_present": mean(values), "drift": _drift(values)} if values else {}


def _drift(values: Sequence[float]) -> float:
    """Thirds, so that one odd frame at either end is no drift; 0 where there are too few frames for two of them."""
    third = len(values) // 3
    return mean(values[-third:]) - mean(values[:third]) if third else 0.0
