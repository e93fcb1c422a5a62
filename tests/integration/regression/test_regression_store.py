"""What the database itself refuses, and how it finds what is asked for often."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from shared.postgres import Database
from tests.support.regression import World

COLUMNS = {
    "regression_references": {
        "id": "bigint",
        "character_id": "bigint",
        "scene_type_id": "bigint",
        "reference_scene_id": "bigint",
        "baseline_scores": "jsonb",
        "created_at": "timestamp with time zone",
        "updated_at": "timestamp with time zone",
    },
    "regression_runs": {
        "id": "bigint",
        "trigger_type": "text",
        "trigger_asset_id": "bigint",
        "status": "text",
        "started_at": "timestamp with time zone",
        "completed_at": "timestamp with time zone",
        "created_at": "timestamp with time zone",
        "updated_at": "timestamp with time zone",
    },
    "regression_results": {
        "id": "bigint",
        "run_id": "bigint",
        "reference_id": "bigint",
        "new_scene_id": "bigint",
        "baseline_scores": "jsonb",
        "new_scores": "jsonb",
        "verdict": "text",
        "created_at": "timestamp with time zone",
        "updated_at": "timestamp with time zone",
    },
}


async def test_the_tables_have_the_columns_indexes_and_triggers_of_the_requirement(
    databases: Callable[[str], Awaitable[Database]],
) -> None:
    database = await databases("regression")
    rows = await database.fetch(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'regression'"
    )
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row["table_name"], {})[row["column_name"]] = row["data_type"]
    for table, columns in COLUMNS.items():
        assert columns.items() <= found[table].items()
    indexes = {row["indexname"] for row in await database.fetch("SELECT indexname FROM pg_indexes")}
    assert {
        "idx_regression_references_character_id",
        "idx_regression_references_scene_type_id",
        "idx_regression_results_run_id",
        "idx_regression_results_reference_id",
    } <= indexes
    touched = await database.fetch(
        """
        SELECT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE t.tgname = 'set_updated_at' AND c.relnamespace = 'regression'::regnamespace
        """
    )
    with_updates = {table for table, columns in found.items() if "updated_at" in columns}
    assert {row["relname"] for row in touched} == with_updates


@pytest.mark.parametrize(
    ("statement", "refused"),
    [
        ("INSERT INTO regression_runs (trigger_type, requested_by) VALUES ('hope', 'x')", asyncpg.CheckViolationError),
        (
            "INSERT INTO regression_runs (trigger_type, requested_by, status) VALUES ('manual', 'x', 'asleep')",
            asyncpg.CheckViolationError,
        ),
        (
            "INSERT INTO regression_runs (trigger_type, requested_by, status) VALUES ('manual', 'x', 'completed')",
            asyncpg.CheckViolationError,
        ),
        (
            "INSERT INTO regression_runs (trigger_type, requested_by) VALUES ('rollback_proof', 'x')",
            asyncpg.CheckViolationError,
        ),
        (
            """
            INSERT INTO regression_results (run_id, reference_id, baseline_scores, new_scores, verdict, request_id,
                                            summary, judgement)
            VALUES (1, 1, '{}', '{}', 'fine', gen_random_uuid(), '', '{}')
            """,
            asyncpg.CheckViolationError,
        ),
        (
            """
            INSERT INTO regression_results (run_id, reference_id, baseline_scores, new_scores, verdict, request_id,
                                            summary, judgement)
            VALUES (1, 1, '{}', '{}', 'same', gen_random_uuid(), '', '{}')
            """,
            asyncpg.ForeignKeyViolationError,
        ),
    ],
)
async def test_the_database_refuses_what_is_not_in_the_enumeration(
    databases: Callable[[str], Awaitable[Database]], statement: str, refused: type[Exception]
) -> None:
    database = await databases("regression")
    with pytest.raises(refused):
        await database.pool.execute(statement)


HOT: dict[str, tuple[str, str]] = {
    "references of an asset": (
        "SELECT id FROM regression_references WHERE assets @> jsonb_build_array(jsonb_build_object('asset_id', 32))",
        "idx_regression_references_assets",
    ),
    "overdue renders": (
        """
        SELECT request_id FROM renders
        WHERE (state IN ('waiting', 'requested') OR remeasure_asked_at IS NOT NULL) AND deadline_at <= now()
        ORDER BY deadline_at LIMIT 1
        """,
        "idx_renders_deadline_at",
    ),
    "renders of a run": ("SELECT request_id FROM renders WHERE run_id = 7", "uq_renders_run_id_reference_id"),
    "results of a run": ("SELECT id FROM regression_results WHERE run_id = 7", "regression_results"),
    "overdue rollbacks": (
        "SELECT id FROM regression_runs WHERE rollback_state = 'requested' AND rollback_deadline_at <= now()",
        "idx_regression_runs_rollback_deadline_at",
    ),
}


@pytest.mark.parametrize("name", HOT)
async def test_what_is_asked_often_is_found_by_an_index(
    databases: Callable[[str], Awaitable[Database]], name: str
) -> None:
    """Small tables are always scanned, so the scan is forbidden: what is left shows whether an index fits."""
    database = await databases("regression")
    statement, index = HOT[name]
    async with database.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan: Any = await connection.fetch(f"EXPLAIN {statement}")
    text = "\n".join(row[0] for row in plan)
    assert index in text and "Seq Scan" not in text, text


async def test_an_older_fact_does_not_overwrite_a_newer_one(databases: Callable[[str], Awaitable[Database]]) -> None:
    from shared.contracts.project import ProjectUpdated

    world = World(await databases("regression"))
    await world.hear(ProjectUpdated(project_id=1, name="new", sequence=2))
    await world.hear(ProjectUpdated(project_id=1, name="old", sequence=1))
    assert await world.database.fetchval("SELECT name FROM projects WHERE id = 1") == "new"
