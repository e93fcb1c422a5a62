"""Disturbs a running stack at chosen moments, and tells afterwards whether anything shows."""

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Any

import asyncpg

from deploy.local.stack import LocalStack
from deploy.topology import DATABASE
from tests.support import databases
from tests.support.playing import Json, Player

MOMENTS: dict[str, dict[str, str]] = {
    "dispatch": {
        "a job waits": "SELECT 1 FROM dispatch.generation_jobs WHERE state = 'queued'",
        "an attempt is written down": "SELECT 1 FROM dispatch.generation_attempts WHERE state = 'prepared'",
        "a prompt is at the server": "SELECT 1 FROM dispatch.generation_attempts WHERE state = 'submitted'",
        "a clip was adopted": """
            SELECT 1 FROM dispatch.generation_attempts a JOIN dispatch.generation_jobs j ON j.id = a.job_id
            WHERE a.state = 'adopted' AND j.finished_at > now() - interval '300 milliseconds'
        """,
    },
    "scoring": {
        "a clip waits for its scores": "SELECT 1 FROM scoring.measurements WHERE state = 'waiting'",
        "a clip is being measured": "SELECT 1 FROM scoring.measurements WHERE state = 'measuring'",
        "a score was just written": """
            SELECT 1 FROM scoring.outbox WHERE aggregatetype = 'segment.scored' AND published_at IS NULL
        """,
    },
    "regression": {
        "renders are asked for": "SELECT 1 FROM regression.renders WHERE state = 'requested' AND run_id IS NOT NULL",
        "a clip is there without its scores": """
            SELECT 1 FROM regression.render_segments s JOIN regression.renders r USING (request_id)
            WHERE r.run_id IS NOT NULL AND r.state = 'requested' AND s.generated IS NOT NULL AND s.scored IS NULL
        """,
        "a reference is judged, others are not": """
            SELECT 1 FROM regression.regression_results r JOIN regression.regression_runs n ON n.id = r.run_id
            WHERE n.status = 'running'
        """,
    },
}
"""States of the work in which a process is killed, as a superuser sees them."""

RUN_IS_OPEN = "SELECT 1 FROM regression.regression_runs WHERE id = $1 AND status IN ('pending', 'running')"

AT_THE_SERVER = MOMENTS["dispatch"]["a prompt is at the server"]

LOOK_SECONDS = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    service: str
    moment: str


def plan_kills(*, seed: int, per_service: int) -> list[Kill]:
    """Each service `per_service` times, in as many different states as it has; the seed orders and chooses."""
    planned: list[Kill] = []
    source = random.Random(seed)
    for service, moments in MOMENTS.items():
        names = list(moments)
        source.shuffle(names)
        planned += [Kill(service=service, moment=names[index % len(names)]) for index in range(per_service)]
    source.shuffle(planned)
    return planned


class Disturber:
    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._dsn = databases.on_database(stack.site.admin_database_url(), DATABASE)

    def kill_at_next(self, planned: list[Kill], *, run: int) -> Kill | None:
        """SIGKILL the first service whose work is in a planned state; None when the run ended before one came.

        Its successor is ready when this returns.
        """
        kill = asyncio.run(self._next(planned, run))
        if kill is not None:
            self._stack.kill(kill.service)
            self._stack.wait_ready([kill.service])
        return kill

    async def _next(self, planned: list[Kill], run: int) -> Kill | None:
        connection = await asyncpg.connect(self._dsn)
        try:
            while await connection.fetchval(RUN_IS_OPEN, run):
                for kill in planned:
                    if await connection.fetchval(MOMENTS[kill.service][kill.moment]):
                        return kill
                await asyncio.sleep(LOOK_SECONDS)
            return None
        finally:
            await connection.close()

    def wait_for(self, sql: str, *, within_seconds: float = 60) -> None:
        """Until the query finds a row."""
        deadline = time.monotonic() + within_seconds
        while not self.query(sql):
            assert time.monotonic() < deadline, f"did not come: {sql}"
            time.sleep(LOOK_SECONDS)

    def query(self, sql: str, *args: Any) -> list[Json]:
        async def ask() -> list[Json]:
            connection = await asyncpg.connect(self._dsn)
            try:
                return [dict(row) for row in await connection.fetch(sql, *args)]
            finally:
                await connection.close()

        return asyncio.run(ask())


def outcome_of(player: Player, report: Json) -> dict[str, Any]:
    """What must not depend on disturbances, by where it stands: every verdict, frame digest and number."""
    outcome: dict[str, Any] = {}
    for reference in report["references"]:
        name = reference["name"]
        outcome[name] = reference["verdict"]
        for segment in reference["segments"]:
            where = f"{name}, segment {segment['position']}"
            outcome[f"{where}: frames"] = _frame_digest(player, reference["new_scene_id"], segment["position"])
            for metric in segment["metrics"]:
                numbers = tuple(metric[part] for part in ("verdict", "baseline", "new", "limit"))
                outcome[f"{where}: {metric['metric']}"] = numbers
    return outcome


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = sorted(before.keys() | after.keys())
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def _frame_digest(player: Player, scene: int, position: int) -> str:
    segments = player.get(f"/api/scenes/{scene}")["segments"]
    (found,) = [segment for segment in segments if segment["position"] == position and segment["is_current"]]
    digest: str = found["clip"]["frame_digest"]
    return digest


def adoption_problems(disturber: Disturber) -> list[Json]:
    """Jobs that are done without exactly one adopted attempt, or whose clip was not said exactly once.

    A promoted shot says its job's clip again, as another scene's segment: that is another fact.
    """
    return disturber.query(
        """
        SELECT j.id,
               (SELECT count(*) FROM dispatch.generation_attempts a
                WHERE a.job_id = j.id AND a.state = 'adopted') AS adopted,
               (SELECT count(*) FROM dispatch.outbox o
                WHERE o.aggregatetype = 'segment.generated' AND (o.payload ->> 'job_id')::bigint = j.id
                  AND (o.payload ->> 'segment_id')::bigint = j.segment_id) AS said
        FROM dispatch.generation_jobs j WHERE j.state = 'done'
        """
    )
