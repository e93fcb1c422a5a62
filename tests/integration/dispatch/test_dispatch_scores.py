"""What scoring says of a segment's clip, kept beside it."""

from typing import Any

import pytest

from services.dispatch.domain.scenes import Segment
from services.dispatch.operations.scenes import NewScene
from shared.cause import Cause
from shared.media import MediaStore
from tests.support.dispatch import CHARACTER, SCENE_TYPE, WORKFLOW, Dispatch, FakeRenderServer, said, score

WISH = NewScene(name="dawn", character_id=CHARACTER, scene_type_id=SCENE_TYPE, workflow_id=WORKFLOW, segment_count=1)


@pytest.fixture
async def dispatch(databases: Any, media: MediaStore) -> Dispatch:
    return Dispatch(await databases("dispatch"), media, [FakeRenderServer()])


@pytest.fixture
async def generated(dispatch: Dispatch, cause: Cause) -> dict[str, Any]:
    """A scene of one segment, rendered: what was said of it."""
    await dispatch.ready()
    await dispatch.scenes.create(WISH, cause)
    await dispatch.work()
    [event] = await said(dispatch.database, "segment.generated")
    return event


async def kept(dispatch: Dispatch, generated: dict[str, Any]) -> Segment:
    segment = await dispatch.store.segment(generated["segment_id"])
    assert segment is not None
    return segment


async def test_a_score_is_kept_with_the_outcome_of_every_gate_and_the_means_of_measuring(
    dispatch: Dispatch, generated: dict[str, Any]
) -> None:
    await dispatch.hear(score(generated, verdict="warn"))
    segment = await kept(dispatch, generated)
    assert segment.gate_verdict == "warn" and segment.quality_score == 0.5
    assert segment.gates == {
        "sharpness": {"verdict": "warn", "value": 0.12, "limit": 0.15, "message": "sharpness 0.12"},
        "flicker": {"verdict": "pass", "value": 0.001, "limit": None, "message": "flicker 0.001"},
    }
    assert (segment.metric_suite_version, segment.identity_backend) == ("1", "appearance 1")
    assert segment.not_measurable is None


async def test_what_could_not_be_measured_says_why(dispatch: Dispatch, generated: dict[str, Any]) -> None:
    reason: dict[str, Any] = {
        "status": "not_measurable",
        "not_measurable": "the clip has no frames",
        "gates": [],
        "quality_score": None,
    }
    await dispatch.hear(score(generated, verdict="fail", **reason))
    segment = await kept(dispatch, generated)
    assert segment.gates == {} and segment.not_measurable == "the clip has no frames"


async def test_an_older_score_that_comes_late_changes_nothing(dispatch: Dispatch, generated: dict[str, Any]) -> None:
    await dispatch.hear(score(generated, verdict="fail", sequence=2))
    await dispatch.hear(score(generated, verdict="pass", sequence=1))
    assert (await kept(dispatch, generated)).gate_verdict == "fail"
    await dispatch.hear(score(generated, verdict="warn", sequence=3))
    assert (await kept(dispatch, generated)).gate_verdict == "warn"


async def test_a_score_of_another_clip_is_not_this_segments(dispatch: Dispatch, generated: dict[str, Any]) -> None:
    await dispatch.hear(score(generated, clip_sha256="f" * 64))
    assert (await kept(dispatch, generated)).gates is None
