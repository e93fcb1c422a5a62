"""How a run's report is read: what a person sees first, in which order, and in which words.

The facts are the regression service's; nothing here judges. The shape of its answer is known in this module only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

JsonObject = Mapping[str, Any]

METRIC_LABELS: Mapping[str, str] = {
    "matches_request": "Matches the request",
    "sharpness": "Sharpness",
    "exposure": "Exposure",
    "clipping": "Clipped pixels",
    "contrast": "Contrast",
    "colourfulness": "Colourfulness",
    "blockiness": "Blockiness",
    "noise": "Noise",
    "motion": "Motion",
    "motion_jump": "Jump of motion",
    "colour_cast": "Colour cast",
    "drift_colour": "Drift of colour",
    "drift_contrast": "Drift of contrast",
    "drift_identity": "Drift of identity",
    "warping_error": "Warping error",
    "flicker": "Flicker",
    "temporal_flicker": "Flicker when still",
    "frozen_frames": "Frozen frames",
    "black_frames": "Black frames",
    "cuts": "Cuts",
    "identity_similarity": "Identity",
    "handover_ssim": "Hand-over",
    "ssim_to_baseline": "Likeness to baseline",
}

VERDICT_ORDER = ("degraded", "not_comparable", "pending", "improved", "same")
CHANGE_ORDER = ("degraded", "improved", "not_measurable", "same", "not_judged")
VERDICT_WORDS: Mapping[str, str] = {
    "degraded": "degraded",
    "not_comparable": "not comparable",
    "improved": "improved",
    "same": "same",
    "pending": "not finished",
    "passed": "passed",
    "inconclusive": "inconclusive",
    "cancelled": "cancelled",
    "failed": "failed",
    "running": "running",
}
TRIGGER_WORDS: Mapping[str, str] = {
    "workflow_update": "a workflow update",
    "lora_update": "a LoRA update",
    "model_update": "a model update",
    "manual": "a person's request",
    "rollback_proof": "a rollback, to prove it",
}

CHART_LIMITS = 3.0
"""The chart ends at three limits on each side; what moved further is cut off there and told in figures."""


@dataclass(frozen=True)
class MetricRow:
    """One metric of one segment. `better` is the move in limits, positive for the better, cut to the chart's width."""

    metric: str
    label: str
    unit: str
    change: str
    veto: bool
    baseline: float | None
    new: float | None
    delta: float | None
    noise: float | None
    noise_factor: float | None
    limit: float | None
    severity: float | None
    direction: str
    note: str
    worst_frame: int | None
    worst_region: tuple[int, ...] | None

    @property
    def better(self) -> float | None:
        if self.delta is None or not self.limit:
            return None
        moved = self.delta / self.limit
        signed = -abs(moved) if self.direction == "two_sided" else moved * (-1 if self.direction == "lower" else 1)
        return max(-CHART_LIMITS, min(CHART_LIMITS, signed))

    @property
    def noise_in_limits(self) -> float:
        """Half the width of what a repetition may differ by without any change."""
        if not self.limit or not self.noise or not self.noise_factor:
            return 0.0
        return min(1.0, self.noise * self.noise_factor / self.limit)


@dataclass(frozen=True)
class SegmentView:
    position: int
    verdict: str
    baseline_clip: str | None
    new_clip: str | None
    failure: str
    fps: float
    frames: int
    width: int
    height: int
    prompt_id: str
    render_seconds: float | None
    metrics: tuple[MetricRow, ...]

    @property
    def worst(self) -> MetricRow | None:
        """The metric whose frame is marked: the worst degraded one, otherwise the one that moved most."""
        located = [row for row in self.metrics if row.worst_frame is not None]
        judged = [row for row in located if row.change == "degraded"] or [row for row in located if row.severity]
        return max(judged, key=lambda row: row.severity if row.severity is not None else float("inf"), default=None)


@dataclass(frozen=True)
class Worst:
    metric: str
    label: str
    position: int
    frame: int | None
    baseline: float | None
    new: float | None
    limit: float | None


@dataclass(frozen=True)
class ReferenceView:
    reference_id: int
    title: str
    verdict: str
    summary: str
    reasons: tuple[str, ...]
    vetoed: bool
    worst: Worst | None
    segments: tuple[SegmentView, ...]

    @property
    def opens_at(self) -> int:
        """The position shown first: the one that decided, otherwise the first."""
        if self.worst is not None:
            return self.worst.position
        return self.segments[0].position if self.segments else 1

    @property
    def player(self) -> dict[str, Any]:
        """What the page's script needs to play it: clips, frame rate and the marks on the timeline."""
        return {"opens_at": self.opens_at, "segments": [_played(segment) for segment in self.segments]}


@dataclass(frozen=True)
class RollbackView:
    """How a rollback gets on. `following`: more is to come, so the page keeps asking."""

    text: str
    tone: str
    following: bool
    ended: bool
    proof_run_id: int | None


@dataclass(frozen=True)
class RunView:
    run_id: int
    status: str
    outcome: str
    headline: str
    reason: str
    running: bool
    superseded: bool
    trigger: str
    asset: str
    version: int | None
    previous_version: int | None
    references: tuple[ReferenceView, ...]
    counts: Mapping[str, int]
    done: int
    total: int
    started_at: str
    completed_at: str
    notices: tuple[str, ...]
    stages: Mapping[str, float]
    can_rollback: bool
    can_accept: bool
    can_cancel: bool
    rollback: RollbackView
    proves_run_id: int | None
    accepted_at: str


def number_text(value: float | None, *, signed: bool = False) -> str:
    """Four significant digits; a dash where there is nothing."""
    if value is None:
        return "–"
    text = f"{value:+.4g}" if signed else f"{value:.4g}"
    return text.replace("-", "−")


def label_of(metric: str, *, told: str | None = None) -> str:
    """Our own words for a metric we know; what the service calls it, or its name, for another."""
    return METRIC_LABELS.get(metric) or told or metric.replace("_", " ").capitalize()


def _played(segment: SegmentView) -> dict[str, Any]:
    worst = segment.worst
    marked = [row for row in segment.metrics if row.worst_frame is not None and row.change == "degraded"]
    if worst is not None and worst not in marked:
        marked.append(worst)
    return {
        "position": segment.position,
        "baseline_clip": segment.baseline_clip,
        "new_clip": segment.new_clip,
        "failure": segment.failure,
        "fps": segment.fps,
        "frames": segment.frames,
        "width": segment.width,
        "height": segment.height,
        "worst": None
        if worst is None
        else {
            "frame": worst.worst_frame,
            "label": worst.label,
            "region": worst.worst_region,
            "degraded": worst.change == "degraded",
        },
        "marks": [
            {"frame": row.worst_frame, "text": f"{row.label}: worst at frame {row.worst_frame}"} for row in marked
        ],
    }


def plain(sentence: str | None) -> str:
    """A service's sentence for people: metrics by their labels, without the verdict that is shown beside it."""
    text = sentence or ""
    for verdict in ("degraded", "same", "passed", "improved", "not comparable"):
        text = text.removeprefix(f"{verdict}: ")
    for metric, label in METRIC_LABELS.items():
        text = text.replace(metric, label.lower() if "_" in metric else metric)
    return text[:1].upper() + text[1:]


def rank(order: Sequence[str], name: str) -> int:
    return order.index(name) if name in order else len(order)


@dataclass(frozen=True)
class RunLine:
    """A run in a list."""

    run_id: int
    outcome: str
    reason: str
    asset: str
    version: int | None
    trigger: str
    references: int
    completed_at: str
    superseded: bool
