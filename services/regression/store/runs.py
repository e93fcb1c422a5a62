"""Runs and their results."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.regression.domain.judgement import Verdict
from services.regression.domain.lifecycle import Ending, Outcome, RollbackState, RunStatus, Trigger
from services.regression.store.base import BaseStore
from services.regression.store.rows import Json, NewResult, ResultRow, RunRow
from shared.postgres import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """`trigger_key` makes automatic runs idempotent; None for runs that people ask for."""

    trigger: Trigger
    asset_id: int | None
    version_id: int | None
    previous_version_id: int | None
    asset_sequence: int
    trigger_key: str | None
    proof_of_run_id: int | None
    requested_by: str
    references_total: int
    segments_total: int
    status: RunStatus
    started_at: datetime | None


def _run(row: Any) -> RunRow:
    return RunRow(
        **{
            **row,
            "trigger_type": Trigger(row["trigger_type"]),
            "status": RunStatus(row["status"]),
            "outcome": Outcome(row["outcome"]) if row["outcome"] else None,
            "rollback_state": RollbackState(row["rollback_state"]) if row["rollback_state"] else None,
        }
    )


def _result(row: Any) -> ResultRow:
    return ResultRow(**{**row, "verdict": Verdict(row["verdict"])})


class RunStore(BaseStore):
    async def add_run(self, tx: Transaction, run: NewRun) -> int | None:
        """The new run's id; None if there is one with this key already."""
        found: int | None = await tx.connection.fetchval(
            """
            INSERT INTO regression_runs (trigger_type, trigger_asset_id, status, started_at, trigger_version_id,
                previous_version_id, trigger_key, asset_sequence, requested_by, references_total, segments_total,
                proof_of_run_id)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            ON CONFLICT (trigger_key) DO NOTHING RETURNING id
            """,
            run.trigger,
            run.asset_id,
            run.status,
            run.started_at,
            run.version_id,
            run.previous_version_id,
            run.trigger_key,
            run.asset_sequence,
            run.requested_by,
            run.references_total,
            run.segments_total,
            run.proof_of_run_id,
        )
        return found

    async def lock_run(self, tx: Transaction, id: int) -> RunRow | None:
        row = await tx.connection.fetchrow(
            """
            SELECT id, trigger_type, trigger_asset_id, trigger_version_id, previous_version_id, asset_sequence, status,
                   outcome, reason, requested_by, references_total, segments_total, gone, superseded_at, superseded_by,
                   proof_of_run_id, rollback_state, rollback_reason, rollback_requested_by, accepted_at, accepted_by,
                   started_at, completed_at, created_at
            FROM regression_runs WHERE id = $1 FOR UPDATE
            """,
            id,
        )
        return _run(row) if row else None

    async def run(self, id: int) -> RunRow | None:
        row = await self._database.fetchrow(
            """
            SELECT id, trigger_type, trigger_asset_id, trigger_version_id, previous_version_id, asset_sequence, status,
                   outcome, reason, requested_by, references_total, segments_total, gone, superseded_at, superseded_by,
                   proof_of_run_id, rollback_state, rollback_reason, rollback_requested_by, accepted_at, accepted_by,
                   started_at, completed_at, created_at
            FROM regression_runs WHERE id = $1
            """,
            id,
        )
        return _run(row) if row else None

    async def run_page(
        self,
        *,
        before_id: int | None,
        limit: int,
        asset_id: int | None,
        version_id: int | None,
        status: str | None,
        outcome: str | None,
    ) -> list[RunRow]:
        """Newest first."""
        rows = await self._database.fetch(
            """
            SELECT id, trigger_type, trigger_asset_id, trigger_version_id, previous_version_id, asset_sequence, status,
                   outcome, reason, requested_by, references_total, segments_total, gone, superseded_at, superseded_by,
                   proof_of_run_id, rollback_state, rollback_reason, rollback_requested_by, accepted_at, accepted_by,
                   started_at, completed_at, created_at
            FROM regression_runs
            WHERE ($1::bigint IS NULL OR id < $1) AND ($2::bigint IS NULL OR trigger_asset_id = $2)
              AND ($3::bigint IS NULL OR trigger_version_id = $3) AND ($4::text IS NULL OR status = $4)
              AND ($5::text IS NULL OR outcome = $5)
            ORDER BY id DESC LIMIT $6
            """,
            before_id,
            asset_id,
            version_id,
            status,
            outcome,
            limit,
        )
        return [_run(row) for row in rows]

    async def start_run(self, tx: Transaction, id: int, at: datetime) -> None:
        await tx.connection.execute(
            "UPDATE regression_runs SET status = 'running', started_at = $2 WHERE id = $1 AND status = 'pending'",
            id,
            at,
        )

    async def end_run(self, tx: Transaction, id: int, ending: Ending, at: datetime) -> None:
        await tx.connection.execute(
            """
            UPDATE regression_runs SET status = $2, outcome = $3, reason = $4, completed_at = $5,
                started_at = coalesce(started_at, $5)
            WHERE id = $1
            """,
            id,
            ending.status,
            ending.outcome,
            ending.reason,
            at,
        )

    async def supersede(
        self, tx: Transaction, *, asset_id: int, before_sequence: int, by_run_id: int | None, at: datetime
    ) -> None:
        """Marks the asset's unfinished update runs that tested an older version."""
        await tx.connection.execute(
            """
            UPDATE regression_runs SET superseded_at = $3, superseded_by = $4
            WHERE trigger_asset_id = $1 AND asset_sequence < $2 AND status IN ('pending', 'running')
              AND trigger_type IN ('workflow_update', 'lora_update', 'model_update') AND superseded_at IS NULL
            """,
            asset_id,
            before_sequence,
            at,
            by_run_id,
        )

    async def newer_run(self, tx: Transaction, *, asset_id: int, after_sequence: int) -> int | None:
        found: int | None = await tx.connection.fetchval(
            """
            SELECT id FROM regression_runs
            WHERE trigger_asset_id = $1 AND asset_sequence > $2
              AND trigger_type IN ('workflow_update', 'lora_update', 'model_update')
            ORDER BY asset_sequence LIMIT 1
            """,
            asset_id,
            after_sequence,
        )
        return found

    async def mark_superseded(self, tx: Transaction, id: int, *, by_run_id: int | None, at: datetime) -> None:
        await tx.connection.execute(
            "UPDATE regression_runs SET superseded_at = $2, superseded_by = $3 WHERE id = $1", id, at, by_run_id
        )

    async def add_gone(self, tx: Transaction, id: int, gone: Sequence[Json]) -> None:
        await tx.connection.execute("UPDATE regression_runs SET gone = gone || $2::jsonb WHERE id = $1", id, list(gone))

    async def request_rollback(self, tx: Transaction, id: int, *, by: str, deadline_at: datetime) -> None:
        await tx.connection.execute(
            """
            UPDATE regression_runs SET rollback_state = 'requested', rollback_reason = NULL,
                rollback_requested_by = $2, rollback_deadline_at = $3
            WHERE id = $1
            """,
            id,
            by,
            deadline_at,
        )

    async def set_rollback(self, tx: Transaction, id: int, state: RollbackState, reason: str) -> None:
        await tx.connection.execute(
            "UPDATE regression_runs SET rollback_state = $2, rollback_reason = $3 WHERE id = $1", id, state, reason
        )

    async def overdue_rollback(self, now: datetime) -> int | None:
        found: int | None = await self._database.fetchval(
            """
            SELECT id FROM regression_runs
            WHERE rollback_state = 'requested' AND rollback_deadline_at <= $1
            ORDER BY rollback_deadline_at LIMIT 1
            """,
            now,
        )
        return found

    async def accept_run(self, tx: Transaction, id: int, *, by: str, at: datetime) -> None:
        await tx.connection.execute(
            "UPDATE regression_runs SET accepted_at = $2, accepted_by = $3 WHERE id = $1", id, at, by
        )

    async def proof_of(self, run_id: int) -> int | None:
        found: int | None = await self._database.fetchval(
            "SELECT id FROM regression_runs WHERE proof_of_run_id = $1 ORDER BY id DESC LIMIT 1", run_id
        )
        return found

    async def add_result(self, tx: Transaction, result: NewResult) -> None:
        await tx.connection.execute(
            """
            INSERT INTO regression_results (run_id, reference_id, new_scene_id, baseline_scores, new_scores, verdict,
                baseline_id, request_id, summary, failure, timed_out, judgement)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            ON CONFLICT (run_id, reference_id) DO NOTHING
            """,
            result.run_id,
            result.reference_id,
            result.new_scene_id,
            result.baseline_scores,
            result.new_scores,
            result.verdict,
            result.baseline_id,
            result.request_id,
            result.summary,
            result.failure,
            result.timed_out,
            result.judgement,
        )

    async def results_of(self, run_id: int, tx: Transaction | None = None) -> list[ResultRow]:
        rows = await self._reader(tx).fetch(
            """
            SELECT id, run_id, reference_id, new_scene_id, baseline_scores, new_scores, verdict, baseline_id,
                   request_id, summary, failure, timed_out, judgement, created_at
            FROM regression_results WHERE run_id = $1 ORDER BY reference_id
            """,
            run_id,
        )
        return [_result(row) for row in rows]

    async def segments_done(self, run_id: int, tx: Transaction | None = None) -> int:
        found: int = await self._reader(tx).fetchval(
            """
            SELECT count(*) FROM renders r JOIN render_segments s USING (request_id)
            WHERE r.run_id = $1 AND s.scored IS NOT NULL
            """,
            run_id,
        )
        return found

    async def open_runs_of_references(self, tx: Transaction, reference_ids: Sequence[int]) -> list[int]:
        rows = await tx.connection.fetch(
            """
            SELECT DISTINCT u.id FROM renders r JOIN regression_runs u ON u.id = r.run_id
            WHERE r.reference_id = ANY($1::bigint[]) AND u.status IN ('pending', 'running') ORDER BY u.id
            """,
            list(reference_ids),
        )
        return [row["id"] for row in rows]
