"""What a run's report shows of rows that were read: segments, the worst metric, seconds, and what may be done."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.regression.domain.errors import RegressionError
from services.regression.domain.lifecycle import RunStatus, check_accept, check_cancel, check_rollback
from services.regression.store.rows import BaselineRow, Json, ReferenceRow, RenderRow, RenderSegmentRow, RunRow


def can(run: RunRow) -> dict[str, bool]:
    """What may be asked of the run without insisting."""

    def allowed(check: Any, **arguments: Any) -> bool:
        try:
            check(run_id=run.id, status=run.status, **arguments)
        except RegressionError:
            return False
        return True

    state = {
        "trigger": run.trigger_type,
        "outcome": run.outcome,
        "accepted": run.accepted_at is not None,
        "rollback": run.rollback_state,
    }
    return {
        "cancel": allowed(check_cancel),
        "accept": run.references_total > 0 and allowed(check_accept, **state, override=False),
        "rollback": allowed(check_rollback, **state, previous_version_id=run.previous_version_id, force=False),
    }


def baseline_entry(baseline: BaselineRow, rendered: Sequence[Sequence[RenderSegmentRow]]) -> Json:
    return {
        "id": baseline.id,
        "version": baseline.version,
        "renders": len(rendered),
        "assets": baseline.assets,
        "metric_suite_version": baseline.metric_suite_version,
        "identity_backend": baseline.identity_backend,
        "environments": baseline.environments,
        "accepted_from_run_id": baseline.accepted_from_run_id,
        "created_at": baseline.created_at,
        "prompt_ids": [row.generated["prompt_id"] for rows in rendered for row in rows if row.generated is not None],
    }


def segment_entries(
    reference: ReferenceRow,
    judgement: Json,
    render: RenderRow,
    rows: Sequence[RenderSegmentRow],
    *,
    baseline: Sequence[RenderSegmentRow],
) -> list[Json]:
    """Each position of the reference, with what was rendered now and in the baseline; either may not be there."""
    compared = {segment["position"]: segment for segment in judgement.get("segments", [])}
    new = {row.position: row for row in rows}
    before = {row.position: row.generated for row in baseline if row.generated is not None}
    return [
        _segment(position, compared.get(position), new.get(position), before.get(position), render.failure)
        for position in (segment["position"] for segment in reference.segments)
    ]


def _segment(
    position: int, compared: Json | None, row: RenderSegmentRow | None, before: Json | None, failure: Json | None
) -> Json:
    new = row.generated if row is not None else None
    scored = row.scored if row is not None else None
    clip = new["clip"] if new is not None else before["clip"] if before is not None else {}
    return {
        "position": position,
        "verdict": compared["verdict"] if compared is not None else None,
        "baseline_clip_sha256": before["clip"]["sha256"] if before is not None else None,
        "new_clip_sha256": new["clip"]["sha256"] if new is not None else None,
        "baseline_prompt_id": before["prompt_id"] if before is not None else None,
        "prompt_id": new["prompt_id"] if new is not None else None,
        "failure": failure if failure is not None and failure.get("position") == position else None,
        "fps": clip.get("fps"),
        "frames": clip.get("frames"),
        "width": clip.get("width"),
        "height": clip.get("height"),
        "server": new["server"] if new is not None else None,
        "attempt": new["attempt"] if new is not None else None,
        "queued_seconds": new["queued_seconds"] if new is not None else None,
        "render_seconds": new["render_seconds"] if new is not None else None,
        "measure_seconds": scored["measure_seconds"] if scored is not None else None,
        "metrics": [_metric(metric) for metric in (compared["metrics"] if compared is not None else [])],
    }


def _metric(metric: Json) -> Json:
    """The domain's comparison, with the names that reports use."""
    lost = metric["change"] == "not_measurable" or (metric["change"] == "degraded" and metric["delta"] is None)
    shown = {name: value for name, value in metric.items() if name not in ("change", "blocks")}
    return {
        **shown,
        "label": metric["metric"].replace("_", " "),
        "verdict": metric["change"],
        "not_measurable": metric["reason"] if lost else None,
    }


def worst_of(judgement: Json) -> Json | None:
    decisive = judgement.get("decisive")
    if decisive is None:
        return None
    found = decisive["comparison"]
    return {
        "position": decisive["position"],
        "frame": found["worst_frame"],
        "region": found["worst_region"],
        **{name: found[name] for name in ("metric", "veto", "baseline", "new", "delta", "noise", "limit")},
    }


def backend_of(rows: Sequence[RenderSegmentRow]) -> Json | None:
    return next((row.scored["identity_backend"] for row in rows if row.scored is not None), None)


def environments_of(rows: Sequence[RenderSegmentRow]) -> list[Json]:
    found: list[Json] = []
    for row in rows:
        if row.generated is not None and row.generated["environment"] not in found:
            found.append(row.generated["environment"])
    return found


def seconds_of(rows: Sequence[RenderSegmentRow], render: RenderRow) -> Json:
    """`wall` is from asking to the last score; the others are sums over the segments."""
    return {
        **_summed(rows),
        "wall": _between(render.requested_at, render.finished_at),
    }


def stage_seconds(run: RunRow, renders: Sequence[RenderRow], rows: Sequence[RenderSegmentRow]) -> Json:
    """Sums over all segments (`queue`, `render`, `score`); `judge` and `total` are wall time of a run that has
    ended.
    """
    last = max((render.finished_at for render in renders if render.finished_at is not None), default=None)
    ended = run.status is RunStatus.COMPLETED
    return {
        **_summed(rows),
        "judge": _between(last, run.completed_at) if ended else None,
        "total": _between(run.created_at, run.completed_at),
    }


def _summed(rows: Sequence[RenderSegmentRow]) -> Json:
    return {
        "queue": sum(row.generated["queued_seconds"] for row in rows if row.generated is not None),
        "render": sum(row.generated["render_seconds"] for row in rows if row.generated is not None),
        "score": sum(row.scored["measure_seconds"] for row in rows if row.scored is not None),
    }


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return max(0.0, (end - start).total_seconds()) if start is not None and end is not None else None
