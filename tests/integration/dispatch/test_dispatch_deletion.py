"""Deletion reaches scenes, queued work and late events."""

from typing import Any

import pytest

from services.dispatch.domain.errors import Conflict, NotFound, Unacceptable
from services.dispatch.domain.scenes import SceneState
from services.dispatch.operations.scenes import NewScene
from shared.cause import Cause
from shared.contracts.character import CharacterDeleted
from shared.contracts.project import ProjectDeleted
from shared.contracts.scene_type import SceneTypeDeleted
from shared.contracts.segment import ReviewDecision
from shared.media import MediaStore
from tests.support.dispatch import (
    CHARACTER,
    PROJECT,
    SCENE_TYPE,
    WORKFLOW,
    Dispatch,
    FakeRenderServer,
    asset_updated,
    character_updated,
    generation_requested,
    project_updated,
    said,
    scene_type_updated,
    version_published,
)

WISH = NewScene(name="harbour", character_id=CHARACTER, scene_type_id=SCENE_TYPE, workflow_id=WORKFLOW)

DELETIONS = [
    CharacterDeleted(character_id=CHARACTER, project_id=PROJECT),
    SceneTypeDeleted(scene_type_id=SCENE_TYPE, project_id=PROJECT),
    ProjectDeleted(project_id=PROJECT),
]


@pytest.fixture
async def dispatch(databases: Any, media: MediaStore) -> Dispatch:
    return Dispatch(await databases("dispatch"), media, [FakeRenderServer()])


@pytest.mark.parametrize("deletion", DELETIONS, ids=["character", "scene type", "project"])
async def test_deleting_removes_scenes_and_jobs_and_tells_whoever_waits(
    dispatch: Dispatch, cause: Cause, deletion: Any
) -> None:
    seed_image = await dispatch.ready()
    scene = await dispatch.scenes.create(WISH, cause)
    request = generation_requested(seed_image)
    await dispatch.learn(request, deletion)

    assert [e["scene_id"] for e in await said(dispatch.database, "scene.deleted")] == [scene.id]
    failed = [e for e in await said(dispatch.database, "segment.failed") if e["request_id"] == str(request.request_id)]
    assert [e["failure"]["kind"] for e in failed] == ["deleted"]
    for table in ("scenes", "segments", "generation_jobs"):
        assert not await dispatch.database.fetchval("SELECT count(*) FROM " + table)
    assert await dispatch.work() == 0


@pytest.mark.parametrize("deletion", DELETIONS, ids=["character", "scene type", "project"])
async def test_a_request_for_something_deleted_is_answered_and_not_rendered(dispatch: Dispatch, deletion: Any) -> None:
    seed_image = await dispatch.ready()
    await dispatch.learn(deletion)
    request = generation_requested(seed_image)
    await dispatch.learn(request)
    [failed] = await said(dispatch.database, "segment.failed")
    assert failed["failure"]["kind"] == "deleted" and failed["request_id"] == str(request.request_id)
    assert await dispatch.work() == 0


async def test_late_news_of_something_deleted_does_not_bring_it_back(dispatch: Dispatch, cause: Cause) -> None:
    seed_image = await dispatch.ready()
    await dispatch.learn(DELETIONS[0], DELETIONS[1])
    await dispatch.learn(character_updated(seed_image, sequence=9), scene_type_updated(sequence=9))
    with pytest.raises(Unacceptable, match=f"character {CHARACTER} is and scene type {SCENE_TYPE} is not known"):
        await dispatch.scenes.create(WISH, cause)


async def test_swapped_updates_leave_the_newer_one(dispatch: Dispatch) -> None:
    seed_image = await dispatch.ready()
    await dispatch.learn(
        character_updated(seed_image, name="new", sequence=3),
        character_updated(seed_image, name="old", sequence=2),
        project_updated(name="new", sequence=3),
        project_updated(name="old", sequence=2),
        scene_type_updated(name="new", sequence=3),
        scene_type_updated(name="old", sequence=2),
        version_published(version_id=101, version=2),
        asset_updated(version_id=101, sequence=3),
        asset_updated(version_id=100, sequence=2),
    )
    character = await dispatch.store.character(CHARACTER)
    assert character is not None and character.name == "new"
    scene_type = await dispatch.store.scene_type(SCENE_TYPE)
    assert scene_type is not None and scene_type.name == "new"
    assert await dispatch.database.fetchval("SELECT name FROM projects WHERE id = $1", PROJECT) == "new"
    [active] = await dispatch.store.active_versions([WORKFLOW])
    assert active.id == 101


async def test_cancelling_keeps_what_is_finished_and_deleting_removes_it(dispatch: Dispatch, cause: Cause) -> None:
    await dispatch.ready()
    scene = await dispatch.scenes.create(WISH, cause)
    await dispatch.workers["fake"].step()
    cancelled = await dispatch.scenes.cancel(scene.id, cause)
    assert cancelled.state is SceneState.CANCELLED
    segments = await dispatch.store.segments_of(scene.id)
    assert [segment.state.value for segment in segments] == ["generated", "cancelled", "cancelled"]
    with pytest.raises(Conflict, match="only a scene that is rendering"):
        await dispatch.scenes.cancel(scene.id, cause)
    await dispatch.scenes.delete(scene.id, cause)
    with pytest.raises(NotFound):
        await dispatch.scenes.delete(scene.id, cause)
    with pytest.raises(NotFound):
        await dispatch.reviews.review(segments[0].id, ReviewDecision.APPROVED, "", cause)


async def test_a_scene_that_a_service_asked_for_is_not_deleted_by_hand(dispatch: Dispatch, cause: Cause) -> None:
    request = generation_requested(await dispatch.ready())
    await dispatch.learn(request)
    with pytest.raises(Conflict, match="cancel that run instead"):
        await dispatch.scenes.delete((await dispatch.scene_of(request)).id, cause)
