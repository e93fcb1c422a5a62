"""Freezes and cuts are those of FFmpeg's `freezedetect` and `scdet`, run on the same encoded clips."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
import pytest

from services.scoring.kernels.stillness import CUT_SCORE
from services.scoring.workers.meters import CutMeter, FreezeMeter, view
from shared.video.encode import encode_h264
from shared.video.planes import iter_stored
from tests.support.clips import Rgb, lossless
from tests.support.filters import filtered
from tests.support.seams import MOVES, Move, frame_at

SIZE, FPS, FRAMES = (128, 72), 16, 48
LEAST_SECONDS = (0.25, 0.5, 2.0)


def moving(name: str, move: str = "pan", frames: int = FRAMES, start: int = 0) -> list[Rgb]:
    return [frame_at(name, MOVES[move], start + time, SIZE) for time in range(frames)]


def held(frames: list[Rgb], start: int, length: int) -> list[Rgb]:
    """`length` frames from `start` on show the one before `start` again."""
    return frames[:start] + [frames[start - 1]] * length + frames[start + length :]


def noisy(frames: Sequence[Rgb], sigma: float) -> list[Rgb]:
    rng = np.random.default_rng(5)
    return [np.clip(f + rng.normal(0, sigma, f.shape) + 0.5, 0, 255).astype(np.uint8) for f in frames]


def fading(frames: Sequence[Rgb], per_frame: float) -> list[Rgb]:
    return [np.clip(f - per_frame * i + 0.5, 0, 255).astype(np.uint8) for i, f in enumerate(frames)]


def encoded(folder: Path, coded: str, frames: Sequence[Rgb]) -> Path:
    if coded != "h264":
        return lossless(folder / "clip.mkv", frames, coded)
    path = folder / "clip.mp4"
    encode_h264(path, iter(frames), fps=FPS, preset="veryfast")
    return path


FREEZES: dict[str, Callable[[], list[Rgb]]] = {
    "never": lambda: moving("chelsea"),
    "in the middle": lambda: held(moving("coffee"), 10, 12),
    "two": lambda: held(held(moving("rocket"), 4, 8), 30, 9),
    "to the end": lambda: held(moving("astronaut"), 20, 28),
    "from the start": lambda: held(moving("retina"), 1, 20),
    "a little short": lambda: held(moving("coffee"), 10, 3),
    "just long enough": lambda: held(moving("coffee"), 10, 4),
    "always": lambda: [frame_at("chelsea", MOVES["still"], 0, SIZE)] * FRAMES,
    "slow fade": lambda: fading([frame_at("chelsea", MOVES["still"], 0, SIZE)] * FRAMES, 0.1),
    "slower fade": lambda: fading([frame_at("chelsea", MOVES["still"], 0, SIZE)] * FRAMES, 0.02),
    "slow zoom": lambda: [frame_at("chelsea", Move(zoom=0.0002), time, SIZE) for time in range(FRAMES)],
    **{
        f"still, noise {sigma}": lambda s=sigma: noisy([frame_at("coffee", MOVES["still"], 0, SIZE)] * FRAMES, s)
        for sigma in (0.2, 0.25, 0.3, 0.35, 0.4, 1.0)
    },
}  # fmt: skip


def freezedetect(path: Path, seconds: float) -> list[tuple[int, int | None]]:
    """(first frame of the freeze, first frame after it or None) as the filter says them, in frames."""
    starts: list[int] = []
    ends: list[int] = []
    for metadata in filtered(path, "freezedetect", f"d={seconds}"):
        if start := metadata.get("lavfi.freezedetect.freeze_start"):
            starts.append(round(float(start) * FPS))
        if end := metadata.get("lavfi.freezedetect.freeze_end"):
            ends.append(round(float(end) * FPS))
    return [(start, ends[i] if i < len(ends) else None) for i, start in enumerate(starts)]


def frozen(path: Path) -> dict[float, list[tuple[int, int]]]:
    """By the least duration, in one pass."""
    meters = {seconds: FreezeMeter(fps=FPS, least_seconds=seconds) for seconds in LEAST_SECONDS}
    for frame in iter_stored(path):
        for meter in meters.values():
            meter.feed(view(frame))
    return {seconds: meter.runs() for seconds, meter in meters.items()}


@lru_cache
def freezing(name: str) -> list[Rgb]:
    return FREEZES[name]()


@pytest.mark.parametrize("coded", ["h264", "yuv420p", "yuv444p10le"])
def test_freezes_are_those_of_freezedetect(coded: str, tmp_path: Path) -> None:
    seen: set[bool] = set()
    for name in FREEZES:
        frames = freezing(name)
        path = encoded(tmp_path, coded, frames)
        for seconds, runs in frozen(path).items():
            # The filter counts from the frame that is repeated, we from the first repetition.
            told = [(start - 1, None if end == len(frames) else end) for start, end in runs]
            assert told == freezedetect(path, seconds), f"{name}, {seconds} s"
            seen.add(bool(told))
    assert seen == {True, False}


def at_times(path: Path, frames: Sequence[Rgb], milliseconds: Sequence[int]) -> Path:
    """Each frame shown at its own time: a rate that varies."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for picture, time in zip(frames, milliseconds, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_how_long_a_freeze_lasts_is_told_by_the_times_of_the_frames_not_by_their_number(tmp_path: Path) -> None:
    """Ten repetitions within a sixth of a second are no freeze; three that last for most of a second are one."""
    frames = held(held(moving("coffee"), 10, 10), 30, 3)
    steps = [16 if 9 <= index < 20 else 250 if 29 <= index < 33 else 62 for index in range(FRAMES)]
    times = [sum(steps[:index]) for index in range(FRAMES)]
    path = at_times(tmp_path / "varying.mkv", frames, times)
    assert frozen(path) == {0.25: [(30, 33)], 0.5: [(30, 33)], 2.0: []}
    told = [m for m in filtered(path, "freezedetect", "d=0.5") if "lavfi.freezedetect.freeze_end" in m]
    assert [float(m["lavfi.freezedetect.freeze_end"]) for m in told] == [times[33] / 1000]


CUTS: dict[str, tuple[int, Callable[[], list[Rgb]]]] = {
    "none": (0, lambda: moving("coffee")),
    "one": (1, lambda: moving("coffee", frames=20) + moving("chelsea", frames=28)),
    "three": (3, lambda: [f for name in ("coffee", "retina", "astronaut", "rocket") for f in moving(name, frames=12)]),
    "into a fast pan": (1, lambda: moving("rocket", frames=20) + moving("chelsea", "fast pan", frames=28)),
    "one frame of another shot": (1, lambda: moving("coffee", frames=20) + moving("retina", frames=1)
                                  + moving("coffee", frames=27, start=21)),
    "a fade to another shot": (0, lambda: blended(moving("coffee"), moving("chelsea"))),
    "a fade to black": (0, lambda: fading(moving("astronaut"), 5.0)),
}  # fmt: skip


def blended(one: list[Rgb], two: list[Rgb]) -> list[Rgb]:
    shares = np.clip((np.arange(len(one)) - 12) / 24, 0, 1)
    return [(a * (1 - s) + b * s + 0.5).astype(np.uint8) for a, b, s in zip(one, two, shares, strict=True)]


def cut_scores(path: Path) -> CutMeter:
    meter = CutMeter()
    for frame in iter_stored(path):
        meter.feed(view(frame))
    return meter


@pytest.mark.parametrize("coded", ["h264", "yuv420p", "yuv444p10le"])
@pytest.mark.parametrize("name", CUTS)
def test_cuts_and_their_scores_are_those_of_scdet(name: str, coded: str, tmp_path: Path) -> None:
    wanted, make = CUTS[name]
    path = encoded(tmp_path, coded, make())
    told = filtered(path, "scdet", f"threshold={CUT_SCORE}")
    meter = cut_scores(path)
    theirs = [float(metadata["lavfi.scd.score"]) for metadata in told[2:]]
    assert meter.scores()[1:] == pytest.approx(theirs, abs=5.1e-4), "after the first step"
    (reading,) = meter.readings()
    assert reading.value == wanted == sum("lavfi.scd.time" in metadata for metadata in told[2:])
    if wanted:
        assert reading.worst_frame is not None and "lavfi.scd.time" in told[reading.worst_frame]


def dashing(frames: int = 24) -> Iterator[Rgb]:
    """A pan by a tenth of the picture per frame."""
    return (frame_at("coffee", Move(pan=(0.1, 0.02)), time, SIZE) for time in range(frames))


def test_fast_motion_is_no_cut_where_a_plain_difference_and_scdets_first_step_say_so(tmp_path: Path) -> None:
    path = encoded(tmp_path, "h264", list(dashing()))
    told = filtered(path, "scdet", f"threshold={CUT_SCORE}")
    assert sum(float(metadata["lavfi.scd.mafd"]) >= CUT_SCORE for metadata in told) >= 12, "half of the steps are large"
    assert [i for i, metadata in enumerate(told) if "lavfi.scd.time" in metadata] == [1]
    (reading,) = cut_scores(path).readings()
    assert reading.value == 0.0
    assert reading.details["highest_score"] < CUT_SCORE / 2


def test_a_cut_right_after_the_first_frame_is_found(tmp_path: Path) -> None:
    path = encoded(tmp_path, "h264", moving("coffee", frames=1) + moving("chelsea", frames=8))
    (reading,) = cut_scores(path).readings()
    assert (reading.value, reading.worst_frame, reading.note) == (1.0, 1, "at frame 1")


def test_one_frame_has_no_cut_and_two_may_have_one(tmp_path: Path) -> None:
    (cuts,) = cut_scores(encoded(tmp_path, "h264", moving("coffee", frames=1))).readings()
    assert cuts.not_measurable == "a cut needs at least 2 frames"
    (cuts,) = cut_scores(encoded(tmp_path, "h264", moving("coffee", frames=1) + moving("chelsea", frames=1))).readings()
    assert cuts.value == 1.0
