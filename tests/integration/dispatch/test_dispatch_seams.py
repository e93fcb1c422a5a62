"""What smoothing measured between two segments, shown with the segments."""

from typing import Any

import pytest

from services.dispatch.domain.scenes import Segment
from services.dispatch.operations.scenes import NewScene
from shared.cause import Cause
from shared.media import MediaStore
from tests.support.boundaries import checked
from tests.support.dispatch import CHARACTER, SCENE_TYPE, WORKFLOW, Dispatch, FakeRenderServer

WISH = NewScene(name="dawn", character_id=CHARACTER, scene_type_id=SCENE_TYPE, workflow_id=WORKFLOW, segment_count=3)


@pytest.fixture
async def dispatch(databases: Any, media: MediaStore) -> Dispatch:
    return Dispatch(await databases("dispatch"), media, [FakeRenderServer()])


@pytest.fixture
async def scene_id(dispatch: Dispatch, cause: Cause) -> int:
    """A scene of three segments, rendered."""
    await dispatch.ready()
    scene = await dispatch.scenes.create(WISH, cause)
    await dispatch.work()
    return scene.id


async def shown(dispatch: Dispatch, scene_id: int) -> list[tuple[float | None, float | None]]:
    return [(s.boundary_ssim_before, s.boundary_ssim_after) for s in await dispatch.store.segments_of(scene_id)]


async def again(dispatch: Dispatch, segment: Segment, cause: Cause) -> None:
    await dispatch.regenerations.regenerate(segment.id, changes={}, overwrite=frozenset(), cause=cause)
    await dispatch.work()


async def test_a_checked_boundary_is_shown_after_the_one_segment_and_before_the_other(
    dispatch: Dispatch, scene_id: int
) -> None:
    one, two, three = await dispatch.store.segments_of(scene_id)
    await dispatch.hear(checked(one, two, 0.9))
    await dispatch.hear(checked(two, three, 0.7))
    assert await shown(dispatch, scene_id) == [(None, 0.9), (0.9, 0.7), (0.7, None)]


async def test_an_older_reading_of_the_same_pair_that_comes_late_changes_nothing(
    dispatch: Dispatch, scene_id: int
) -> None:
    one, two, _ = await dispatch.store.segments_of(scene_id)
    await dispatch.hear(checked(one, two, 0.8, sequence=2))
    await dispatch.hear(checked(one, two, 0.9, sequence=1))
    assert (await shown(dispatch, scene_id))[0] == (None, 0.8)
    await dispatch.hear(checked(one, two, None, sequence=3))
    assert (await shown(dispatch, scene_id))[0] == (None, None)


async def test_a_new_version_has_no_numbers_until_its_own_come_and_the_old_one_keeps_what_was_measured(
    dispatch: Dispatch, scene_id: int, cause: Cause
) -> None:
    one, two, three = await dispatch.store.segments_of(scene_id)
    await dispatch.hear(checked(one, two, 0.9))
    await dispatch.hear(checked(two, three, 0.7))
    await again(dispatch, two, cause)
    assert await shown(dispatch, scene_id) == [(None, None), (None, None), (None, None)]
    old = await dispatch.store.segment(two.id)
    assert old is not None and (old.boundary_ssim_before, old.boundary_ssim_after) == (0.9, 0.7)
    new = (await dispatch.store.segments_of(scene_id))[1]
    await dispatch.hear(checked(one, new, 0.95))
    await dispatch.hear(checked(one, two, 0.2, sequence=2))
    assert await shown(dispatch, scene_id) == [(None, 0.95), (0.95, None), (None, None)]


async def test_the_numbers_of_an_earlier_version_come_back_with_it(
    dispatch: Dispatch, scene_id: int, cause: Cause
) -> None:
    one, two, three = await dispatch.store.segments_of(scene_id)
    await again(dispatch, two, cause)
    await dispatch.hear(checked(one, two, 0.9))
    await dispatch.hear(checked(two, three, 0.7))
    assert await shown(dispatch, scene_id) == [(None, None), (None, None), (None, None)]
    await dispatch.regenerations.revert(two.id, overwrite=frozenset(), cause=cause)
    assert await shown(dispatch, scene_id) == [(None, 0.9), (0.9, 0.7), (0.7, None)]


async def test_a_reading_of_something_deleted_or_of_another_clip_is_nobodys(
    dispatch: Dispatch, scene_id: int, cause: Cause
) -> None:
    one, two, three = await dispatch.store.segments_of(scene_id)
    other = checked(one, two, 0.9)
    await dispatch.hear(other.model_copy(update={"next": other.next.model_copy(update={"clip_sha256": "f" * 64})}))
    await dispatch.hear(checked(one, three, 0.9))
    assert await shown(dispatch, scene_id) == [(None, None), (None, None), (None, None)]
    await dispatch.scenes.delete(scene_id, cause)
    await dispatch.hear(checked(one, two, 0.9))
