"""How fast the numbers come: the SSIM kernel against scikit-image, and `score` against FFmpeg and its plain self.

    python -m bench measurement_speed

One core, 832x480, in one process after a warm-up. Seconds are the processor's, and what is compared takes turns, so
that a busy machine tells about the same; the ratio is that of the medians. FFmpeg's ssim filter reads the same clip
twice, on one thread; where a baseline is named, it reads the clip and the baseline, which is the same footage a little
blurred. The plain implementation is `tests/support/plain_scores.py`, which the tests use as oracle: every metric of
single frames with NumPy, SciPy and scikit-image, and warping error, motion and frame differences with Farneback's flow
at 416x240 there and back; it leaves out jumps, flicker, freezes and cuts, which are cheap.
"""

import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import av
import cv2
import numpy as np
from skimage.metrics import structural_similarity

from services.scoring.adapters.identity import FaceRegionBackend
from services.scoring.domain import Expectation
from services.scoring.kernels.gaussian_ssim import gaussian_ssim_cells
from services.scoring.kernels.luma import luma
from services.scoring.kernels.ssim import ssim
from services.scoring.workers.comparison import compare
from services.scoring.workers.measurement import MeasurementRequest, measure
from shared.vision.ssim import ssim as shared_ssim
from tests.support import plain_scores
from tests.support.clips import camera, clip, photograph

RESULTS = Path(__file__).parent / "results"
SIZE, FRAMES = (832, 480), 81
ROUNDS = 7


def timed(work: Callable[[], object]) -> float:
    """Seconds of the processor, in all threads: on one core that is the time it takes while nobody else needs it."""
    started = time.process_time()
    work()
    return time.process_time() - started


def in_turns(rounds: int, **works: Callable[[], object]) -> dict[str, float]:
    """Median seconds of each, after one run that warms up."""
    for work in works.values():
        work()
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            found[name].append(timed(work))
    return {name: median(times) for name, times in found.items()}


def plain(path: Path) -> None:
    plain_scores.clip_look(path)
    plain_scores.clip_time(path)


def ffmpeg_ssim(path: Path, other: Path) -> None:
    """FFmpeg's ssim filter on two clips, one thread."""
    graph = av.filter.Graph()
    with av.open(str(path)) as first, av.open(str(other)) as second:
        inputs = [graph.add_buffer(template=each.streams.video[0]) for each in (first, second)]
        measuring, sink = graph.add("ssim"), graph.add("buffersink")
        for pad, source in enumerate(inputs):
            source.link_to(measuring, 0, pad)
        measuring.link_to(sink)
        graph.configure()
        for each in (first, second):
            each.streams.video[0].thread_type = "NONE"
        for one, two in zip(first.decode(video=0), second.decode(video=0), strict=True):
            inputs[0].push(one)
            inputs[1].push(two)
            sink.pull()


def kernels() -> dict[str, float]:
    one = cv2.resize(luma(rgb=photograph("astronaut")), SIZE, interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(0).normal(0, 9, one.shape)
    two = np.clip(one + noise, 0, 255).astype(np.uint8)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    found = in_turns(
        9,
        ssim=lambda: ssim(first=one, second=two),
        ssim_without_compiler=lambda: shared_ssim(first=one, second=two),
        scikit_image_ssim=lambda: structural_similarity(one, two),
        gaussian_ssim=lambda: gaussian_ssim_cells(first=one, second=two),
        scikit_image_gaussian_ssim=lambda: structural_similarity(one, two, **options),
    )
    wanted, wanted_gaussian = structural_similarity(one, two), structural_similarity(one, two, **options)
    return {
        **{f"{name}_ms": seconds * 1e3 for name, seconds in found.items()},
        "ssim_times_as_fast": found["scikit_image_ssim"] / found["ssim"],
        "ssim_without_compiler_times_as_fast": found["scikit_image_ssim"] / found["ssim_without_compiler"],
        "gaussian_ssim_times_as_fast": found["scikit_image_gaussian_ssim"] / found["gaussian_ssim"],
        "ssim_difference": abs(ssim(first=one, second=two) - wanted),
        "gaussian_ssim_difference": abs(gaussian_ssim_cells(first=one, second=two)[0] - wanted_gaussian),
        "ssim_without_compiler_difference": abs(shared_ssim(first=one, second=two) - wanted),
    }


def scoring(folder: Path) -> dict[str, float]:
    pictures = list(camera(photograph("astronaut"), frames=FRAMES, size=SIZE))
    path = clip(folder / "clip.mp4", iter(pictures))
    baseline = clip(folder / "baseline.mp4", (cv2.GaussianBlur(picture, (0, 0), 0.8) for picture in pictures))
    expected = Expectation(width=SIZE[0], height=SIZE[1], frames=FRAMES, fps=16)
    alone = MeasurementRequest(clip=path, expected=expected)
    against = MeasurementRequest(clip=path, expected=expected, baseline_clip=baseline)
    backend = FaceRegionBackend()
    found = in_turns(
        ROUNDS,
        score=lambda: measure(alone, identity=backend),
        ffmpeg_ssim=lambda: ffmpeg_ssim(path, path),
        score_with_baseline=lambda: measure(against, identity=backend),
        ffmpeg_ssim_with_baseline=lambda: ffmpeg_ssim(path, baseline),
        compare=lambda: compare(baseline, path),
    )
    oracle = timed(lambda: plain(path))
    beside = median(timed(lambda: measure(alone, identity=backend)) for _ in range(3))
    return {
        **{f"{name}_seconds": seconds for name, seconds in found.items()},
        "plain_seconds": oracle,
        "score_over_ffmpeg_ssim": found["score"] / found["ffmpeg_ssim"],
        "score_with_baseline_over_ffmpeg_ssim": found["score_with_baseline"] / found["ffmpeg_ssim_with_baseline"],
        "compare_over_ffmpeg_ssim": found["compare"] / found["ffmpeg_ssim_with_baseline"],
        "score_times_as_fast_as_plain": oracle / beside,
    }


def main() -> None:
    cv2.setNumThreads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        found = {**kernels(), **scoring(Path(folder))}
    lines = ["# Speed of measuring", "", f"{SIZE[0]}x{SIZE[1]}, {FRAMES} frames, one core, {platform.machine()}."]
    lines += ["Made by `python -m bench measurement_speed`.", "", "| what | value |", "|---|---|"]
    lines += [f"| {name.replace('_', ' ')} | {value:.4g} |" for name, value in found.items()]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "measurement_speed.json").write_text(json.dumps(found, indent=2) + "\n")
    (RESULTS / "measurement_speed.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
