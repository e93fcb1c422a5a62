"""How much time orchestration adds to rendering.

R chains of S segments on W render servers, each render exactly T seconds: at best that takes max(S, ceil(R*S / W)) * T.
The servers are objects in this process that render nothing; the rest is the real service on a real PostgreSQL: claims,
leases, decoding in its own process, storing, adoption, outbox (there is no broker, so nothing is published).
"""

import asyncio
import json
import logging
import math
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.dispatch.main import build
from services.dispatch.settings import Settings
from tests.support import databases
from tests.support.dispatch import Dispatch, FakeRenderServer, facts, generation_requested, seed_image_bytes
from tests.support.http import TestKeys
from tests.support.infrastructure import short_home, start_postgres

RESULTS = Path(__file__).parent / "results" / "dispatch_makespan.json"
LIMIT = 1.15


@dataclass
class TimedServer(FakeRenderServer):
    """Remembers how long it stood idle between the end of one prompt and the arrival of the next."""

    gaps: list[float] = field(default_factory=list)
    free_since: float | None = None

    async def submit(
        self,
        *,
        prompt_id: str,
        graph: Mapping[str, Any],
        labels: Mapping[str, str] | None = None,
        is_new: bool = False,
    ) -> None:
        await super().submit(prompt_id=prompt_id, graph=graph, labels=labels, is_new=is_new)
        now = asyncio.get_running_loop().time()
        if self.free_since is not None:
            self.gaps.append(max(0.0, now - self.free_since))
        self.free_since = max(now, self.free_since or now) + self.render_seconds


async def measure(settings: Settings, *, chains: int, segments: int, servers: int, seconds: float) -> dict[str, Any]:
    farm = [TimedServer(name=f"server-{n}", render_seconds=seconds) for n in range(servers)]
    chassis = build(settings, servers=list(farm))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(chassis.app.router.lifespan_context(chassis.app))
        dispatch = Dispatch(chassis.database, chassis.media, [])
        while await _not_ready(dispatch):
            await asyncio.sleep(0.05)
        seed_image = await chassis.media.put_bytes(seed_image_bytes())
        await dispatch.learn(*facts(seed_image))
        started = time.perf_counter()
        await dispatch.learn(*(generation_requested(seed_image, segments=segments) for _ in range(chains)))
        while await _unfinished(dispatch, chains):
            await asyncio.sleep(0.05)
        makespan = time.perf_counter() - started
    return _result(farm, makespan, chains=chains, segments=segments, servers=servers, seconds=seconds)


async def _not_ready(dispatch: Dispatch) -> bool:
    try:
        return not await dispatch.store.servers()
    except ConnectionError:
        return True


async def _unfinished(dispatch: Dispatch, chains: int) -> bool:
    done = await dispatch.database.fetchval("SELECT count(*) FROM scenes WHERE state = 'completed'")
    return bool(done < chains)


def _result(
    farm: list[TimedServer], makespan: float, *, chains: int, segments: int, servers: int, seconds: float
) -> dict[str, Any]:
    ideal = max(segments, math.ceil(chains * segments / servers)) * seconds
    gaps = sorted(gap for server in farm for gap in server.gaps)
    return {
        "chains": chains,
        "segments": segments,
        "servers": servers,
        "render_seconds": seconds,
        "ideal_seconds": ideal,
        "makespan_seconds": round(makespan, 2),
        "ratio": round(makespan / ideal, 4),
        "limit": LIMIT,
        "idle_seconds_median": round(statistics.median(gaps), 3) if gaps else None,
        "idle_seconds_p95": round(gaps[math.ceil(0.95 * len(gaps)) - 1], 3) if gaps else None,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
    }


def main() -> None:
    logging.disable(logging.ERROR)
    results = [run(chains=8, segments=3, servers=4, seconds=10.0), run(chains=2, segments=3, servers=4, seconds=10.0)]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))
    worst = max(result["ratio"] for result in results)
    if worst > LIMIT:
        raise SystemExit(f"the makespan is {worst} times the ideal; the limit is {LIMIT}")


def run(*, chains: int, segments: int, servers: int, seconds: float) -> dict[str, Any]:
    with ExitStack() as stack:
        admin = os.environ.get("RUSHES_TEST_POSTGRES_DSN")
        if admin is None:
            server = start_postgres(stack.enter_context(short_home()))
            stack.callback(server.stop)
            admin = server.dsn
        name = databases.create_template(admin)
        stack.callback(databases.drop, admin, name)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rushes-bench-")))
        settings = Settings(
            kafka_bootstrap="127.0.0.1:1",
            database_url=databases.service_dsn(admin, name, "dispatch"),
            media_root=folder / "media",
            token_public_key_file=TestKeys(folder).public_key_file,
        )
        return asyncio.run(measure(settings, chains=chains, segments=segments, servers=servers, seconds=seconds))


if __name__ == "__main__":
    main()
