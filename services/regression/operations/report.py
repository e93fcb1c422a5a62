"""A run's report: what was compared, how it came out, and the evidence. Reads only."""

from collections.abc import Sequence

from services.regression.domain.errors import RunUnknown
from services.regression.operations.report_entries import (
    backend_of,
    baseline_entry,
    can,
    environments_of,
    seconds_of,
    segment_entries,
    stage_seconds,
    worst_of,
)
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
            rows = segments[render.request_id]
            entry = await self._reference(reference, render, results.get(render.reference_id), rows)
            listed.append(entry)
            backend = backend_of(rows) or backend or (entry["baseline"] or {}).get("identity_backend")
        return {
            "run": await self.run(run),
            "summary": await self._summary(run, list(results.values())),
            "identity_backend": backend,
            "stage_seconds": stage_seconds(run, renders, [row for rows in segments.values() for row in rows]),
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
    ) -> Json:
        baseline = await self._store.baseline(render.baseline_id) if render.baseline_id is not None else None
        names = await self._store.names(
            character_id=reference.character_id,
            scene_type_id=reference.scene_type_id,
            scene_id=reference.reference_scene_id,
        )
        judgement = result.judgement if result is not None else {}
        rendered = await self._rendered(baseline)
        return {
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
            "worst": worst_of(judgement),
            "baseline": baseline_entry(baseline, rendered) if baseline is not None else None,
            "environments": environments_of(rows),
            "segments": segment_entries(reference, judgement, render, rows, baseline=rendered[0] if rendered else ()),
            "seconds": seconds_of(rows, render),
        }

    async def _rendered(self, baseline: BaselineRow | None) -> list[Sequence[RenderSegmentRow]]:
        """The baseline's renders, each by its segments; the first is what new clips are shown beside."""
        if baseline is None:
            return []
        requests = [render.request_id for render in await self._store.renders_of_baseline(baseline.id)]
        rows = await self._store.segments_of(requests)
        return [rows[request] for request in requests]
