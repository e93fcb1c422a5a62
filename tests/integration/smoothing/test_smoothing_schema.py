"""The database refuses what the service must never write."""

import asyncpg
import pytest

from shared.postgres import Database
from tests.support.events import sha
from tests.support.smoothing import Smoothing

CHECK = f"""
    INSERT INTO boundary_checks (previous_clip_sha256, next_clip_sha256{{columns}})
    VALUES ('{sha(1)}', '{sha(2)}'{{values}})
"""
REPAIR = """
    INSERT INTO boundary_repairs (id, seam_id, scene_id, segment_id, side, method, overwrite, requested_by,
                                  correlation_id{columns})
    SELECT gen_random_uuid(), id, 50, 1, 'before', 'frame_blending', '{{}}', 'ada', correlation_id{values} FROM seams
"""


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        (", state", ", 'done'"),
        (", state", ", 'measured'"),
        (", state", ", 'measuring'"),
        (", seam, measure_seconds, measured_at", ", '{}', 1, now()"),
        (", state, measure_seconds, measured_at", ", 'not_measurable', 1, now()"),
        (", leased_until", ", now()"),
        (", crashes", ", -1"),
    ],
    ids=["state", "answerless", "leaseless", "answer-too-early", "reasonless", "half-a-lease", "negative"],
)
async def test_a_check_is_in_one_whole_state(columns: str, values: str, smoothing_database: Database) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await smoothing_database.pool.execute(CHECK.format(columns=columns, values=values))


async def test_a_pair_of_clips_has_one_check(smoothing_database: Database) -> None:
    insert = CHECK.format(columns="", values="")
    await smoothing_database.pool.execute(insert)
    with pytest.raises(asyncpg.UniqueViolationError):
        await smoothing_database.pool.execute(insert)


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        (", state", ", 'done'"),
        (", state", ", 'making'"),
        (", state, ended_at", ", 'rejected', now()"),
        (", state, ended_at", ", 'current', now()"),
        (", state, deadline_at, proposed_at", ", 'proposed', now(), now()"),
        (", state", ", 'cancelled'"),
        (", ended_at", ", now()"),
        (", deadline_at", ", now()"),
        (", frames", ", 0"),
    ],
    ids=[
        "state",
        "leaseless",
        "by-nobody",
        "clipless",
        "proposing-nothing",
        "endless",
        "ended",
        "deadline-of-nothing",
        "frameless",
    ],
)
async def test_a_repair_is_in_one_whole_state(columns: str, values: str, smoothing: Smoothing) -> None:
    for position in (1, 2):
        await smoothing.segment(position=position, sequence=position)
    with pytest.raises(asyncpg.CheckViolationError):
        await smoothing.database.pool.execute(REPAIR.format(columns=columns, values=values))


async def test_a_seam_has_one_open_repair_and_any_number_of_ended_ones(smoothing: Smoothing) -> None:
    for position in (1, 2):
        await smoothing.segment(position=position, sequence=position)
    ended = REPAIR.format(columns=", state, ended_at", values=", 'cancelled', now()")
    for statement in (ended, ended, REPAIR.format(columns="", values="")):
        await smoothing.database.pool.execute(statement)
    with pytest.raises(asyncpg.UniqueViolationError):
        await smoothing.database.pool.execute(REPAIR.format(columns="", values=""))
