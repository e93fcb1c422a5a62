"""Making a repaired candidate of a clip, and measuring whether it is one. Nothing is ever overwritten."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from services.smoothing.adapters.clips import clip_facts, head, is_sequence, kept_frames, length, tail, write_repaired
from services.smoothing.domain import (
    DEFAULT_THRESHOLDS,
    Decision,
    GateStatus,
    Method,
    Seam,
    SeamError,
    Thresholds,
    Verdict,
    accept,
    judge,
)
from services.smoothing.kernels.blend import CONTEXT, blended
from services.smoothing.kernels.disturbance import surprises
from services.smoothing.kernels.picture import Rgb, analysis_size, at_size
from services.smoothing.kernels.reextract import DEFAULT_REACH, KEPT, Join, best_join
from services.smoothing.workers.checking import DEFAULT_WINDOW, check
from shared.video.ends import ClipFacts

BLEND_FRAMES = (8, 16, 24, 32)
"""Tried in turn, until no frame of the fade is visible: the less moves in a scene, the slower a fade must be."""

FADED_VISIBILITY = 0.6
"""Of the limit: leaves room for what the encoder adds."""

MOST_FRAMES = 120
MOST_PIXELS = 4096 * 2304
"""Some forty frames are held while a fade is made: a gigabyte of 4K frames."""


Progress: TypeAlias = Callable[[int, int], None]
"""Frames that are encoded, of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One attempt. `offset`: the step that was worked on. Paths are None for a clip that is not changed, and for both
    if the attempt was refused: what is refused is not kept."""

    method: Method
    offset: int
    before: Seam
    after: Seam
    decision: Decision
    changed_frames: int = 0
    dropped_previous: int = 0
    dropped_next: int = 0
    previous: Path | None = None
    next: Path | None = None


def smooth(
    previous: Path,
    next_: Path,
    *,
    method: Method,
    out: Path,
    frames: int | None = None,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    gates: tuple[Mapping[str, GateStatus], Mapping[str, GateStatus]] | None = None,
    progress: Progress | None = None,
) -> Repair:
    """Repair the most visible step of the window (the cut, if none is visible) into new files under `out`.

    A seam that is green is refused: a second generation of the clip would be its only effect. `frames`: how many frames
    a blend changes, or how many a re-extraction may drop from each clip. `gates`: of the clip before and after, where
    they were measured. `progress` is told of every frame that is encoded.
    """
    before_facts, after_facts = clip_facts(previous), clip_facts(next_)
    if (before_facts.width, before_facts.height) != (after_facts.width, after_facts.height):
        raise SeamError("clips of different sizes can be checked, but not smoothed")
    if after_facts.width * after_facts.height > MOST_PIXELS:
        raise SeamError(f"frames of more than {MOST_PIXELS} pixels can be checked, but not smoothed")
    if frames is not None and not 1 <= frames <= MOST_FRAMES:
        raise SeamError(f"{frames} frames are not possible; 1 to {MOST_FRAMES} are")
    found = check(previous, next_, thresholds=thresholds)
    paced = before_facts if is_sequence(next_) and not is_sequence(previous) else after_facts
    work = _Work(previous, next_, out, paced, found, thresholds, _Encoding(progress))
    judgement = judge(found, thresholds)
    if judgement.verdict is Verdict.GREEN:
        attempt = _Attempt(method, 0, why_not=f"there is nothing to repair: {judgement.reason}")
    elif method is Method.FRAME_BLENDING:
        attempt = work.blend((frames,) if frames else BLEND_FRAMES)
    else:
        attempt = work.re_extract(frames or DEFAULT_REACH)
    return work.decided(attempt, gates or ({}, {}))


@dataclass(frozen=True, slots=True)
class _Attempt:
    method: Method
    offset: int
    changed: int = 0
    dropped_previous: int = 0
    dropped_next: int = 0
    previous: Path | None = None
    next: Path | None = None
    why_not: str = ""
    """Why nothing was made, if nothing was."""

    def files(self) -> Iterator[Path]:
        yield from (path for path in (self.previous, self.next) if path is not None)


@dataclass(slots=True)
class _Encoding:
    """Counts the frames of all clips of a repair. A total that a header got wrong is never below what is done."""

    progress: Progress | None
    total: int = 0
    done: int = 0

    def told(self, frames: Iterable[Rgb]) -> Iterator[Rgb]:
        for frame in frames:
            yield frame
            self.done += 1
            if self.progress is not None:
                self.progress(self.done, max(self.done, self.total))


@dataclass(frozen=True, slots=True)
class _Work:
    earlier: Path
    later: Path
    out: Path
    facts: ClipFacts
    found: Seam
    thresholds: Thresholds
    encoding: _Encoding

    def blend(self, counts: Sequence[int]) -> _Attempt:
        """Forwards into the later clip; for a step inside the earlier clip backwards, as if time ran the other way."""
        visible = self.found.worst_visibility >= self.thresholds.yellow_visibility
        offset = self.found.worst.offset if visible else 0
        repeats = offset == 0 and self.found.repeats_handover
        if offset >= 0:
            return self._blend_later(offset, counts, repeats)
        return self._blend_earlier(offset, counts)

    def _blend_later(self, offset: int, counts: Sequence[int], repeats: bool) -> _Attempt:
        start = list(head(self.later, count=offset + max(counts) + CONTEXT))
        # A repeated hand-over frame shows no motion; the step after it is judged by what moved before.
        known = start[1:offset] if self.found.repeats_handover else start[:offset]
        strip = [*tail(self.earlier, count=CONTEXT), *known]
        made = self._faded(strip, start[offset:], counts, repeats=repeats)
        everything = kept_frames(self.later, skip=offset + len(made))
        self.encoding.total = length(self.later)
        path = _free(self.out, self.later)
        self._write(path, chain(start[:offset], made, everything), source=self.later)
        return _Attempt(Method.FRAME_BLENDING, offset, changed=len(made), next=path)

    def _blend_earlier(self, offset: int, counts: Sequence[int]) -> _Attempt:
        end = list(tail(self.earlier, count=max(counts) + CONTEXT - offset))
        split = len(end) + offset
        strip = [*end[split:], *head(self.later, count=CONTEXT)][::-1]
        made = self._faded(strip, end[:split][::-1], counts)[::-1]
        everything = kept_frames(self.earlier, drop=len(made) - offset)
        self.encoding.total = length(self.earlier)
        path = _free(self.out, self.earlier)
        self._write(path, chain(everything, made, end[split:]), source=self.earlier)
        return _Attempt(Method.FRAME_BLENDING, offset, changed=len(made), previous=path)

    def _faded(
        self, before: Sequence[Rgb], after: Sequence[Rgb], counts: Sequence[int], *, repeats: bool = False
    ) -> list[Rgb]:
        """The shortest fade that is not seen, or the longest that the clip has room for."""
        made: list[Rgb] = []
        for count in counts:
            room = _possible(count, len(after))
            if room == len(made):
                break
            made = blended(before=before, after=after, count=room, repeats=repeats)
            strip = [*before[-CONTEXT - 1 :], *made, *after[room : room + CONTEXT]]
            size = analysis_size(width=after[0].shape[1], height=after[0].shape[0])
            ahead = surprises(frames=[at_size(rgb=frame, size=size) for frame in strip])
            worst = max(step.total for step in ahead[1:-1])
            if worst < FADED_VISIBILITY * self.found.limit_levels * self.thresholds.yellow_visibility:
                break
        return made

    def re_extract(self, reach: int) -> _Attempt:
        """The best pair of boundary frames within `reach` frames of the cut on each side."""
        end = list(tail(self.earlier, count=reach + KEPT))
        start = list(head(self.later, count=reach + KEPT))
        if min(len(end), len(start)) < KEPT:
            raise SeamError(f"re-extraction needs at least {KEPT} frames in each clip")
        join = best_join(before=end, after=start, most_before=reach, most_after=reach)
        previous, next_ = self._cut_at(join)
        why_not = f"no pair of frames within {reach} of the cut joins better ({join.levels_now:.2f} levels as it is)"
        return _Attempt(
            Method.RE_EXTRACTION,
            0,
            why_not=why_not,
            dropped_previous=join.drop_before,
            dropped_next=join.drop_after,
            previous=previous,
            next=next_,
        )

    def _cut_at(self, join: Join) -> tuple[Path | None, Path | None]:
        """Both files or none: half a repair is worse than the seam."""
        drops = ((self.earlier, join.drop_before), (self.later, join.drop_after))
        self.encoding.total = sum(length(clip) - dropped for clip, dropped in drops if dropped)
        previous = self._shortened(self.earlier, drop=join.drop_before) if join.drop_before else None
        try:
            return previous, self._shortened(self.later, skip=join.drop_after) if join.drop_after else None
        except BaseException:
            if previous is not None:
                previous.unlink()
            raise

    def _shortened(self, clip: Path, *, skip: int = 0, drop: int = 0) -> Path:
        path = _free(self.out, clip)
        kept = kept_frames(clip, skip=skip, drop=drop)
        self._write(path, kept, source=clip, skip=skip)
        return path

    def _write(self, path: Path, frames: Iterable[Rgb], *, source: Path, skip: int = 0) -> None:
        write_repaired(path, self.encoding.told(frames), fps=self.facts.fps, source=source, skip=skip)

    def decided(self, attempt: _Attempt, gates: tuple[Mapping[str, GateStatus], Mapping[str, GateStatus]]) -> Repair:
        """Measured on the written files, so that the encoder is part of what is judged."""
        before, after = self.found, self.found
        if any(attempt.files()):
            window = max(DEFAULT_WINDOW, abs(attempt.offset) + attempt.changed + CONTEXT)
            before = self.found if window == DEFAULT_WINDOW else self._measured(self.earlier, self.later, window)
            after = self._measured(attempt.previous or self.earlier, attempt.next or self.later, window)
            decision = accept(
                before=before, after=after, repaired=attempt.offset, gates_before=gates[0], gates_after=gates[1],
                thresholds=self.thresholds,
            )  # fmt: skip
        else:
            decision = Decision(accepted=False, reasons=(attempt.why_not,))
        if not decision.accepted:
            for path in attempt.files():
                path.unlink()
        return Repair(
            method=attempt.method,
            offset=attempt.offset,
            before=before,
            after=after,
            decision=decision,
            changed_frames=attempt.changed,
            dropped_previous=attempt.dropped_previous,
            dropped_next=attempt.dropped_next,
            previous=attempt.previous if decision.accepted else None,
            next=attempt.next if decision.accepted else None,
        )

    def _measured(self, earlier: Path, later: Path, window: int) -> Seam:
        return check(earlier, later, window=window, thresholds=self.thresholds, limit=self.found.limit_levels)


def _possible(count: int, available: int) -> int:
    """As many frames as asked for, or as many as the clip has room for."""
    room = min(count, available - CONTEXT)
    if room < 1:
        raise SeamError("the clip is too short to blend: three frames after the step are the least")
    return room


def _free(out: Path, clip: Path) -> Path:
    """A name of its own under `out`; never that of a file that is there."""
    out.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1000):
        suffix = "smoothed" if number == 1 else f"smoothed-{number}"
        path = out / f"{clip.stem}.{suffix}.mp4"
        if not path.exists():
            return path
    raise SeamError("the output folder holds a thousand repairs of this clip; empty it first")
