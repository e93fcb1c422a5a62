"""How the metrics respond to the defects of tests/support/degrading.py: what is declared, and what is measured.

Noise of a metric on a clip: twice the farthest that the same clip lands from it when it is encoded otherwise (two
presets, two qualities) or carries another seed of invisible grain (0.7 levels, twice).

* must: with every strength the metric goes on in the declared direction, or back by no more than its noise; at the
  strongest it is farther away than its noise.
* must not: at no strength is the metric farther away than its noise, or than the smallest move that the regression
  service counts as a change, if that is larger.
* free: everything that is not declared. The table shows it, nobody checks it.
"""

import multiprocessing
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from services.regression.domain.rules import BUILT_IN
from services.scoring.adapters.backends import identity_backend
from services.scoring.adapters.identity import IdentityBackend
from services.scoring.domain import BackendChoice, Expectation, Measurement, SourceRegion
from services.scoring.workers.measurement import MeasurementRequest, measure
from shared.video.encode import encode_h264
from tests.support.degrading import DEFECTS, FPS, FRAMES, SIZE, SOURCES, Rgb, clean
from tests.support.models import face_models

UP, DOWN, EITHER = 1, -1, 0
"""EITHER: up on one clip, down on another, but one way on each."""

MUST: Mapping[str, Mapping[str, int]] = {
    "blur": {"sharpness": DOWN, "contrast": DOWN, "ssim_to_baseline": DOWN},
    "noise": {"noise": UP, "warping_error": UP, "temporal_flicker": DOWN, "ssim_to_baseline": DOWN},
    "colour cast": {"colour_cast": EITHER, "colourfulness": EITHER, "identity_similarity": DOWN},
    "flicker": {"flicker": UP, "warping_error": UP, "temporal_flicker": DOWN},
    "freeze": {"frozen_frames": UP, "motion": DOWN, "ssim_to_baseline": DOWN},
    "drop": {"motion_jump": UP, "motion": UP, "ssim_to_baseline": DOWN},
    "identity swap": {"identity_similarity": DOWN},
    "jump": {"motion_jump": UP, "motion": UP, "ssim_to_baseline": DOWN},
}

NEEDS_MOTION = {("freeze", "motion"), ("freeze", "ssim_to_baseline"), ("drop", "motion_jump"), ("drop", "motion"),
                ("drop", "ssim_to_baseline")}  # fmt: skip
"""Where nothing moves, time that stops or jumps cannot be seen."""

ALWAYS_QUIET = ("matches_request", "black_frames", "blockiness", "exposure", "clipping")

MUST_NOT: Mapping[str, Sequence[str]] = {
    "blur": (*ALWAYS_QUIET, "colour_cast", "colourfulness", "motion", "motion_jump", "warping_error", "flicker",
             "cuts"),
    "noise": (*ALWAYS_QUIET, "sharpness", "contrast", "colourfulness", "motion_jump", "flicker", "frozen_frames",
              "cuts"),
    "colour cast": (*ALWAYS_QUIET, "sharpness", "contrast", "noise", "motion", "motion_jump", "warping_error",
                    "flicker", "temporal_flicker", "frozen_frames", "cuts", "ssim_to_baseline"),
    "flicker": (*ALWAYS_QUIET, "sharpness", "contrast", "colour_cast", "colourfulness", "noise", "motion_jump",
                "frozen_frames", "cuts", "identity_similarity", "ssim_to_baseline"),
    "freeze": (*ALWAYS_QUIET, "sharpness", "contrast", "colourfulness", "noise", "motion_jump", "warping_error",
               "flicker", "temporal_flicker", "cuts", "identity_similarity"),
    "drop": (*ALWAYS_QUIET, "sharpness", "contrast", "colourfulness", "noise", "warping_error", "flicker",
             "temporal_flicker", "frozen_frames", "identity_similarity"),
    "identity swap": (*ALWAYS_QUIET, "sharpness", "contrast", "noise", "warping_error", "flicker",
                      "frozen_frames", "cuts"),
    "jump": (*ALWAYS_QUIET, "sharpness", "contrast", "colourfulness", "noise", "warping_error", "flicker",
             "frozen_frames", "identity_similarity"),
}  # fmt: skip

EXPECTED = Expectation(width=SIZE[0], height=SIZE[1], frames=FRAMES, fps=FPS)
Values = Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Responses:
    """Of one clip: the clean one, the same one encoded otherwise or under another seed, and by defect and strength."""

    source: str
    clean: Values
    repeats: Sequence[Values]
    spoiled: Mapping[str, Sequence[Values]]

    def noise(self, metric: str) -> float:
        at = self.clean[metric]
        assert at is not None
        return 2 * max(abs(value - at) for each in self.repeats if (value := each[metric]) is not None)

    def moves(self, defect: str, metric: str) -> list[float | None]:
        """From the clean clip, by strength; None where the spoiled clip could not be measured."""
        at = self.clean[metric]
        assert at is not None
        found = [each[metric] for each in self.spoiled[defect]]
        return [None if value is None else value - at for value in found]

    def broken(self, defect: str, metric: str) -> str | None:
        """What this clip says against the declaration; None where it agrees, or was not asked."""
        if self.clean[metric] is None:
            return None
        if metric in MUST_NOT[defect]:
            return self.not_still(defect, metric)
        asked = (defect, metric) not in NEEDS_MOTION or not SOURCES[self.source].still
        if metric in MUST[defect] and asked:
            return self.not_monotone(defect, metric, MUST[defect][metric])
        return None

    def not_still(self, defect: str, metric: str) -> str | None:
        at = self.clean[metric]
        assert at is not None
        floor = max(self.noise(metric), BUILT_IN[metric].smallest_move(at))
        far = max((abs(move) for move in self.moves(defect, metric) if move is not None), default=0.0)
        return f"moves by {far:.5f}, its floor is {floor:.5f}" if far > floor else None

    def not_monotone(self, defect: str, metric: str, direction: int) -> str | None:
        moves = [move for move in self.moves(defect, metric) if move is not None]
        if len(moves) < len(DEFECTS[defect].strengths):
            return "is not measurable at every strength"
        sign = direction or (1 if moves[-1] > 0 else -1)
        path, noise = [0.0, *(sign * move for move in moves)], self.noise(metric)
        back = max(before - after for before, after in pairwise(path))
        if back > noise:
            return f"goes back by {back:.5f}, its noise is {noise:.5f}"
        return f"responds by {path[-1]:.5f}, its noise is {noise:.5f}" if path[-1] <= noise else None


def kendall_tau(moves: Sequence[float]) -> float:
    """Of the moves against the strengths: 1 where every stronger defect moves the metric further up, -1 down."""
    pairs = [(i, j) for j in range(len(moves)) for i in range(j)]
    return sum(float(np.sign(moves[j] - moves[i])) for i, j in pairs) / len(pairs)


def responses(*, processes: int = 2, sources: Sequence[str] = tuple(SOURCES)) -> list[Responses]:
    """Every clip, spoiled in every way. One clip is one process's work."""
    with ProcessPoolExecutor(max_workers=processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(responses_of, sources))


def responses_of(
    source: str, choice: BackendChoice | None = None, defects: Sequence[str] = tuple(DEFECTS)
) -> Responses:
    backend = identity_backend(choice or BackendChoice())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Image.fromarray(clean(source)[0]).save(folder / "source.png")
        encode_h264(folder / "clean.mp4", iter(clean(source)[:FRAMES]), fps=FPS, preset="veryfast")
        asked = partial(_measured, folder, backend)
        first = asked(folder / "clean.mp4", None)
        seen = partial(_spoiled, folder, partial(asked, region=first.region))
        return Responses(
            source=source,
            clean=_values(first),
            repeats=[seen(frames, preset, crf) for frames, preset, crf in _repeats(source)],
            spoiled={
                name: [seen(DEFECTS[name].make(source, strength)) for strength in DEFECTS[name].strengths]
                for name in defects
            },
        )


def _repeats(source: str) -> Iterator[tuple[Sequence[Rgb], str, int]]:
    frames = clean(source)[:FRAMES]
    for preset, crf in (("medium", 18), ("fast", 18), ("veryfast", 16), ("veryfast", 20)):
        yield frames, preset, crf
    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        grain = (rng.normal(0, 0.7, frame.shape) for frame in frames)
        yield (
            [np.clip(f + g + 0.5, 0, 255).astype(np.uint8) for f, g in zip(frames, grain, strict=True)],
            "veryfast",
            18,
        )


def _spoiled(
    folder: Path, asked: "partial[Measurement]", frames: Sequence[Rgb], preset: str = "veryfast", crf: int = 18
) -> Values:
    encode_h264(folder / "this.mp4", iter(frames), fps=FPS, preset=preset, crf=crf)
    return _values(asked(folder / "this.mp4"))


def _measured(folder: Path, backend: IdentityBackend, clip: Path, region: SourceRegion | None) -> Measurement:
    request = MeasurementRequest(
        clip=clip, expected=EXPECTED, source_image=folder / "source.png", known_region=region,
        baseline_clip=folder / "clean.mp4",
    )  # fmt: skip
    return measure(request, identity=backend)


def _values(measurement: Measurement) -> Values:
    return {name: reading.value for name, reading in measurement.readings.items()}


RECOGNISER_SOURCE = "astronaut, hand-held"
RECOGNISER_MUST = ("identity swap",)
RECOGNISER_MUST_NOT = ("colour cast", "flicker", "freeze", "drop", "jump")
"""What the identity of a back-end that recognises people must fall with, and what must leave it alone: the one without
weights takes another colour for another look, a recogniser does not."""


def recogniser() -> BackendChoice | None:
    """The pair of ONNX files for tests, where it is there."""
    models = face_models()
    return None if models is None else BackendChoice(name="onnx-pair", models=str(models))


def recogniser_responses(choice: BackendChoice) -> Responses:
    return responses_of(RECOGNISER_SOURCE, choice, (*RECOGNISER_MUST, *RECOGNISER_MUST_NOT))
