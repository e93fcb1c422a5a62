"""From the regression service's answers to what the pages show. The only place that knows their field names."""

from collections.abc import Mapping
from typing import Any

from services.studio.domain.report import (
    CHANGE_ORDER,
    TRIGGER_WORDS,
    VERDICT_ORDER,
    VERDICT_WORDS,
    JsonObject,
    MetricRow,
    ReferenceView,
    RollbackView,
    RunLine,
    RunView,
    SegmentView,
    Worst,
    label_of,
    plain,
    rank,
)

UNFINISHED = ("pending", "running")
KIND_WORDS = {"lora": "LoRA", "workflow": "workflow", "model": "model"}


def run_view(answer: JsonObject) -> RunView:
    """The whole page of a run, the worst reference first."""
    run, summary = answer["run"], answer["summary"]
    references = sorted(
        (_reference(one) for one in answer["references"]), key=lambda one: rank(VERDICT_ORDER, one.verdict)
    )
    running = run["status"] in UNFINISHED
    outcome = _outcome(run)
    asset = run.get("asset") or {}
    can = run.get("can") or {}
    return RunView(
        run_id=run["id"],
        status=run["status"],
        outcome=outcome,
        headline=_headline(outcome, run),
        reason=plain(run.get("reason")),
        running=running,
        superseded=bool(run.get("superseded")),
        trigger=TRIGGER_WORDS.get(run["trigger_type"], run["trigger_type"]),
        asset=_asset_name(asset),
        version=asset.get("version"),
        previous_version=asset.get("previous_version"),
        references=tuple(references),
        counts={name: summary.get(name, 0) for name in ("degraded", "not_comparable", "same", "improved")},
        done=summary.get("segments_done", 0),
        total=summary.get("segments_total", 0),
        started_at=run.get("started_at") or run["created_at"],
        completed_at=run.get("completed_at") or "",
        notices=_notices(answer),
        stages=answer.get("stage_seconds") or {},
        can_rollback=bool(can.get("rollback")),
        can_accept=bool(can.get("accept")),
        can_cancel=bool(can.get("cancel")),
        rollback=rollback_view(run),
        proves_run_id=run.get("proves_run_id"),
        accepted_at=run.get("accepted_at") or "",
    )


def run_line(run: JsonObject) -> RunLine:
    asset = run.get("asset") or {}
    return RunLine(
        run_id=run["id"],
        outcome=_outcome(run),
        reason=plain(run.get("reason")),
        asset=_asset_name(asset),
        version=asset.get("version"),
        trigger=TRIGGER_WORDS.get(run["trigger_type"], run["trigger_type"]),
        references=run.get("references_total") or 0,
        completed_at=run.get("completed_at") or "",
        superseded=bool(run.get("superseded")),
    )


def rollback_view(run: JsonObject) -> RollbackView:
    """How a rollback gets on, in a sentence."""
    rollback: JsonObject = run.get("rollback") or {}
    state = rollback.get("state")
    proof = rollback.get("proof_run_id")
    reason = rollback.get("reason") or ""
    match state:
        case None:
            return RollbackView(text="", tone="calm", following=False, ended=True, proof_run_id=None)
        case "requested":
            return RollbackView("Rolling back: the earlier version is being made active…", "calm", True, False, None)
        case "done":
            text = "The earlier version is active again. The failed references are being rendered again to prove it…"
            return RollbackView(text, "calm", True, False, proof)
        case "proven":
            text = "Rolled back, and proven: the failed references were rendered again and are as good as before."
            return RollbackView(text, "good", False, True, proof)
        case "rejected":
            return RollbackView(f"Not rolled back: {reason}", "", False, True, None)
        case _:
            text = f"Rolled back, but the proof failed: {reason or 'the renders are not as good as before'}"
            return RollbackView(text, "error", False, True, proof)


def _outcome(run: JsonObject) -> str:
    return "running" if run["status"] in UNFINISHED else run.get("outcome") or run["status"]


def _asset_name(asset: JsonObject) -> str:
    if not asset:
        return ""
    kind = str(asset.get("kind", ""))
    return f"{KIND_WORDS.get(kind, kind)} {asset.get('name', '')}".strip()


def _headline(outcome: str, run: JsonObject) -> str:
    asset = run.get("asset") or {}
    version = f" version {asset['version']}" if asset.get("version") else ""
    what = f"{_asset_name(asset)}{version}" if asset else "The reference scenes"
    if run["trigger_type"] == "rollback_proof":
        what = f"Proof of the rollback of {_asset_name(asset)}"
    return {
        "running": f"{what} is being tested",
        "passed": f"{what} passed",
        "degraded": f"{what} makes things worse",
        "inconclusive": f"{what} could not be fully compared",
        "cancelled": f"The test of {what} was cancelled",
        "failed": f"The test of {what} failed",
    }.get(outcome, f"{what}: {VERDICT_WORDS.get(outcome, outcome)}")


def _notices(answer: JsonObject) -> tuple[str, ...]:
    backend: JsonObject = answer.get("identity_backend") or {}
    notice = backend.get("notice") or ""
    if backend and not backend.get("is_identity") and not notice:
        notice = f"Identity is judged by '{backend.get('name')}', which compares a region's look and recognises nobody."
    gone = [
        f"Reference {one['name']} is not part of this run any more: {one['reason']}" for one in answer["run"]["gone"]
    ]
    return (*((notice,) if notice else ()), *gone)


def _reference(one: JsonObject) -> ReferenceView:
    worst = one.get("worst")
    return ReferenceView(
        reference_id=one["reference_id"],
        title=one.get("name") or f"Reference {one['reference_id']}",
        verdict=one.get("verdict") or "pending",
        summary=plain(one.get("reason")),
        reasons=tuple(plain(reason) for reason in one.get("reasons") or ()),
        vetoed=bool(one.get("vetoed")),
        worst=None if not worst else _worst(worst),
        segments=tuple(_segment(segment) for segment in one.get("segments") or ()),
    )


def _worst(worst: JsonObject) -> Worst:
    return Worst(
        metric=worst["metric"],
        label=label_of(worst["metric"]),
        position=worst["position"],
        frame=worst.get("frame"),
        baseline=worst.get("baseline"),
        new=worst.get("new"),
        limit=worst.get("limit"),
    )


def _segment(segment: JsonObject) -> SegmentView:
    rows = sorted((_row(metric) for metric in segment.get("metrics") or ()), key=_row_order)
    return SegmentView(
        position=segment["position"],
        verdict=segment.get("verdict") or ("failed" if segment.get("failure") else "pending"),
        baseline_clip=segment.get("baseline_clip_sha256"),
        new_clip=segment.get("new_clip_sha256"),
        failure=_failure(segment.get("failure")),
        fps=float(segment.get("fps") or 12),
        frames=int(segment.get("frames") or 1),
        width=int(segment.get("width") or 16),
        height=int(segment.get("height") or 9),
        prompt_id=str(segment.get("prompt_id") or ""),
        render_seconds=segment.get("render_seconds"),
        metrics=tuple(rows),
    )


def _failure(failure: Any) -> str:
    if isinstance(failure, Mapping):
        return f"The render failed: {failure.get('message') or failure.get('kind') or 'no reason was given'}"
    return f"The render failed: {failure}" if failure else ""


def _row(metric: JsonObject) -> MetricRow:
    region = metric.get("worst_region")
    return MetricRow(
        metric=metric["metric"],
        label=label_of(metric["metric"], told=metric.get("label")),
        unit=metric.get("unit") or "",
        change=metric.get("verdict") or "not_judged",
        veto=bool(metric.get("veto")),
        baseline=metric.get("baseline"),
        new=metric.get("new"),
        delta=metric.get("delta"),
        noise=metric.get("noise"),
        noise_factor=metric.get("noise_factor"),
        limit=metric.get("limit"),
        severity=metric.get("severity"),
        direction=metric.get("direction") or "two_sided",
        note=metric.get("reason") or "",
        worst_frame=metric.get("worst_frame"),
        worst_region=tuple(region) if region else None,
    )


def _row_order(row: MetricRow) -> tuple[int, float]:
    return rank(CHANGE_ORDER, row.change), -(row.severity if row.severity is not None else 0.0)
