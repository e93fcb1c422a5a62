"""Readings, renders and baselines for tests of the regression verdict, in the fewest words."""

from collections.abc import Mapping, Sequence

from services.regression.domain.baseline import Backend, Baseline, Reading, ScoredSegment, build_baseline
from services.regression.domain.environment import Environment, UnderTest
from services.regression.domain.judgement import Judgement, judge
from services.regression.domain.rules import BUILT_IN, SSIM_TO_BASELINE, Rulebook, rulebook

ENGINE = Environment(
    engine="ComfyUI 0.3.64", torch="2.9", device="H200", node_classes=("KSampler",), model_files=(("anna_v1", "a"),)
)
BACKEND = Backend(name="look", version="1")
GOOD: Mapping[str, float] = {
    "matches_request": 1.0,
    "sharpness": 0.3,
    "exposure": 0.5,
    "clipping": 0.01,
    "contrast": 0.2,
    "colourfulness": 50.0,
    "blockiness": 0.0,
    "noise": 0.004,
    "motion": 0.1,
    "flicker": 0.0005,
    "motion_jump": 0.001,
    "warping_error": 0.0001,
    "temporal_flicker": 0.99,
    "frozen_frames": 0.0,
    "cuts": 0.0,
    "black_frames": 0.0,
    "identity_similarity": 0.93,
    "handover_ssim": 0.9,
    SSIM_TO_BASELINE: 1.0,
    "colour_cast": 5.0,
}

Values = Mapping[str, float | None]


def segment(
    values: Values,
    *,
    position: int = 1,
    environment: Environment = ENGINE,
    suite: str = "1",
    backend: Backend = BACKEND,
    not_measurable: str | None = None,
) -> ScoredSegment:
    return ScoredSegment(
        position=position,
        clip_sha256=f"{position:064x}",
        environment=environment,
        metric_suite_version=suite,
        backend=backend,
        readings={name: reading(value) for name, value in values.items()},
        not_measurable=not_measurable,
    )


def reading(value: float | None) -> Reading:
    return Reading(value=value, not_measurable="no face was found" if value is None else None, worst_frame=17)


def render(*segments: Values, environment: Environment = ENGINE, suite: str = "1") -> dict[int, ScoredSegment]:
    return {
        position: segment(values, position=position, environment=environment, suite=suite)
        for position, values in enumerate(segments, start=1)
    }


def baseline(*renders: Sequence[Values]) -> Baseline:
    return build_baseline([render(*segments) for segments in renders])


def steady(*segments: Values) -> Baseline:
    """Of an engine that repeats itself exactly."""
    found = segments or (GOOD,)
    return baseline(found, found, found)


def verdict(
    before: Baseline, *after: Values, rules: Rulebook | None = None, under_test: UnderTest | None = None
) -> Judgement:
    return judge(
        baseline=before, render=render(*after), rules=rules or rulebook(), under_test=under_test or UnderTest()
    )


def moved(values: Values = GOOD, **moves: float | None) -> dict[str, float | None]:
    """The same readings, some of them moved by so much; None loses one."""
    changed = dict(values)
    for name, move in moves.items():
        before = changed[name]
        changed[name] = None if move is None or before is None else before + move
    return changed


def better(metric: str, by: float) -> float:
    """The move of so much in the good direction."""
    return -by if BUILT_IN[metric].direction.value == "lower" else by
