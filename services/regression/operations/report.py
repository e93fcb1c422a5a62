"""A run's report: what was compared, how it came out, and the evidence. Reads only."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.regression.domain.errors import RegressionError, RunUnknown
from services.regression.domain.lifecycle import RunStatus, check_accept, check_cancel, check_rollback
from services.regression.store import Store
from services.regression.store.rows import (
    BaselineRow,
    Json,
    ReferenceRow,
    RenderRow,
    RenderSegmentRow,
    ResultRow,
    RunRow,
)


class Reports:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def report(self, run_id: int) -> Json:
        """Raises RunUnknown. A run that is still going has the results that are there already."""
        run = await self._store.run(run_id)
        if run is None:
            raise RunUnknown(run_id)
        renders = await self._store.renders_of_run(run_id)
        results = {result.reference_id: result for result in await self._store.results_of(run_id)}
        segments = await self._store.segments_of([render.request_id for render in renders])
        references = {one.id: one for one in await self._store.references([r.reference_id for r in renders])}
        backend: Json | None = None
        listed = []
        for render in renders:
            reference = references.get(render.reference_id)
            if reference is None:
                continue
            entry, baseline = await self._reference(
                reference, render, results.get(render.reference_id), segments[render.request_id]
            )
            listed.append(entry)
            backend = (
                _backend(segments[render.request_id]) or backend or (baseline.identity_backend if baseline else None)
            )
        return {
            "run": await self.run(run),
            "summary": await self._summary(run, list(results.values())),
            "identity_backend": backend,
            "stage_seconds": _stage_seconds(run, renders, [row for rows in segments.values() for row in rows]),
            "references": listed,
        }

    async def run(self, run: RunRow) -> Json:
        """A run without its results, as lists and answers show it."""
        return {
            "id": run.id,
            "trigger_type": run.trigger_type,
            "status": run.status,
            "outcome": run.outcome,
            "reason": run.reason,
            "requested_by": run.requested_by,
            "superseded": run.superseded_at is not None,
            "superseded_by_run_id": run.superseded_by,
            "asset": await self._asset(run),
            "created_at": run.created_at,
            "started_at": run.started_at,
            "completed_at": run.completed_at,
            "proves_run_id": run.proof_of_run_id,
            "accepted_at": run.accepted_at,
            "accepted_by": run.accepted_by,
            "rollback": await self._rollback(run),
            "gone": run.gone,
            "can": can(run),
            "references_total": run.references_total,
            "segments_total": run.segments_total,
        }

    async def _asset(self, run: RunRow) -> Json | None:
        ids = [one for one in (run.trigger_version_id, run.previous_version_id) if one is not None]
        versions = await self._store.asset_versions(ids)
        tested = versions.get(run.trigger_version_id) if run.trigger_version_id is not None else None
        before = versions.get(run.previous_version_id) if run.previous_version_id is not None else None
        if tested is None:
            return None
        return {
            "id": tested.asset_id,
            "kind": tested.kind,
            "name": tested.name,
            "version_id": tested.id,
            "version": tested.version,
            "previous_version_id": before.id if before is not None else None,
            "previous_version": before.version if before is not None else None,
        }

    async def _rollback(self, run: RunRow) -> Json | None:
        if run.rollback_state is None:
            return None
        return {
            "state": run.rollback_state,
            "reason": run.rollback_reason,
            "requested_by": run.rollback_requested_by,
            "proof_run_id": await self._store.proof_of(run.id),
        }

    async def _summary(self, run: RunRow, results: Sequence[ResultRow]) -> Json:
        verdicts = [result.verdict.value for result in results]
        return {
            **{name: verdicts.count(name) for name in ("improved", "same", "degraded", "not_comparable")},
            "references_total": run.references_total,
            "references_done": len(results) + len(run.gone),
            "segments_total": run.segments_total,
            "segments_done": await self._store.segments_done(run.id),
        }

    async def _reference(
        self, reference: ReferenceRow, render: RenderRow, result: ResultRow | None, rows: Sequence[RenderSegmentRow]
    ) -> tuple[Json, BaselineRow | None]:
        baseline = await self._store.baseline(render.baseline_id) if render.baseline_id is not None else None
        names = await self._store.names(
            character_id=reference.character_id,
            scene_type_id=reference.scene_type_id,
            scene_id=reference.reference_scene_id,
        )
        judgement = result.judgement if result is not None else {}
        entry = {
            "result_id": result.id if result is not None else None,
            "reference_id": reference.id,
            "name": reference.name,
            "character_name": names.character,
            "scene_type_name": names.scene_type,
            "scene_name": names.scene,
            "source_scene_id": reference.reference_scene_id,
            "new_scene_id": render.scene_id,
            "request_id": render.request_id,
            "state": render.state,
            "verdict": result.verdict if result is not None else None,
            "reason": result.summary if result is not None else "",
            "reasons": judgement.get("reasons", []),
            "vetoed": judgement.get("vetoed", False),
            "timed_out": result.timed_out if result is not None else False,
            "failure": render.failure,
            "worst": _worst(judgement),
            "baseline": await self._baseline(baseline),
            "environments": _distinct(rows),
            "segments": await self._segments(reference, baseline, judgement, render, rows),
            "seconds": _seconds(rows, render),
        }
        return entry, baseline

    async def _baseline(self, baseline: BaselineRow | None) -> Json | None:
        if baseline is None:
            return None
        renders = await self._store.renders_of_baseline(baseline.id)
        segments = await self._store.segments_of([render.request_id for render in renders])
        return {
            "id": baseline.id,
            "version": baseline.version,
            "renders": len(renders),
            "assets": baseline.assets,
            "metric_suite_version": baseline.metric_suite_version,
            "identity_backend": baseline.identity_backend,
            "environments": baseline.environments,
            "accepted_from_run_id": baseline.accepted_from_run_id,
            "created_at": baseline.created_at,
            "prompt_ids": [
                row.generated["prompt_id"] for rows in segments.values() for row in rows if row.generated is not None
            ],
        }

    async def _segments(
        self,
        reference: ReferenceRow,
        baseline: BaselineRow | None,
        judgement: Json,
        render: RenderRow,
        rows: Sequence[RenderSegmentRow],
    ) -> list[Json]:
        compared = {segment["position"]: segment for segment in judgement.get("segments", [])}
        new = {row.position: row for row in rows}
        before = await self._first_render(baseline)
        return [
            _segment(position, compared.get(position), new.get(position), before.get(position), render.failure)
            for position in (segment["position"] for segment in reference.segments)
        ]

    async def _first_render(self, baseline: BaselineRow | None) -> dict[int, Json]:
        if baseline is None:
            return {}
        renders = await self._store.renders_of_baseline(baseline.id)
        rows = await self._store.segments_of([render.request_id for render in renders[:1]])
        return {row.position: row.generated for found in rows.values() for row in found if row.generated is not None}


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


def _worst(judgement: Json) -> Json | None:
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


def _backend(rows: Sequence[RenderSegmentRow]) -> Json | None:
    return next((row.scored["identity_backend"] for row in rows if row.scored is not None), None)


def _distinct(rows: Sequence[RenderSegmentRow]) -> list[Json]:
    found: list[Json] = []
    for row in rows:
        if row.generated is not None and row.generated["environment"] not in found:
            found.append(row.generated["environment"])
    return found


def _seconds(rows: Sequence[RenderSegmentRow], render: RenderRow) -> Json:
    """`wall` is from asking to the last score; the others are sums over the segments."""
    return {
        "queue": sum(row.generated["queued_seconds"] for row in rows if row.generated is not None),
        "render": sum(row.generated["render_seconds"] for row in rows if row.generated is not None),
        "score": sum(row.scored["measure_seconds"] for row in rows if row.scored is not None),
        "wall": _between(render.requested_at, render.finished_at),
    }


def _stage_seconds(run: RunRow, renders: Sequence[RenderRow], rows: Sequence[RenderSegmentRow]) -> Json:
    """Sums over all segments (`queue`, `render`, `score`); `judge` and `total` are wall time of a run that has
    ended.
    """
    last = max((render.finished_at for render in renders if render.finished_at is not None), default=None)
    ended = run.status is RunStatus.COMPLETED
    return {
        "queue": sum(row.generated["queued_seconds"] for row in rows if row.generated is not None),
        "render": sum(row.generated["render_seconds"] for row in rows if row.generated is not None),
        "score": sum(row.scored["measure_seconds"] for row in rows if row.scored is not None),
        "judge": _between(last, run.completed_at) if ended else None,
        "total": _between(run.created_at, run.completed_at),
    }


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return max(0.0, (end - start).total_seconds()) if start is not None and end is not None else None
