"""The hot statements use their index: no scan of the table, no sort."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from services.dispatch.store.jobs import CLAIM
from services.dispatch.store.repairs import TAKE
from shared.media import MediaStore
from shared.postgres import Database
from tests.support.dispatch import Dispatch, FakeRenderServer, generation_requested

JOBS = 20_000
"""A quarter of them waits: 5,000."""


@pytest.fixture
async def crowded(databases: Any, media: MediaStore) -> Database:
    """Thousands of finished jobs and many queued ones."""
    dispatch = Dispatch(await databases("dispatch"), media, [FakeRenderServer()])
    await dispatch.learn(generation_requested(await dispatch.ready(), segments=1))
    connection = dispatch.database.pool
    await connection.execute(
        """
        INSERT INTO segments (scene_id, position, regeneration_count, is_current, state, requested_parameters)
        SELECT (SELECT min(id) FROM scenes), 1, n, false, 'planned', '{}' FROM generate_series(1, $1::int) AS n
        """,
        JOBS,
    )
    await connection.execute(
        """
        INSERT INTO generation_jobs (uid, scene_id, segment_id, turn, priority, remaining, requested_at, state,
            available_at, queued_at, finished_at, needs_id)
        SELECT gen_random_uuid(), scene_id, id, id % 3, 0, 1 + id % 5, now(),
            CASE WHEN id % 4 = 0 THEN 'queued' ELSE 'done' END, now(), now(),
            CASE WHEN id % 4 = 0 THEN NULL ELSE now() END, (SELECT min(id) FROM render_needs)
        FROM segments WHERE NOT is_current
        """
    )
    await connection.execute("ANALYZE generation_jobs")
    return dispatch.database


@pytest.mark.parametrize("plan_cache_mode", ["force_custom_plan", "force_generic_plan"])
async def test_claiming_walks_the_claim_index_and_stops_at_the_first_free_job(
    crowded: Database, plan_cache_mode: str
) -> None:
    async with crowded.pool.acquire() as connection:
        await connection.execute("PREPARE claim AS " + CLAIM)
        await connection.execute("SELECT set_config('plan_cache_mode', $1, false)", plan_cache_mode)
        for only in ("NULL", "'{}'", "'{1,2,3}'"):
            rows = await connection.fetch(
                f"EXPLAIN EXECUTE claim ('a', '{{a,b}}', gen_random_uuid(), now(), now(), {only})"
            )
            plan = "\n".join(row[0] for row in rows)
            assert "Index Scan using idx_generation_jobs_claim" in plan, plan
            assert "Seq Scan on generation_jobs" not in plan and "Sort" not in plan, plan
        await connection.execute("DEALLOCATE claim; RESET plan_cache_mode")


async def test_jobs_are_claimed_by_turn_then_longest_chain_then_age(crowded: Database) -> None:
    now = datetime.now(UTC)
    claimed = [await crowded.fetchrow(CLAIM, "a", ["a"], uuid4(), now, now, None) for _ in range(300)]
    order = [(row["turn"], -row["remaining"], row["requested_at"], row["id"]) for row in claimed if row]
    assert len(order) == 300 and order == sorted(order)


async def test_expired_leases_are_found_by_their_index(crowded: Database) -> None:
    rows = await crowded.fetch(
        """
        EXPLAIN SELECT id FROM generation_jobs WHERE state = 'leased' AND leased_until < now()
        ORDER BY leased_until LIMIT 100
        """
    )
    assert "idx_generation_jobs_leased_until" in "\n".join(row[0] for row in rows)


async def test_no_two_open_jobs_for_one_segment(crowded: Database) -> None:
    with pytest.raises(Exception, match="idx_generation_jobs_open"):
        await crowded.pool.execute(
            """
            INSERT INTO generation_jobs (uid, scene_id, segment_id, turn, priority, remaining, requested_at,
                available_at, queued_at, needs_id)
            SELECT gen_random_uuid(), scene_id, segment_id, 0, 0, 1, now(), now(), now(), needs_id FROM generation_jobs
            WHERE state = 'queued' LIMIT 1
            """
        )


async def test_a_repair_that_is_due_is_found_among_thousands_that_are_decided(crowded: Database) -> None:
    await crowded.pool.execute(
        """
        INSERT INTO repairs (id, scene_id, previous_segment_id, previous_clip_sha256, next_segment_id, next_clip_sha256,
            method, clips, before, after, overwrite, requested_by, correlation_id, state, reasons, due_at, deadline_at)
        SELECT gen_random_uuid(), scene_id, id, repeat('a', 64), id, repeat('b', 64), 'frame_blending', '[]', '{}',
            '{}', '{}', 'grace', gen_random_uuid(), CASE WHEN id % 100 = 0 THEN 'proposed' ELSE 'rejected' END,
            CASE WHEN id % 100 = 0 THEN '{}' ELSE '{worse}'::text[] END, CASE WHEN id % 100 = 0 THEN now() END, now()
        FROM segments WHERE NOT is_current
        """
    )
    await crowded.pool.execute("ANALYZE repairs")
    now = datetime.now(UTC)
    rows = await crowded.fetch("EXPLAIN (ANALYZE, COSTS off) " + TAKE, now, now)
    plan = "\n".join(row[0] for row in rows)
    assert "Index Scan using idx_repairs_due_at" in plan, plan
    assert "Seq Scan" not in plan and "Sort" not in plan, plan
