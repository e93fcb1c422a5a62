"""The database refuses what the service must never write."""

import asyncpg
import pytest

from services.scoring.domain import METRICS
from shared.postgres import Database
from tests.support.events import sha

QUESTION = f"""
    INSERT INTO measurements (question_sha256, clip_sha256, source_image_sha256, expected, metric_suite_version,
                              identity_backend, identity_backend_version{{columns}})
    VALUES ('{sha(1)}', '{sha(2)}', '{sha(3)}', '{{{{}}}}', '1', 'face-region', '1'{{values}})
"""


async def test_every_metric_of_the_suite_can_have_a_gate_and_what_is_no_name_can_not(
    scoring_database: Database,
) -> None:
    for metric in METRICS:
        await scoring_database.pool.execute("INSERT INTO quality_gates (project_id, metric) VALUES (1, $1)", metric)
    with pytest.raises(asyncpg.CheckViolationError):
        await scoring_database.pool.execute("INSERT INTO quality_gates (project_id, metric) VALUES (1, 'Beauty!')")


async def test_a_scope_has_one_gate_per_metric_also_without_a_scene_type(scoring_database: Database) -> None:
    insert = "INSERT INTO quality_gates (project_id, scene_type_id, metric) VALUES (1, $1, 'motion')"
    for scene_type_id in (None, 3):
        await scoring_database.pool.execute(insert, scene_type_id)
        with pytest.raises(asyncpg.UniqueViolationError):
            await scoring_database.pool.execute(insert, scene_type_id)


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        (", state", ", 'done'"),
        (", state", ", 'measured'"),
        (", state", ", 'measuring'"),
        (", readings, measure_seconds", ", '{}', 1"),
        (", state, readings, measure_seconds", ", 'not_measurable', '{}', 1"),
        (", leased_until", ", now()"),
        (", crashes", ", -1"),
    ],
    ids=["state", "answerless", "leaseless", "answer-too-early", "reasonless", "half-a-lease", "negative"],
)
async def test_a_measurement_is_in_one_whole_state(columns: str, values: str, scoring_database: Database) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await scoring_database.pool.execute(QUESTION.format(columns=columns, values=values))


async def test_updates_move_updated_at(scoring_database: Database) -> None:
    await scoring_database.pool.execute(QUESTION.format(columns=", updated_at", values=", '2020-01-01'"))
    await scoring_database.pool.execute("UPDATE measurements SET claims = 1")
    assert await scoring_database.fetchval("SELECT updated_at > '2021-01-01' FROM measurements")


async def test_every_table_with_updated_at_has_its_trigger(scoring_database: Database) -> None:
    missing = await scoring_database.fetch(
        """
        SELECT c.table_name FROM information_schema.columns AS c
        WHERE c.table_schema = 'scoring' AND c.column_name = 'updated_at'
          AND NOT EXISTS (
              SELECT FROM information_schema.triggers AS t
              WHERE t.event_object_schema = 'scoring' AND t.event_object_table = c.table_name
                AND t.trigger_name = 'set_updated_at'
          )
        """
    )
    assert missing == []


async def test_claiming_and_announcing_use_their_indexes_on_a_long_history(scoring_database: Database) -> None:
    await scoring_database.pool.execute(
        """
        INSERT INTO measurements (question_sha256, clip_sha256, source_image_sha256, expected, metric_suite_version,
                                  identity_backend, identity_backend_version, state, readings, measure_seconds)
        SELECT lpad(to_hex(n), 64, '0'), lpad('1', 64, '0'), lpad('2', 64, '0'), '{}', '1', 'face-region', '1',
               'measured', '{}', 1
        FROM generate_series(1, 5000) AS n
        """
    )
    await scoring_database.pool.execute("ANALYZE measurements")
    plan = await scoring_database.fetch(
        "EXPLAIN SELECT id FROM measurements WHERE state IN ('waiting', 'measuring') ORDER BY id LIMIT 1"
    )
    assert "idx_measurements_open" in "\n".join(row[0] for row in plan)
