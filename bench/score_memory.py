"""Peak memory of `score` on a 60-second clip against a 5-second clip, 1920x1080: it must not grow with the length.

    python -m bench score_memory

Each clip is measured in a process of its own, three times in turns, after a short small clip that loads what is loaded
once. The peak is the kernel's own count of that process (VmHWM: `ru_maxrss` would carry over what the parent had when
the process was started). Writes bench/results/score_memory.json and .md.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from services.scoring.adapters.identity import FaceRegionBackend
from services.scoring.domain import Expectation
from services.scoring.workers.measurement import MeasurementRequest, measure
from shared.video.encode import encode_h264
from tests.support.clips import Rgb, camera, photograph

RESULTS = Path(__file__).parent / "results"
SIZE, FPS = (1920, 1080), 16
LENGTHS_SECONDS = (5, 60)
ROUNDS = 3
LIMIT = 1.10


def to_and_fro(seconds: int) -> Iterator[Rgb]:
    """A pan of one second each way, so that a minute stays inside the photograph."""
    shots = list(camera(photograph("astronaut"), frames=FPS, size=SIZE))
    for frame in range(seconds * FPS):
        there = frame % (2 * FPS - 2)
        yield shots[there if there < FPS else 2 * FPS - 2 - there]


def peak_kib() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def measured(clip: Path, warm: Path) -> int:
    """In a process of its own: its peak in KiB."""
    command = [sys.executable, "-m", "bench.score_memory", str(warm), str(clip)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def child(paths: list[str]) -> None:
    for path in paths:
        found = measure(MeasurementRequest(clip=Path(path), expected=Expectation()), identity=FaceRegionBackend())
        if found.not_measurable is not None:
            sys.exit(found.not_measurable)
    print(peak_kib())


def main() -> None:
    peaks: dict[int, list[int]] = {seconds: [] for seconds in LENGTHS_SECONDS}
    with tempfile.TemporaryDirectory() as folder:
        warm = Path(folder) / "warm.mp4"
        encode_h264(warm, camera(photograph("astronaut")), fps=FPS, preset="veryfast")
        for seconds in LENGTHS_SECONDS:
            encode_h264(Path(folder) / f"{seconds}.mp4", to_and_fro(seconds), fps=FPS, preset="ultrafast")
        for _ in range(ROUNDS):
            for seconds in LENGTHS_SECONDS:
                peaks[seconds].append(measured(Path(folder) / f"{seconds}.mp4", warm))
    short, long = (median(peaks[seconds]) / 1024 for seconds in LENGTHS_SECONDS)
    record = {
        "what": "peak memory of `score` without identity, MiB",
        "size": f"{SIZE[0]}x{SIZE[1]}",
        "fps": FPS,
        "rounds": ROUNDS,
        "peak_mib": {str(seconds): [round(peak / 1024, 1) for peak in found] for seconds, found in peaks.items()},
        "ratio_of_medians": long / short,
        "limit": LIMIT,
        "kept": long / short < LIMIT,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "score_memory.json").write_text(json.dumps(record, indent=2) + "\n")
    lines = [
        "# Peak memory of `score` on a 60-second clip against a 5-second clip",
        "",
        f"{SIZE[0]}x{SIZE[1]}, {FPS} frames per second, each in a process of its own, {ROUNDS} rounds in turns. Made "
        "by `python -m bench score_memory`.",
        "",
        "| clip | peak, MiB (median) | of the single rounds |",
        "|---|---|---|",
        *(
            f"| {seconds} s | {median(found) / 1024:.1f} | {', '.join(f'{peak / 1024:.1f}' for peak in found)} |"
            for seconds, found in peaks.items()
        ),
        "",
        f"Ratio {long / short:.3f}, limit {LIMIT}.",
    ]
    (RESULTS / "score_memory.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    child(sys.argv[1:]) if sys.argv[1:] else main()
