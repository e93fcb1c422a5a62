"""Frames that repeat the one before, and black ones."""

from collections.abc import Mapping

from services.scoring.domain import Reading
from services.scoring.kernels import stillness
from services.scoring.workers.meters.views import View


class StillnessMeter:
    """Frozen and black frames. A black frame is not also counted as frozen."""

    def __init__(self) -> None:
        self._previous: View | None = None
        self._frames = 0
        self._pairs = 0
        self._frozen: list[int] = []
        self._black: list[int] = []

    def feed(self, frame: View) -> None:
        self._frames += 1
        black = stillness.is_black(luma=frame.luma)
        if black:
            self._black.append(frame.index)
        if self._previous is not None:
            self._pairs += 1
            if not black and stillness.is_frozen(previous=self._previous.luma, current=frame.luma):
                self._frozen.append(frame.index)
        self._previous = frame

    def readings(self) -> tuple[Reading, ...]:
        black = _share_reading("black_frames", self._black, self._frames)
        if not self._pairs:
            return Reading(metric="frozen_frames", not_measurable="a single frame cannot freeze"), black
        return _share_reading("frozen_frames", self._frozen, self._pairs), black

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        """1 where the frame is frozen or black; the first frame cannot be frozen."""
        frozen, black = set(self._frozen), set(self._black)
        return {
            "frozen_frames": [(frame, float(frame in frozen)) for frame in range(1, self._frames)],
            "black_frames": [(frame, float(frame in black)) for frame in range(self._frames)],
        }


def _share_reading(metric: str, hits: list[int], of: int) -> Reading:
    start, length = _longest_run(hits)
    return Reading(
        metric=metric,
        value=len(hits) / of,
        worst_frame=start,
        details={"longest_run": float(length)},
        note=f"longest run {length} frames from frame {start}" if start is not None else None,
    )


def _longest_run(hits: list[int]) -> tuple[int | None, int]:
    best_start: int | None = None
    best = length = 0
    for position, frame in enumerate(hits):
        length = length + 1 if position and hits[position - 1] == frame - 1 else 1
        if length > best:
            best, best_start = length, frame - length + 1
    return best_start, best
