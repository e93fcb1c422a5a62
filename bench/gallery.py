"""What a page of the gallery costs at ten thousand test shots, in every order: the whole way through the store.

The claim: a page is one query that walks an index, and stays within a tenth of a second.
"""

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from services.dispatch.domain.shots import Shot, ShotSort
from services.dispatch.store import Store
from services.dispatch.store.shots import GalleryFilter
from shared.postgres import Database
from tests.support import databases
from tests.support.infrastructure import short_home, start_postgres

SHOTS, PAGES, PAGE_SIZE = 10_000, 50, 50
LIMIT_MS = 100.0
RESULT = Path(__file__).with_name("results") / "gallery.json"

FILL = """
    WITH scene AS (
        INSERT INTO scenes (name, project_id, character_id, scene_type_id, purpose, tier, state, segment_count,
            workflow_version_id, assets, seed_image_sha256, source_image_sha256, created_by, correlation_id)
        SELECT 'shot', 1, n % 50, n % 10, 'test_shot', 'full', 'rendering', 1, 1, '[]', repeat('a', 64),
            repeat('a', 64), 'bench', gen_random_uuid()
        FROM generate_series(1, $1::int) AS n RETURNING id, character_id, scene_type_id)
    INSERT INTO test_shots (project_id, scene_type_id, character_id, workflow_id, lora_id, tier, parameters, assets,
        seed_image_path, created_by_id, render_scene_id, fingerprint, quality_score)
    SELECT 1, scene_type_id, character_id, id % 20, id % 100, 'full', '{"seed": 1, "cfg": 6.0}', '[]',
        repeat('a', 64), 'user ' || id % 12, id, repeat('b', 64), (id % 97) / 97.0
    FROM scene
"""


def main() -> None:
    with short_home() as home:
        server = start_postgres(home)
        try:
            figures = asyncio.run(measure(server.dsn, databases.create_template(server.dsn)))
        finally:
            server.stop()
    RESULT.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))
    if max(one["p95_ms"] for one in figures["orders"].values()) > LIMIT_MS:
        sys.exit(f"a page took longer than {LIMIT_MS} ms")


async def measure(dsn: str, name: str) -> dict[str, Any]:
    database = Database(dsn=databases.service_dsn(dsn, name, "dispatch"), service="dispatch", pool_size=2)
    await database.open()
    try:
        await database.pool.execute(FILL, SHOTS)
        await database.pool.execute("ANALYZE test_shots")
        store = Store(database)
        return {"shots": SHOTS, "page_size": PAGE_SIZE, "orders": {s.value: await _walk(store, s) for s in ShotSort}}
    finally:
        await database.close()


async def _walk(store: Store, sort: ShotSort) -> dict[str, float]:
    """The first pages, each from where the one before ended."""
    before: tuple[float, int] | None = None
    took: list[float] = []
    for _ in range(PAGES):
        started = time.perf_counter()
        page = await store.gallery(GalleryFilter(), sort=sort, limit=PAGE_SIZE, before=before)
        took.append(1000 * (time.perf_counter() - started))
        assert len(page) == PAGE_SIZE
        before = (_key(page[-1], sort), page[-1].id)
    return {"median_ms": round(statistics.median(took), 2), "p95_ms": round(statistics.quantiles(took, n=20)[-1], 2)}


def _key(shot: Shot, sort: ShotSort) -> float:
    match sort:
        case ShotSort.DATE:
            return 0.0
        case ShotSort.CHARACTER:
            return shot.character_id
        case ShotSort.QUALITY:
            return -1.0 if shot.quality_score is None else shot.quality_score


if __name__ == "__main__":
    main()
