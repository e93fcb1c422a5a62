"""How fast the numbers come: the SSIM kernel against scikit-image, and `score` against its plain implementation.

    python -m bench.measurement_speed

One core, 832x480, ratios in one run, in-process after a warm-up; the least of several times. The plain implementation
is scikit-image's SSIM and Farneback flow at 416x240, frame by frame; FFmpeg's ssim filter reads the same clip twice.
"""

import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
from skimage.metrics import structural_similarity

from services.scoring.adapters.identity import FaceRegionBackend
from services.scoring.domain import Expectation
from services.scoring.kernels.luma import luma
from services.scoring.kernels.sharpness import sharpness
from services.scoring.kernels.ssim import gaussian_ssim_map, ssim
from services.scoring.workers.measurement import MeasurementRequest, measure
from shared.video.decode import iter_frames
from tests.support.clips import camera, clip, photograph

RESULTS = Path(__file__).parent / "results"
SIZE, FRAMES = (832, 480), 81


def least(work: Callable[[], object], *, times: int) -> float:
    """Seconds of the fastest of some runs, after one that warms up."""
    work()
    found = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return min(found)


def plain(path: Path, baseline: Path) -> tuple[float, float]:
    """Means of SSIM against the baseline and of the flow's length, without any of our kernels but sharpness."""
    scores, lengths = [], []
    previous: np.ndarray | None = None
    for frame, other in zip(iter_frames(path), iter_frames(baseline), strict=True):
        grey = luma(rgb=frame.rgb)
        scores.append(structural_similarity(luma(rgb=other.rgb), grey))
        small = cv2.resize(grey, (416, 240), interpolation=cv2.INTER_AREA)
        sharpness(luma=grey)
        if previous is not None:
            flow = cv2.calcOpticalFlowFarneback(previous, small, np.zeros((0,)), 0.5, 3, 15, 3, 5, 1.1, 0)
            lengths.append(float(np.hypot(flow[..., 0], flow[..., 1]).mean()))
        previous = small
    return float(np.mean(scores)), float(np.mean(lengths))


def ffmpeg_ssim(path: Path) -> None:
    """FFmpeg's ssim filter on the clip against itself, one thread."""
    graph = av.filter.Graph()
    with av.open(str(path)) as first, av.open(str(path)) as second:
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
    ours = least(lambda: ssim(first=one, second=two), times=40)
    theirs = least(lambda: structural_similarity(one, two), times=8)
    gaussian = least(lambda: gaussian_ssim_map(first=one, second=two), times=8)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    gaussian_theirs = least(lambda: structural_similarity(one, two, **options), times=4)
    return {
        "ssim_ms": ours * 1e3,
        "scikit_image_ssim_ms": theirs * 1e3,
        "ssim_times_as_fast": theirs / ours,
        "ssim_difference": abs(ssim(first=one, second=two) - structural_similarity(one, two)),
        "gaussian_ssim_ms": gaussian * 1e3,
        "gaussian_ssim_times_as_fast": gaussian_theirs / gaussian,
    }


def scoring(folder: Path) -> dict[str, float]:
    path = clip(folder / "clip.mp4", camera(photograph("astronaut"), frames=FRAMES, size=SIZE))
    expected = Expectation(width=SIZE[0], height=SIZE[1], frames=FRAMES, fps=16)
    alone = MeasurementRequest(clip=path, expected=expected)
    against = MeasurementRequest(clip=path, expected=expected, baseline_clip=path)
    backend = FaceRegionBackend()
    score = least(lambda: measure(alone, identity=backend), times=3)
    compared = least(lambda: measure(against, identity=backend), times=3)
    filter_ = least(lambda: ffmpeg_ssim(path), times=3)
    oracle = least(lambda: plain(path, path), times=1)
    return {
        "score_seconds": score,
        "score_with_baseline_seconds": compared,
        "ffmpeg_ssim_seconds": filter_,
        "plain_seconds": oracle,
        "score_over_ffmpeg_ssim": score / filter_,
        "score_with_baseline_times_as_fast_as_plain": oracle / compared,
    }


def main() -> None:
    cv2.setNumThreads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        found = {**kernels(), **scoring(Path(folder))}
    lines = ["# Speed of measuring", "", f"{SIZE[0]}x{SIZE[1]}, {FRAMES} frames, one core, {platform.machine()}."]
    lines += ["Made by `python -m bench.measurement_speed`.", "", "| what | value |", "|---|---|"]
    lines += [f"| {name.replace('_', ' ')} | {value:.4g} |" for name, value in found.items()]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "measurement_speed.json").write_text(json.dumps(found, indent=2) + "\n")
    (RESULTS / "measurement_speed.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
