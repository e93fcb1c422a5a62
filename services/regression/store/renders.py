"""Chains asked of the renderer, and what came back of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.regression.domain.baseline import BASELINE_RENDERS
from services.regression.domain.lifecycle import RenderState
from services.regression.store.base import BaseStore
from services.regression.store.rows import BaselineRow, Json, RenderRow, RenderSegmentRow
from shared.postgres import Transaction


def _render(row: Any) -> RenderRow:
    return RenderRow(**{**row, "state": RenderState(row["state"])})


class RenderStore(BaseStore):
    async def add_render(self, tx: Transaction, render: RenderRow) -> None:
        await tx.connection.execute(
            """
            INSERT INTO renders (request_id, reference_id, purpose, run_id, baseline_id, state, segment_count,
                                 requested_at, deadline_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            """,
            render.request_id,
            render.reference_id,
            render.purpose,
            render.run_id,
            render.baseline_id,
            render.state,
            render.segment_count,
            render.requested_at,
            render.deadline_at,
        )

    async def lock_render(self, tx: Transaction, request_id: UUID) -> RenderRow | None:
        """Locks its reference, then its run, then itself; None for a request that is not ours, or not any more."""
        known = await tx.connection.fetchrow(
            "SELECT reference_id, run_id FROM renders WHERE request_id = $1", request_id
        )
        if known is None:
            return None
        await tx.connection.execute(
            "SELECT 1 FROM regression_references WHERE id = $1 FOR UPDATE", known["reference_id"]
        )
        if known["run_id"] is not None:
            await tx.connection.execute("SELECT 1 FROM regression_runs WHERE id = $1 FOR UPDATE", known["run_id"])
        row = await tx.connection.fetchrow(
            """
            SELECT request_id, reference_id, purpose, run_id, baseline_id, state, segment_count, scene_id, failure,
                   remeasure_asked_at, requested_at, deadline_at, finished_at
            FROM renders WHERE request_id = $1 FOR UPDATE
            """,
            request_id,
        )
        return _render(row) if row else None

    async def renders_of_run(self, run_id: int, tx: Transaction | None = None) -> list[RenderRow]:
        rows = await self._reader(tx).fetch(
            """
            SELECT request_id, reference_id, purpose, run_id, baseline_id, state, segment_count, scene_id, failure,
                   remeasure_asked_at, requested_at, deadline_at, finished_at
            FROM renders WHERE run_id = $1 ORDER BY reference_id
            """,
            run_id,
        )
        return [_render(row) for row in rows]

    async def renders_of_baseline(self, baseline_id: int, tx: Transaction | None = None) -> list[RenderRow]:
        """The identical renders behind a baseline, first one first."""
        rows = await self._reader(tx).fetch(
            """
            SELECT r.request_id, r.reference_id, r.purpose, r.run_id, r.baseline_id, r.state, r.segment_count,
                   r.scene_id, r.failure, r.remeasure_asked_at, r.requested_at, r.deadline_at, r.finished_at
            FROM regression_baseline_renders b JOIN renders r USING (request_id)
            WHERE b.baseline_id = $1 ORDER BY b.capture_index
            """,
            baseline_id,
        )
        return [_render(row) for row in rows]

    async def open_renders_of_references(self, tx: Transaction, reference_ids: Sequence[int]) -> list[RenderRow]:
        rows = await tx.connection.fetch(
            """
            SELECT request_id, reference_id, purpose, run_id, baseline_id, state, segment_count, scene_id, failure,
                   remeasure_asked_at, requested_at, deadline_at, finished_at
            FROM renders
            WHERE reference_id = ANY($1::bigint[]) AND state IN ('waiting', 'requested') ORDER BY request_id
            """,
            list(reference_ids),
        )
        return [_render(row) for row in rows]

    async def waiting_renders(self, tx: Transaction, reference_id: int) -> list[RenderRow]:
        """Renders of runs that wait for the reference's baseline, in the order of their runs."""
        rows = await tx.connection.fetch(
            """
            SELECT request_id, reference_id, purpose, run_id, baseline_id, state, segment_count, scene_id, failure,
                   remeasure_asked_at, requested_at, deadline_at, finished_at
            FROM renders WHERE reference_id = $1 AND state = 'waiting' ORDER BY run_id
            """,
            reference_id,
        )
        return [_render(row) for row in rows]

    async def renders_waiting_for_measures(self, tx: Transaction, baseline_id: int) -> list[RenderRow]:
        rows = await tx.connection.fetch(
            """
            SELECT request_id, reference_id, purpose, run_id, baseline_id, state, segment_count, scene_id, failure,
                   remeasure_asked_at, requested_at, deadline_at, finished_at
            FROM renders WHERE baseline_id = $1 AND remeasure_asked_at IS NOT NULL ORDER BY run_id
            """,
            baseline_id,
        )
        return [_render(row) for row in rows]

    async def baselines_with(self, tx: Transaction, request_id: UUID) -> list[int]:
        rows = await tx.connection.fetch(
            "SELECT baseline_id FROM regression_baseline_renders WHERE request_id = $1 ORDER BY baseline_id", request_id
        )
        return [row["baseline_id"] for row in rows]

    async def capture_progress(self, baseline: BaselineRow) -> dict[str, int]:
        """Of all renders that the baseline needs, those that are not asked for yet included."""
        row: Any = await self._database.fetchrow(
            """
            SELECT count(DISTINCT r.request_id) FILTER (WHERE r.state = 'complete') AS complete,
                   max(r.segment_count) AS segment_count, count(s.scored) AS segments_done
            FROM regression_baseline_renders b JOIN renders r USING (request_id)
                LEFT JOIN render_segments s USING (request_id)
            WHERE b.baseline_id = $1
            """,
            baseline.id,
        )
        return {
            "baseline_version": baseline.version,
            "renders_complete": row["complete"],
            "renders_total": BASELINE_RENDERS,
            "segments_done": row["segments_done"],
            "segments_total": BASELINE_RENDERS * (row["segment_count"] or 0),
        }

    async def add_capture(self, tx: Transaction, *, baseline_id: int, capture_index: int, request_id: UUID) -> None:
        await tx.connection.execute(
            "INSERT INTO regression_baseline_renders (baseline_id, capture_index, request_id) VALUES ($1, $2, $3)",
            baseline_id,
            capture_index,
            request_id,
        )

    async def render_is_requested(
        self, tx: Transaction, request_id: UUID, *, baseline_id: int, at: datetime, deadline_at: datetime
    ) -> None:
        await tx.connection.execute(
            """
            UPDATE renders SET state = 'requested', baseline_id = $2, requested_at = $3, deadline_at = $4
            WHERE request_id = $1
            """,
            request_id,
            baseline_id,
            at,
            deadline_at,
        )

    async def end_render(
        self, tx: Transaction, request_id: UUID, *, state: RenderState, at: datetime, failure: Json | None = None
    ) -> None:
        await tx.connection.execute(
            "UPDATE renders SET state = $2, finished_at = $3, failure = $4 WHERE request_id = $1",
            request_id,
            state,
            at,
            failure,
        )

    async def ask_remeasure(self, tx: Transaction, request_id: UUID, *, at: datetime, deadline_at: datetime) -> None:
        await tx.connection.execute(
            "UPDATE renders SET remeasure_asked_at = $2, deadline_at = $3 WHERE request_id = $1",
            request_id,
            at,
            deadline_at,
        )

    async def end_remeasure(self, tx: Transaction, request_id: UUID) -> None:
        await tx.connection.execute("UPDATE renders SET remeasure_asked_at = NULL WHERE request_id = $1", request_id)

    async def save_generated(
        self, tx: Transaction, *, request_id: UUID, position: int, scene_id: int, event: Json
    ) -> None:
        """The first one stands: exactly one result of a position is adopted, so another one is a repetition."""
        await tx.connection.execute(
            """
            INSERT INTO render_segments (request_id, position, generated) VALUES ($1, $2, $3)
            ON CONFLICT (request_id, position) DO UPDATE SET generated = excluded.generated
            WHERE render_segments.generated IS NULL
            """,
            request_id,
            position,
            event,
        )
        await tx.connection.execute(
            "UPDATE renders SET scene_id = $2 WHERE request_id = $1 AND scene_id IS NULL", request_id, scene_id
        )

    async def save_scored(self, tx: Transaction, *, request_id: UUID, position: int, event: Json) -> None:
        """The newest one stands: a clip may be measured again by a newer metric suite.

        Unless it was compared with another baseline than the clip was rendered for: anybody may ask for such a measure.
        """
        await tx.connection.execute(
            """
            INSERT INTO render_segments (request_id, position, scored) VALUES ($1, $2, $3)
            ON CONFLICT (request_id, position) DO UPDATE SET scored = excluded.scored
            WHERE render_segments.generated IS NULL
               OR render_segments.generated ->> 'baseline_clip_sha256'
                  IS NOT DISTINCT FROM excluded.scored ->> 'baseline_clip_sha256'
            """,
            request_id,
            position,
            event,
        )

    async def segments_of(
        self, request_ids: Sequence[UUID], tx: Transaction | None = None
    ) -> dict[UUID, list[RenderSegmentRow]]:
        rows = await self._reader(tx).fetch(
            """
            SELECT request_id, position, generated, scored FROM render_segments
            WHERE request_id = ANY($1::uuid[]) ORDER BY request_id, position
            """,
            list(request_ids),
        )
        found: dict[UUID, list[RenderSegmentRow]] = {request_id: [] for request_id in request_ids}
        for row in rows:
            found[row["request_id"]].append(RenderSegmentRow(**row))
        return found

    async def overdue_render(self, now: datetime) -> UUID | None:
        found: UUID | None = await self._database.fetchval(
            """
            SELECT request_id FROM renders
            WHERE (state IN ('waiting', 'requested') OR remeasure_asked_at IS NOT NULL) AND deadline_at <= $1
            ORDER BY deadline_at LIMIT 1
            """,
            now,
        )
        return found
