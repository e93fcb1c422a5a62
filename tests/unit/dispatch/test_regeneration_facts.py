"""What is said before a regeneration, and how frames are compared."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from services.dispatch.adapters.frames import FrameComparer
from services.dispatch.domain.errors import Conflict, Unacceptable
from services.dispatch.domain.planning import Workflow
from services.dispatch.domain.regeneration import (
    CascadeState,
    cascade_plan,
    changed_parameters,
    first_step,
    next_step,
    regeneration_facts,
)
from services.dispatch.domain.scenes import Review, SegmentState
from services.dispatch.domain.timeline import Timeline, Version
from shared.media import MediaStore
from tests.support.timelines import alike, frame

WORKFLOW = Workflow(name="portrait", graph={}, inputs={"seed": ("7", "seed"), "cfg": ("7", "cfg")})


def rendered(count: int, **changes: Any) -> Timeline:
    """A scene whose frames fit; `changes` by position, as `p3=...`."""
    versions = [
        Version(
            id=100 + p,
            position=p,
            state=SegmentState.GENERATED,
            seed=frame(10 * (p - 1)),
            last=changes.get(f"last{p}", frame(10 * p)),
            review=changes.get(f"review{p}", Review.NONE),
            is_locked=changes.get(f"lock{p}", False),
        )
        for p in range(1, count + 1)
    ]
    return Timeline.of(versions, alike).settled()


@pytest.mark.parametrize(
    ("position", "message"),
    [
        (5, "This will regenerate segment 5. Segments 6-10 may need re-checking."),
        (9, "This will regenerate segment 9. Segment 10 may need re-checking."),
        (10, "This will regenerate segment 10."),
    ],
)
def test_the_confirmation_names_the_segments_that_may_need_re_checking(position: int, message: str) -> None:
    facts = regeneration_facts(rendered(10), 100 + position, seconds={100 + position: 4.0})
    assert facts.message == message and facts.render_seconds == 4.0


def test_a_locked_segment_has_its_facts_too() -> None:
    assert regeneration_facts(rendered(2, lock1=True), 101, seconds={}).segment.is_locked


def test_only_the_current_version_is_regenerated() -> None:
    timeline = rendered(2)
    asked = timeline.asked(7, timeline.replacement(101))
    with pytest.raises(Conflict, match="is being regenerated as segment 7"):
        asked.replacement(101)
    arrived, _ = asked.arrived(7, last=frame(70))
    with pytest.raises(Conflict, match="that is segment 7"):
        arrived.replacement(101)


def test_changed_parameters_are_the_segments_own_with_what_was_asked_for() -> None:
    own = {"seed": 1, "cfg": 6.0, "prompt": None}
    assert changed_parameters(own, {"cfg": 3.0, "seed": None}, workflow=WORKFLOW) == own | {"cfg": 3.0}
    with pytest.raises(Unacceptable, match="no binding for prompt; it binds cfg, seed"):
        changed_parameters(own, {"prompt": "a walk"}, workflow=WORKFLOW)


def test_a_cascade_begins_at_the_first_stale_segment_and_counts_all_that_may_follow() -> None:
    timeline = rendered(5, last2=frame(99), review4=Review.APPROVED)
    plan = cascade_plan(timeline, 1, overwrite=frozenset({104}), seconds={n: 2.0 for n in range(101, 106)})
    assert [v.position for v in plan.segments] == [3, 4, 5] and plan.render_seconds == 6.0
    assert [v.position for v in plan.voided_approvals] == [4] and plan.stops == ""
    stopped = cascade_plan(timeline, 1, overwrite=frozenset(), seconds={})
    assert [v.position for v in stopped.segments] == [3] and "is approved" in stopped.stops
    first = first_step(timeline, 1, overwrite=frozenset()).segment
    assert first is not None and first.position == 3


def test_a_cascade_ends_at_the_end_or_where_the_frame_is_what_it_was() -> None:
    timeline = rendered(3, last1=frame(99))
    converged = next_step(timeline, 2, overwrite=frozenset())
    assert converged.state is CascadeState.CONVERGED
    assert next_step(timeline, 3, overwrite=frozenset()).state is CascadeState.COMPLETED
    assert first_step(rendered(3), 1, overwrite=frozenset()).state is CascadeState.COMPLETED


def picture(value: int, side: int = 32) -> bytes:
    y, x = np.mgrid[0:side, 0:side]
    pixels = ((np.sin(x * value / 9) + np.cos(y / 5)) * 60 + 128).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


async def test_equal_pictures_are_one_and_sizes_that_differ_are_not_alike_at_all(media: MediaStore) -> None:
    compare = FrameComparer(media=media)
    one, other = await media.put_bytes(picture(1)), await media.put_bytes(picture(5))
    small, tiny = await media.put_bytes(picture(1, side=16)), await media.put_bytes(picture(1, side=4))
    assert await compare(one, one) == pytest.approx(1.0)
    different = await compare(one, other)
    assert different is not None and different < 0.7
    assert await compare(one, small) == -1.0 and await compare(tiny, tiny) == -1.0


async def test_a_frame_that_is_not_stored_cannot_be_compared(media: MediaStore) -> None:
    assert await FrameComparer(media=media)(await media.put_bytes(picture(1)), "0" * 64) is None
