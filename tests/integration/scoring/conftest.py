"""Scoring on a real database, with a measuring process that is played."""

import io
from collections.abc import Awaitable, Callable

import pytest
from PIL import Image

from shared.media import MediaStore
from shared.postgres import Database
from tests.support.clips import photograph
from tests.support.scoring import PlayedPool, Scoring


@pytest.fixture
async def scoring_database(databases: Callable[[str], Awaitable[Database]]) -> Database:
    return await databases("scoring")


@pytest.fixture
def pool() -> PlayedPool:
    return PlayedPool()


@pytest.fixture
def scoring(scoring_database: Database, media: MediaStore, pool: PlayedPool) -> Scoring:
    return Scoring(scoring_database, media, pool=pool)


@pytest.fixture
async def source_image(media: MediaStore) -> str:
    file = io.BytesIO()
    Image.fromarray(photograph("astronaut")).save(file, format="PNG")
    return await media.put_bytes(file.getvalue())
