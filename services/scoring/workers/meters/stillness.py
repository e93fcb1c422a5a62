"""Frames that repeat what was shown, black ones, and the first frames of another shot."""

from collections.abc import Mapping

import numpy as np

from services.scoring.domain import Reading
from services.scoring.kernels import stillness
from services.scoring.workers.meters.views import View
from shared.video.planes import Planes, Samples

FREEZE_SECONDS = 0.25
"""How long a picture must stand still to count. FFmpeg's `freezedetect` waits for 2 s, as long as a whole test shot;
four frames at the draft tier's 16 fps are seen as a stop, and shorter repetitions are uneven motion (`motion_jump`)."""


class FreezeMeter:
    """FFmpeg's `freezedetect`: each frame is compared with the first of the freeze, so that a slow fade or a slow pan
    is none, and what stands still for at least `least_seconds` is, by the times at which the frames are shown. Black
    frames are not also counted as frozen."""

    def __init__(self, *, fps: float, least_seconds: float = FREEZE_SECONDS) -> None:
        self._fps = fps
        self._least_seconds = least_seconds
        self._frames = 0
        self._reference: Planes | None = None
        self._since = self._shown = 0.0
        self._still: list[int] = []
        self._black: set[int] = set()
        self._runs: list[tuple[int, int]] = []
        self._size = (0, 0)

    def feed(self, frame: View) -> None:
        self._frames, self._size = frame.index + 1, frame.size
        seconds = frame.source.seconds
        self._shown = frame.index / self._fps if seconds is None else seconds
        if stillness.is_black(of=frame.surface):
            self._black.add(frame.index)
        if self._reference is not None and _stands_still(self._reference, frame.stored):
            self._still.append(frame.index)
            return
        self._close()
        self._reference, self._since = frame.stored, self._shown

    def _close(self) -> None:
        """Until the first frame that moves again, or the clip's last: how `freezedetect` takes the time."""
        if self._reference is not None and self._still:
            microseconds = round((self._shown - self._since) * 1e6)
            if microseconds >= round(self._least_seconds * 1e6):
                self._runs.append((self._still[0], self._still[-1] + 1))
        self._still = []

    def runs(self) -> list[tuple[int, int]]:
        """First frame that repeats and first that does not, of every freeze; to be asked at the end of the clip."""
        self._close()
        return self._runs

    def readings(self) -> tuple[Reading, ...]:
        black = self._share("black_frames", sorted(self._black), self._frames)
        if self._frames < 2:
            return Reading(metric="frozen_frames", not_measurable="a single frame cannot freeze"), black
        return self._share("frozen_frames", self._frozen(), self._frames - 1), black

    def _frozen(self) -> list[int]:
        return [frame for start, end in self.runs() for frame in range(start, end) if frame not in self._black]

    def _share(self, metric: str, hits: list[int], of: int) -> Reading:
        start, length = _longest_run(hits)
        return Reading(
            metric=metric,
            value=len(hits) / of,
            worst_frame=start,
            worst_value=None if start is None else 1.0,
            worst_region=None if start is None else (0, 0, *self._size),
            details={"longest_run": float(length)},
            note=f"longest run {length} frames from frame {start}" if start is not None else None,
        )

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        """1 where the frame is frozen or black; the first frame cannot be frozen."""
        frozen = set(self._frozen())
        return {
            "frozen_frames": [(frame, float(frame in frozen)) for frame in range(1, self._frames)],
            "black_frames": [(frame, float(frame in self._black)) for frame in range(self._frames)],
        }


class CutMeter:
    """Cuts inside a segment, which should have none, as FFmpeg's `scdet` finds them.

    One difference: `scdet` has nothing to compare a clip's first step with and takes fast motion for a cut there; here
    the first step is compared with the second.
    """

    def __init__(self) -> None:
        self._previous: Samples | None = None
        self._changes: list[float] = []
        self._size = (0, 0)

    def feed(self, frame: View) -> None:
        previous, self._previous = self._previous, frame.stored.y
        self._size = frame.size
        if previous is not None:
            bits = frame.stored.bits
            self._changes.append(stillness.mean_change(before=(previous,), after=(frame.stored.y,), bits=bits))

    def scores(self) -> list[float]:
        """In percent of the range, for every frame but the first."""
        neighbours = [*self._changes[1:2], *self._changes[:-1]] if len(self._changes) > 1 else [0.0]
        return [
            stillness.cut_score(change=change, neighbour=neighbour)
            for change, neighbour in zip(self._changes, neighbours[: len(self._changes)], strict=True)
        ]

    def readings(self) -> tuple[Reading, ...]:
        if not self._changes:
            return (Reading(metric="cuts", not_measurable="a cut needs at least 2 frames"),)
        scores = np.asarray(self.scores())
        found = np.flatnonzero(scores >= stillness.CUT_SCORE) + 1
        worst = int(np.argmax(scores))
        return (
            Reading(
                metric="cuts",
                value=float(len(found)),
                worst_frame=worst + 1 if len(found) else None,
                worst_value=float(scores[worst]) if len(found) else None,
                worst_region=(0, 0, *self._size) if len(found) else None,
                details={"highest_score": float(scores[worst])},
                note=f"at frame {', '.join(map(str, found[:5]))}" if len(found) else None,
            ),
        )

    def series(self) -> Mapping[str, list[tuple[int, float]]]:
        return {"cuts": [(frame + 1, score) for frame, score in enumerate(self.scores())]}


def _stands_still(reference: Planes, frame: Planes) -> bool:
    change = stillness.mean_change(before=_all(reference), after=_all(frame), bits=frame.bits)
    return change <= stillness.FREEZE_TOLERANCE


def _all(planes: Planes) -> tuple[Samples, ...]:
    return tuple(plane for plane in (planes.y, planes.u, planes.v) if plane is not None)


def _longest_run(hits: list[int]) -> tuple[int | None, int]:
    best_start: int | None = None
    best = length = 0
    for position, frame in enumerate(hits):
        length = length + 1 if position and hits[position - 1] == frame - 1 else 1
        if length > best:
            best, best_start = length, frame - length + 1
    return best_start, best
