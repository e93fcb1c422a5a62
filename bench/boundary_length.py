"""`boundary` on 60-second clips against 5-second clips: the cost must not grow with the length.

    python -m bench boundary_length

In one process after a warm-up, one core, 832x480, 16 frames per second; the two lengths take turns, and the ratio of
the medians is recorded (never the times, which say more about the machine). Writes bench/results/boundary_length.json
and .md.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter

import cv2

from services.smoothing.adapters.clips import head, tail
from services.smoothing.commands import boundary
from shared.video.encode import encode_h264
from tests.support.seams import MOVES, Rgb, frame_at

RESULTS = Path(__file__).parent / "results"
SIZE = (832, 480)
FPS = 16
LENGTHS_SECONDS = (5, 60)
ROUNDS = 7
LIMIT = 1.5


def to_and_fro(seconds: int) -> Iterator[Rgb]:
    """A pan of one second each way, so that a minute stays inside the photograph."""
    shots = [frame_at("astronaut", MOVES["pan"], time, SIZE) for time in range(FPS)]
    for frame in range(seconds * FPS):
        there = frame % (2 * FPS - 2)
        yield shots[there if there < FPS else 2 * FPS - 2 - there]


def ratios(run: Callable[[Path], object], clips: dict[int, Path]) -> dict[str, float]:
    """Median time of the longest over that of the shortest clips, and the spread of the single rounds."""
    for clip in clips.values():
        run(clip)
    times: dict[int, list[float]] = {seconds: [] for seconds in clips}
    for _ in range(ROUNDS):
        for seconds, clip in clips.items():
            started = perf_counter()
            run(clip)
            times[seconds].append(perf_counter() - started)
    short, long = times[min(clips)], times[max(clips)]
    single = [later / earlier for earlier, later in zip(short, long, strict=True)]
    return {"median": median(long) / median(short), "lowest": min(single), "highest": max(single)}


def main() -> None:
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        clips = {}
        for seconds in LENGTHS_SECONDS:
            clips[seconds] = Path(folder) / f"{seconds}.mp4"
            encode_h264(clips[seconds], to_and_fro(seconds), fps=FPS, preset="veryfast")
        found = {
            "boundary": ratios(lambda clip: boundary(clip, clip), clips),
            "reading the frames only": ratios(lambda clip: [*tail(clip, count=14), *head(clip, count=14)], clips),
        }
    record = {
        "what": "time on 60-second clips divided by time on 5-second clips",
        "size": f"{SIZE[0]}x{SIZE[1]}",
        "fps": FPS,
        "rounds": ROUNDS,
        "limit": LIMIT,
        "ratios": found,
        "kept": found["boundary"]["median"] <= LIMIT,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "boundary_length.json").write_text(json.dumps(record, indent=2) + "\n")
    lines = [
        "# `boundary` on 60-second clips against 5-second clips",
        "",
        f"{SIZE[0]}x{SIZE[1]}, {FPS} frames per second, one core, {ROUNDS} rounds in turns after a warm-up. Made by "
        "`python -m bench boundary_length`.",
        "",
        "| what | ratio of the medians | lowest and highest of a round | limit |",
        "|---|---|---|---|",
        *(
            f"| {name} | {each['median']:.2f} | {each['lowest']:.2f} to {each['highest']:.2f} | "
            f"{LIMIT if name == 'boundary' else '-'} |"
            for name, each in found.items()
        ),
        "",
    ]
    (RESULTS / "boundary_length.md").write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
