"""What the edge hears, and shows."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.studio.handlers import Handlers
from services.studio.operations import Operations
from services.studio.store import Store
from shared.cause import Cause
from shared.clock import utc_now
from shared.contracts.boundary import BoundaryChecked, BoundaryRepairRejected
from shared.contracts.generation import GenerationProgressed
from shared.contracts.regression import RegressionCompleted, RegressionProgressed, RunOutcome, TriggerType
from shared.contracts.scene import ScenePaused
from shared.contracts.segment import SegmentFailed, SegmentStaled
from shared.contracts.token import TokenRevoked
from shared.contracts.types import RenderFailure, SceneId
from shared.errors import AlreadyHandled
from shared.service import Chassis

RUN: dict[str, Any] = {"run_id": 5, "trigger_type": TriggerType.LORA_UPDATE, "asset_id": 2}


def heard() -> Cause:
    return Cause(correlation_id=uuid4(), actor="service:studio", event_id=uuid4(), topic="x")


@pytest.fixture
def operations(studio: Chassis) -> Operations:
    return Operations(store=Store(studio.database), session_seconds=60)


@pytest.fixture
def handlers(operations: Operations) -> Handlers:
    return Handlers(operations)


def progressed(done: int) -> RegressionProgressed:
    return RegressionProgressed(**RUN, references_total=1, references_done=0, segments_total=3, segments_done=done)


def completed() -> RegressionCompleted:
    return RegressionCompleted(
        **RUN,
        version_id=12,
        outcome=RunOutcome.DEGRADED,
        reason="degraded: identity of segment 2",
        superseded=False,
        improved=0,
        same=0,
        degraded=1,
        not_comparable=0,
        completed_at=utc_now(),
    )


async def test_a_run_is_live_until_it_has_ended_and_then_a_line_of_the_feed(
    handlers: Handlers, creator: httpx.AsyncClient
) -> None:
    await handlers.regression_progressed(progressed(1), heard())
    await handlers.regression_progressed(progressed(2), heard())
    (live,) = (await creator.get("/api/activity/live")).json()["items"]
    assert (live["subject"], live["done"], live["total"]) == ("run:5", 2, 3)
    await handlers.regression_completed(completed(), heard())
    assert (await creator.get("/api/activity/live")).json()["items"] == []
    (line,) = (await creator.get("/api/activity?subject=run:5")).json()["items"]
    assert line["summary"] == "Run 5 degraded: identity of segment 2"
    assert line["data"]["degraded"] == 1


async def test_an_event_heard_twice_is_one_line(handlers: Handlers, creator: httpx.AsyncClient) -> None:
    cause = heard()
    await handlers.regression_completed(completed(), cause)
    with pytest.raises(AlreadyHandled):
        await handlers.regression_completed(completed(), cause)
    assert len((await creator.get("/api/activity")).json()["items"]) == 1


async def test_a_failed_render_is_told_with_its_reason(handlers: Handlers, creator: httpx.AsyncClient) -> None:
    failed = SegmentFailed.model_validate(
        {
            "scene_id": 9, "segment_id": 41, "position": 3, "segment_count": 3, "project_id": 1, "character_id": 1,
            "scene_type_id": 1, "purpose": "regression", "tier": "draft", "request_id": str(UUID(int=1)),
            "failure": RenderFailure(
                kind="out_of_memory", message="CUDA out of memory", node="7 (KSampler)", permanent=False
            ),
            "attempts": 3, "failed_at": utc_now(),
        }
    )  # fmt: skip
    await handlers.segment_failed(failed, heard())
    (line,) = (await creator.get("/api/activity")).json()["items"]
    assert line["summary"] == (
        "Scene 9, segment 3: render failed after 3 attempts (out of memory, node 7 (KSampler)): CUDA out of memory"
    )


async def test_a_scene_that_waits_for_a_person_is_told_with_its_reason(
    handlers: Handlers, creator: httpx.AsyncClient
) -> None:
    paused = ScenePaused.model_validate(
        {
            "scene_id": 9, "project_id": 1, "name": "dawn", "segment_id": 41, "position": 2,
            "reason": "sharpness 0.03 is below 0.08", "paused_at": utc_now(),
        }
    )  # fmt: skip
    await handlers.scene_paused(paused, heard())
    (line,) = (await creator.get("/api/activity?subject=scene:9")).json()["items"]
    assert line["kind"] == "scene_paused"
    assert line["summary"] == (
        "Scene 9 (dawn) is paused until somebody says how it goes on: sharpness 0.03 is below 0.08"
    )


async def test_segments_that_may_need_re_checking_are_told_with_their_cause(
    handlers: Handlers, creator: httpx.AsyncClient
) -> None:
    def staled(**changes: Any) -> SegmentStaled:
        hand = {"position": 5, "segment_id": 51, "given_sha256": "a" * 64, "taken_sha256": "b" * 64}
        stale = [{"segment_id": 40 + n, "position": n, "causes": [hand]} for n in (6, 7, 8)]
        values = {"scene_id": 9, "became_stale": stale, "became_fresh": [], "stale_count": 3, "staled_at": utc_now()}
        return SegmentStaled.model_validate(values | changes)

    await handlers.segment_staled(staled(), heard())
    await handlers.segment_staled(staled(became_stale=[], became_fresh=[46, 47, 48], stale_count=0), heard())
    (line,) = (await creator.get("/api/activity?subject=scene:9")).json()["items"]
    assert line["kind"] == "segments_staled"
    assert line["summary"] == "Scene 9: segments 6-8 may need re-checking, since segment 5 ends on another frame now"


def checked(**changes: Any) -> BoundaryChecked:
    side = {"position": 1, "segment_id": 41, "clip_sha256": "a" * 64}
    reading = {
        "ssim": 0.61, "typical_ssim": 0.97, "worst_offset": 0, "worst_visibility": 2.3,
        "luminance_step": 0.05, "contrast_step": 0.0, "saturation_step": 0.0,
    }  # fmt: skip
    values = {
        "scene_id": 9, "project_id": 1, "previous": side, "next": side | {"position": 2, "segment_id": 42},
        "status": "measured", "reading": reading, "verdict": "red", "recommendation": "frame_blending",
        "reason": "a jump in appearance at the cut, 2.3 times the limit", "checked_at": utc_now(),
    }  # fmt: skip
    return BoundaryChecked.model_validate(values | changes)


async def test_boundaries_are_told_when_they_show_or_were_accepted_and_not_otherwise(
    handlers: Handlers, creator: httpx.AsyncClient
) -> None:
    await handlers.boundary_checked(checked(verdict="green", recommendation="nothing"), heard())
    await handlers.boundary_checked(checked(verdict="yellow"), heard())
    missing = {"status": "not_measurable", "not_measurable": "x", "reading": None, "verdict": None}
    await handlers.boundary_checked(checked(**missing, recommendation=None, reason=""), heard())
    assert (await creator.get("/api/activity")).json()["items"] == []
    await handlers.boundary_checked(checked(), heard())
    await handlers.boundary_checked(checked(accepted_by="ada"), heard())
    accepted, red = (await creator.get("/api/activity?subject=scene:9")).json()["items"]
    assert (red["kind"], accepted["kind"]) == ("boundary_red", "boundary_accepted")
    assert red["summary"] == (
        "Scene 9: the boundary between segments 1 and 2 shows: a jump in appearance at the cut, 2.3 times the limit; "
        "recommended: frame blending"
    )
    assert accepted["summary"] == (
        "Scene 9: the boundary between segments 1 and 2 was accepted as it is by ada (SSIM 0.61)"
    )


async def test_a_refused_repair_is_told_with_its_numbers(handlers: Handlers, creator: httpx.AsyncClient) -> None:
    reading = checked().reading
    assert reading is not None
    refused = BoundaryRepairRejected(
        repair_id=uuid4(),
        scene_id=SceneId(9),
        rejected_by="smoothing",
        reasons=("the window is not better",),
        before=reading,
        after=reading.model_copy(update={"worst_visibility": 2.5}),
        rejected_at=utc_now(),
    )
    await handlers.boundary_repair_rejected(refused, heard())
    await handlers.boundary_repair_rejected(refused.model_copy(update={"before": None, "after": None}), heard())
    bare, numbers = (await creator.get("/api/activity")).json()["items"]
    assert numbers["kind"] == "repair_rejected"
    assert numbers["summary"] == (
        "Scene 9: a repair of a boundary was refused (visibility 2.30 before, 2.50 after): the window is not better"
    )
    assert bare["summary"] == "Scene 9: a repair of a boundary was refused: the window is not better"


async def test_live_renders_go_when_they_end_and_when_they_fall_silent(
    handlers: Handlers, studio: Chassis, creator: httpx.AsyncClient
) -> None:
    def at(job: int, state: str) -> GenerationProgressed:
        return GenerationProgressed.model_validate(
            {"job_id": job, "scene_id": 9, "request_id": None, "position": 1, "segment_count": 3, "state": state,
             "fraction": 0.5, "purpose": "scene"}
        )  # fmt: skip

    for job in (1, 2):
        await handlers.generation_progressed(at(job, "running"), heard())
    await handlers.generation_progressed(at(1, "done"), heard())
    assert [one["subject"] for one in (await creator.get("/api/activity/live")).json()["items"]] == ["job:2"]
    later = Operations(store=Store(studio.database), session_seconds=60, now=lambda: utc_now() + timedelta(hours=2))
    await later.sweep()
    assert (await creator.get("/api/activity/live")).json()["items"] == []


async def test_the_feed_pages_newest_first(handlers: Handlers, creator: httpx.AsyncClient) -> None:
    for _ in range(3):
        await handlers.regression_completed(completed(), heard())
    first = (await creator.get("/api/activity?limit=2")).json()
    rest = (await creator.get("/api/activity", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    ids = [one["id"] for one in first["items"] + rest["items"]]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 3


async def test_a_revocation_is_kept_until_the_token_would_have_expired(
    handlers: Handlers, studio: Chassis, operations: Operations
) -> None:
    token = TokenRevoked(token_id=uuid4(), expires_at=utc_now() + timedelta(minutes=5))
    await handlers.token_revoked(token, heard())
    await handlers.token_revoked(token, heard())
    await operations.sweep()
    store = Store(studio.database)
    assert await store.is_revoked(token.token_id)
    later = Operations(store=store, session_seconds=60, now=lambda: utc_now() + timedelta(minutes=6))
    await later.sweep()
    assert not await store.is_revoked(token.token_id)
