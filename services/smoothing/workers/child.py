"""The process that measures or repairs: one request per line on standard input, one answer per line on its output.

It exists so that a decoder that crashes, hangs or eats memory costs one seam and not the service.

`python -m services.smoothing.workers.child check|repair MEMORY_LIMIT_BYTES`
"""

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from services.smoothing.adapters.clips import EncodeError, VideoError
from services.smoothing.domain import SeamError, numbers_of
from services.smoothing.workers.checking import check
from services.smoothing.workers.messages import (
    Checked,
    CheckRequest,
    Repaired,
    RepairedFile,
    RepairRequest,
    check_of,
    checked_line,
    repair_of,
    repaired_line,
    tell_progress,
)
from services.smoothing.workers.repairing import Repair, smooth
from shared.processes import answer_lines, only_answers
from shared.video.decode import examine

TOLD_EVERY = 5
"""Frames from one word of the progress to the next."""

CLIPS_ARE_BAD = (VideoError, SeamError, EncodeError)
"""What is wrong with the clips themselves is an answer; anything else is a failure of the process."""


def checked(request: CheckRequest) -> Checked:
    started = time.perf_counter()
    try:
        return Checked(found=check(request.previous, request.next), seconds=time.perf_counter() - started)
    except CLIPS_ARE_BAD as error:
        return Checked(found=str(error), seconds=time.perf_counter() - started)


def repaired(request: RepairRequest) -> Repaired:
    started = time.perf_counter()
    try:
        repair = smooth(
            request.previous,
            request.next,
            method=request.method,
            out=request.out,
            frames=request.frames,
            thresholds=request.limits,
            progress=lambda done, total: _tell(request.out, done, total),
        )
        files = _files(repair)
    except CLIPS_ARE_BAD as error:
        seconds = time.perf_counter() - started
        return Repaired(reasons=(str(error),), before=None, after=None, files=(), seconds=seconds)
    return Repaired(
        reasons=repair.decision.reasons,
        before=numbers_of(repair.before),
        after=numbers_of(repair.after),
        files=files,
        seconds=time.perf_counter() - started,
    )


def _tell(out: Path, done: int, total: int) -> None:
    if done % TOLD_EVERY == 0 or done == total:
        tell_progress(out, done, total)


def _files(repair: Repair) -> tuple[RepairedFile, ...]:
    """The hand-over frame and the digest of a repaired clip are taken as those of a rendered one are."""
    drops = {"previous": (0, repair.dropped_previous), "next": (repair.dropped_next, 0)}
    made = {"previous": repair.previous, "next": repair.next}
    return tuple(
        _file(side, path, changed=repair.changed_frames, start=drops[side][0], end=drops[side][1])
        for side, path in made.items()
        if path is not None
    )


def _file(side: str, path: Path, *, changed: int, start: int, end: int) -> RepairedFile:
    found = examine(path)
    last_frame = path.with_suffix(".png")
    last_frame.write_bytes(found.last_frame_png)
    return RepairedFile(
        side=side,
        path=path,
        last_frame=last_frame,
        frame_digest=found.frame_digest,
        width=found.info.width,
        height=found.info.height,
        frames=found.info.frames,
        fps=found.info.fps,
        duration_seconds=found.info.duration_seconds,
        changed_frames=changed,
        dropped_at_start=start,
        dropped_at_end=end,
    )


ANSWERS: dict[str, Callable[[bytes], bytes]] = {
    "check": lambda line: checked_line(checked(check_of(line))),
    "repair": lambda line: repaired_line(repaired(repair_of(line))),
}


def main() -> None:
    work, limit = sys.argv[1], int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    answer_lines(only_answers(), ANSWERS[work])


if __name__ == "__main__":
    main()
