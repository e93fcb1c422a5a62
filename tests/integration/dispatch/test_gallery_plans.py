"""At ten thousand test shots every page of the gallery is one query that walks an index."""

from typing import Any

import pytest

from services.dispatch.operations.scenes import NewScene
from services.dispatch.store.shots import GALLERY_BY_CHARACTER, GALLERY_BY_DATE, GALLERY_BY_QUALITY, LAST_ID
from shared.cause import Cause
from shared.media import MediaStore
from shared.postgres import Database
from tests.support.dispatch import CHARACTER, SCENE_TYPE, WORKFLOW, Dispatch, FakeRenderServer

SHOTS = 10_000

ORDERS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "date": (GALLERY_BY_DATE, (5000,)),
    "character": (GALLERY_BY_CHARACTER, (5000, 20)),
    "quality": (GALLERY_BY_QUALITY, (LAST_ID, 0.5)),
}
FILTERS: dict[str, tuple[Any, ...]] = {
    "nothing": (None, None, None, None, None, None),
    "scene type": (3, None, None, None, None, None),
    "character": (None, 30, None, None, None, None),
    "workflow": (None, None, 11, None, None, None),
    "lora": (None, None, None, 7, None, None),
    "creator": (None, None, None, None, "user 4", None),
    "promoted": (None, None, None, None, None, True),
    "not promoted": (None, None, None, None, None, False),
    "several": (3, 33, None, 7, None, None),
}


@pytest.fixture
async def crowded_gallery(databases: Any, media: MediaStore, cause: Cause) -> Database:
    dispatch = Dispatch(await databases("dispatch"), media, [FakeRenderServer()])
    await dispatch.ready()
    wish = NewScene(
        name="shot", character_id=CHARACTER, scene_type_id=SCENE_TYPE, workflow_id=WORKFLOW, segment_count=1
    )
    await dispatch.shots.create(wish, cause)
    connection = dispatch.database.pool
    await connection.execute(
        """
        INSERT INTO scenes (name, project_id, character_id, scene_type_id, purpose, tier, state, segment_count,
            workflow_version_id, assets, seed_image_sha256, source_image_sha256, created_by, correlation_id)
        SELECT name, project_id, character_id, scene_type_id, purpose, tier, state, segment_count, workflow_version_id,
            assets, seed_image_sha256, source_image_sha256, created_by, correlation_id
        FROM scenes CROSS JOIN generate_series(1, $1::int)
        """,
        SHOTS,
    )
    await connection.execute(
        """
        INSERT INTO test_shots (project_id, scene_type_id, character_id, workflow_id, lora_id, tier, parameters, assets,
            seed_image_path, created_by_id, render_scene_id, fingerprint, quality_score, is_promoted)
        SELECT 1, scene.id % 10, scene.id % 50, scene.id % 20, scene.id % 100, 'full', shot.parameters, shot.assets,
            shot.seed_image_path, 'user ' || scene.id % 12, scene.id, shot.fingerprint, (scene.id % 97) / 97.0,
            scene.id % 40 = 0
        FROM scenes AS scene CROSS JOIN test_shots AS shot WHERE scene.id <> shot.render_scene_id
        """
    )
    await connection.execute("ANALYZE test_shots")
    return dispatch.database


async def test_every_order_with_every_filter_walks_an_index(crowded_gallery: Database) -> None:
    for order, (query, after) in ORDERS.items():
        for name, values in FILTERS.items():
            rows = await crowded_gallery.fetch("EXPLAIN (ANALYZE, COSTS off) " + query, *values, 50, *after)
            plan = "\n".join(row[0] for row in rows)
            assert "Index" in plan and "Seq Scan" not in plan, f"{order}, {name}:\n{plan}"
            if name == "nothing":
                assert "Sort" not in plan, f"{order}:\n{plan}"
