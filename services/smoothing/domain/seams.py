"""What makes a seam visible, and what to do about it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from statistics import median
from typing import Any


class Verdict(StrEnum):
    """Green: nobody sees it. Yellow: somebody who looks for it does. Red: everybody does."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


class Method(StrEnum):
    FRAME_BLENDING = "frame_blending"
    RE_EXTRACTION = "re_extraction"


class Recommendation(StrEnum):
    NOTHING = "nothing"
    FRAME_BLENDING = "frame_blending"
    RE_EXTRACTION = "re_extraction"
    REGENERATE = "regenerate"


class Kind(StrEnum):
    """What jumps. Appearance: colour, light, focus, content in place. Motion: the place of things, or the timing."""

    APPEARANCE = "appearance"
    MOTION = "motion"


class SeamError(ValueError):
    """The seam cannot be judged or repaired as asked; the message says what to change, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Limits of one project. The defaults are those the corpus of seams under tests/support was judged with.

    A step is as visible as its surprise is large against
    `floor_levels + per_typical * (median surprise) + per_change * (median change between frames)`: what the clip does
    all the time hides what it does once. The floor is what is seen in a static scene: a hundredth of the range.
    """

    yellow_visibility: float = 1.0
    red_visibility: float = 2.0
    floor_levels: float = 2.0
    per_typical: float = 2.0
    per_change: float = 0.05
    green_ssim: float = 0.90
    red_ssim: float = 0.75
    green_slack: float = 0.05
    red_slack: float = 0.15
    """An SSIM below its limit still counts as good within this distance of the clip's median from frame to frame."""

    hopeless_ssim: float = 0.5
    """Share of the clip's own median SSIM below which the two sides show different pictures: no repair joins those."""

    def __post_init__(self) -> None:
        if not 0 < self.yellow_visibility <= self.red_visibility:
            raise SeamError("visibility limits must rise: 0 < yellow <= red")
        if not -1 <= self.red_ssim <= self.green_ssim <= 1:
            raise SeamError("SSIM limits must lie in [-1, 1], red not above green")
        if min(self.floor_levels, self.per_typical, self.per_change, self.green_slack) < 0 or self.floor_levels == 0:
            raise SeamError("limits are not negative, and the floor is above 0")
        if self.red_slack < self.green_slack:
            raise SeamError("the slack for red is not below that for green")


DEFAULT_THRESHOLDS = Thresholds()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReading:
    """One step inside the window, named by the frame it leads to: offset 0 is the cut, 5 leads to the 6th later frame.

    `levels`, `appearance_levels`, `change_levels`: 8-bit levels, 0 upwards, lower is better. `ssim`: -1 to 1, higher
    is better; plain, of the luma at native size. `expected_ssim`: the same against what the motion led to expect, at
    the analysis size: plain SSIM in a moving scene says how much moves, this one how well it joins.
    """

    offset: int
    levels: float
    appearance_levels: float
    change_levels: float
    ssim: float
    expected_ssim: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Seam:
    """What was measured around one cut. Steps of look: fractions of the range, positive if the later side has more."""

    steps: tuple[StepReading, ...]
    limit_levels: float
    luminance_step: float
    contrast_step: float
    saturation_step: float
    repeats_handover: bool
    """The later clip begins with the very frame it was handed: fine, as long as the joined scene shows it once."""

    rejoined_share: float | None = None
    """Surprise at the best pair of frames near the cut, as a share of that at the cut; 0 to 1, lower is better, 1 if no
    pair joins better. None where the cut itself is not visible, or there are too few frames."""

    def __post_init__(self) -> None:
        if not any(step.offset == 0 for step in self.steps):
            raise SeamError("the cut itself was not measured")

    def at(self, offset: int) -> StepReading:
        for step in self.steps:
            if step.offset == offset:
                return step
        raise SeamError(f"there is no step at offset {offset} inside the window")

    @property
    def ssim(self) -> float:
        """SSIM of the two frames that meet at the cut."""
        return self.at(0).ssim

    @property
    def typical_ssim(self) -> float:
        """Median SSIM from frame to frame, the cut left out; that of the cut if there is nothing else."""
        others = [step.ssim for step in self.steps if step.offset != 0]
        return median(others) if others else self.ssim

    @property
    def typical_expected_ssim(self) -> float:
        """The same of the SSIM against the expected frame."""
        others = [step.expected_ssim for step in self.steps if step.offset != 0]
        return median(others) if others else self.at(0).expected_ssim

    @property
    def worst(self) -> StepReading:
        """The most visible step; of equals the one nearest to the cut."""
        return max(self.steps, key=lambda step: (step.levels, -abs(step.offset)))

    def visibility(self, offset: int) -> float:
        """How visible a step is: 1 is the limit, lower is better."""
        return self.at(offset).levels / self.limit_levels

    @property
    def worst_visibility(self) -> float:
        return self.visibility(self.worst.offset)

    @property
    def kind(self) -> Kind:
        """Of the worst step: appearance, if most of the surprise stays when the step's own motion is known."""
        worst = self.worst
        return Kind.APPEARANCE if worst.appearance_levels > 0.5 * worst.levels else Kind.MOTION


def plain(seam: Seam) -> dict[str, Any]:
    """As plain data, for a row or a line; `seam_of` reads it."""
    return asdict(seam)


def seam_of(fields: Mapping[str, Any]) -> Seam:
    return Seam(**{**fields, "steps": tuple(StepReading(**step) for step in fields["steps"])})


def limit_levels(steps: Sequence[StepReading], thresholds: Thresholds) -> float:
    """From which surprise on a step is seen in this clip. The cut does not count towards what is usual."""
    usual = [step for step in steps if step.offset != 0] or list(steps)
    return (
        thresholds.floor_levels
        + thresholds.per_typical * median(step.levels for step in usual)
        + thresholds.per_change * median(step.change_levels for step in usual)
    )


def under(seam: Seam, thresholds: Thresholds) -> Seam:
    """The same measurement against the limit that these thresholds give: what was measured does not depend on them."""
    return replace(seam, limit_levels=limit_levels(seam.steps, thresholds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    verdict: Verdict
    recommendation: Recommendation
    reason: str


def judge(seam: Seam, thresholds: Thresholds = DEFAULT_THRESHOLDS) -> Judgement:
    """The worse of two verdicts: that of the window and that of the SSIM at the cut."""
    window, cut = _window_verdict(seam, thresholds), _ssim_verdict(seam, thresholds)
    verdict = max(window, cut, key=list(Verdict).index)
    recommendation = _recommendation(seam, verdict, thresholds)
    return Judgement(verdict=verdict, recommendation=recommendation, reason=_reason(seam, window, cut))


def needs_smoothing(judgement: Judgement, *, accepted: bool) -> bool:
    """Everybody sees it, and nobody has said that it may stay."""
    return judgement.verdict is Verdict.RED and not accepted


def _window_verdict(seam: Seam, thresholds: Thresholds) -> Verdict:
    if seam.worst_visibility >= thresholds.red_visibility:
        return Verdict.RED
    return Verdict.YELLOW if seam.worst_visibility >= thresholds.yellow_visibility else Verdict.GREEN


def _ssim_verdict(seam: Seam, thresholds: Thresholds) -> Verdict:
    if seam.ssim < min(thresholds.red_ssim, seam.typical_ssim - thresholds.red_slack):
        return Verdict.RED
    fine = seam.ssim >= min(thresholds.green_ssim, seam.typical_ssim - thresholds.green_slack)
    return Verdict.GREEN if fine else Verdict.YELLOW


REJOINS = 0.5
"""Below this share of the surprise another pair of frames is the better cut. On the corpus of seams it is below 0.15
where frames are shown twice or spoiled, and above 0.9 where nothing can be gained by dropping some."""


def _recommendation(seam: Seam, verdict: Verdict, thresholds: Thresholds) -> Recommendation:
    if verdict is Verdict.GREEN:
        return Recommendation.NOTHING
    if seam.rejoined_share is not None and seam.rejoined_share < REJOINS:
        return Recommendation.RE_EXTRACTION
    if seam.ssim < thresholds.hopeless_ssim * seam.typical_ssim and seam.kind is Kind.APPEARANCE:
        return Recommendation.REGENERATE
    return Recommendation.FRAME_BLENDING


def _reason(seam: Seam, window: Verdict, cut: Verdict) -> str:
    if window is Verdict.GREEN and cut is Verdict.GREEN:
        return f"no step in the window is visible (the largest has {seam.worst_visibility:.2f} of the limit)"
    if window is Verdict.GREEN:
        return f"SSIM at the cut is {seam.ssim:.3f}, the clip's own steps have {seam.typical_ssim:.3f}"
    return f"a jump in {seam.kind} {where(seam.worst.offset)}, {seam.worst_visibility:.1f} times the limit"


def where(offset: int) -> str:
    """An offset in words."""
    if offset == 0:
        return "at the cut"
    frames = "frame" if abs(offset) == 1 else "frames"
    return f"{abs(offset)} {frames} {'after' if offset > 0 else 'before'} the cut"
