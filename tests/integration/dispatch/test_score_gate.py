"""A scene that waits for the score of each segment: a real database, and a render server in memory."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from services.dispatch.domain.queue import WorkKind
from services.dispatch.domain.scenes import Hold, HoldState, PassingVerdict, Scene, SceneState, ScoreGate, Segment
from services.dispatch.domain.score_gate import retry_seed
from services.dispatch.main import build
from services.dispatch.operations.scenes import NewScene
from services.dispatch.settings import Settings
from shared.auth import Role
from shared.cause import Cause
from shared.clock import utc_now
from shared.contracts.character import CharacterDeleted
from shared.contracts.segment import ReviewDecision
from shared.contracts.workflow import Bindings
from shared.media import MediaStore
from tests.support.dispatch import (
    BINDINGS,
    CHARACTER,
    NODE_ERROR,
    PROJECT,
    SCENE_TYPE,
    WORKFLOW,
    Dispatch,
    FakeRenderServer,
    asset_updated,
    facts,
    said,
    score,
    seed_image_bytes,
    version_published,
)
from tests.support.http import TestKeys, api_client


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server() -> FakeRenderServer:
    return FakeRenderServer()


@pytest.fixture
async def dispatch(databases: Any, media: MediaStore, server: FakeRenderServer, clock: Clock) -> Dispatch:
    dispatch = Dispatch(await databases("dispatch"), media, [server], now=clock)
    await dispatch.ready()
    return dispatch


class Play:
    """One scene of two segments with a gate: what a person and scoring do to it, and how it stands."""

    def __init__(self, dispatch: Dispatch, scene: Scene, cause: Cause) -> None:
        self.dispatch, self.id, self.cause = dispatch, scene.id, cause

    async def scene(self) -> Scene:
        found = await self.dispatch.store.scene(self.id)
        assert found is not None
        return found

    async def hold(self) -> Hold | None:
        return (await self.scene()).hold

    async def held(self) -> Hold:
        hold = await self.hold()
        assert hold is not None
        return hold

    async def chain(self) -> list[Segment]:
        return await self.dispatch.store.segments_of(self.id)

    async def generated(self, segment_id: int) -> dict[str, Any]:
        events = await said(self.dispatch.database, "segment.generated")
        return next(event for event in events if event["segment_id"] == segment_id)

    async def score(self, verdict: str, *, segment: int | None = None, **changes: Any) -> None:
        """Of the segment that is waited for, unless another is named."""
        event = await self.generated(segment or (await self.held()).segment_id)
        await self.dispatch.hear(score(event, verdict=verdict, **changes))

    async def resume(self) -> None:
        await self.dispatch.queue.resume_scene(self.id, self.cause)


async def started(dispatch: Dispatch, cause: Cause, *, retries: int = 1, wait_for: str = "pass") -> Play:
    """The first segment is rendered and waits for its score."""
    gate = ScoreGate(wait_for=PassingVerdict(wait_for), retries=retries)
    scene = await dispatch.scenes.create(
        NewScene(
            name="dawn", character_id=CHARACTER, scene_type_id=SCENE_TYPE, workflow_id=WORKFLOW, segment_count=2,
            score_gate=gate,
        ),
        cause,
    )  # fmt: skip
    assert await dispatch.work() == 1, "nothing is chained on a segment that has no score"
    return Play(dispatch, scene, cause)


async def test_each_segment_is_chained_on_when_its_score_passes_and_the_last_one_completes_the_scene(
    dispatch: Dispatch, cause: Cause
) -> None:
    play = await started(dispatch, cause)
    assert (await play.held()).state is HoldState.WAITING
    await play.score("pass")
    assert await play.hold() is None
    assert await dispatch.work() == 1
    first, second = await play.chain()
    assert first.clip is not None and second.seed_image_sha256 == first.clip.last_frame_sha256
    assert (await play.scene()).state is SceneState.RENDERING, "the last segment is waited for too"
    await play.score("pass")
    assert (await play.scene()).state is SceneState.COMPLETED and await play.hold() is None


async def test_a_segment_that_fails_is_rendered_under_another_seed_from_the_same_frame_and_kept_with_its_score(
    dispatch: Dispatch, cause: Cause
) -> None:
    play = await started(dispatch, cause, retries=2)
    [first, _] = await play.chain()
    await play.score("fail")
    hold = await play.held()
    assert hold.state is HoldState.RETRYING and "sharpness 0.03" in hold.reason
    assert await dispatch.work() == 1
    [second, _] = await play.chain()
    assert second.is_retry and second.previous_segment_id == first.id and second.version == 2
    assert second.requested_parameters == {
        **first.requested_parameters,
        "seed": retry_seed(first.requested_parameters["seed"], retry=1),
    }
    assert second.seed_image_sha256 == first.seed_image_sha256 and second.render_seconds is not None
    kept = await dispatch.store.segment(first.id)
    assert kept is not None and kept.clip == first.clip and kept.gate_verdict == "fail" and not kept.is_current
    assert (await play.held()).segment_id == second.id
    await play.score("fail")
    assert await dispatch.work() == 1
    [third, _] = await play.chain()
    assert third.requested_parameters["seed"] == retry_seed(first.requested_parameters["seed"], retry=2)
    await play.score("pass")
    assert await dispatch.work() == 1
    assert (await play.chain())[1].previous_clip_sha256 == (third.clip and third.clip.sha256)


async def test_what_a_repair_proposes_is_no_version_to_the_gate(dispatch: Dispatch, cause: Cause) -> None:
    play = await started(dispatch, cause)
    await dispatch.database.pool.execute(
        """
        INSERT INTO segments (scene_id, position, regeneration_count, is_current, state, requested_parameters,
            is_candidate)
        SELECT scene_id, position, 1, false, 'cancelled', requested_parameters, true FROM segments WHERE position = 1
        """
    )
    await play.score("fail")
    assert (await play.held()).state is HoldState.RETRYING and await dispatch.work() == 1


async def test_a_retry_has_its_chains_place_in_the_queue(dispatch: Dispatch, cause: Cause) -> None:
    play = await started(dispatch, cause)
    await play.score("fail")
    [job] = await dispatch.database.fetch(
        "SELECT turn, remaining FROM generation_jobs WHERE state = 'queued' AND scene_id = $1", play.id
    )
    [before] = await dispatch.database.fetch("SELECT turn, remaining FROM generation_jobs WHERE state = 'done'")
    assert tuple(job) == tuple(before)
    [entry] = (await dispatch.queue.view(limit=10)).entries
    assert entry.kind is WorkKind.SCENE


async def test_after_the_last_retry_it_pauses_with_the_numbers_and_a_person_goes_on_with_what_there_is(
    dispatch: Dispatch, cause: Cause
) -> None:
    play = await started(dispatch, cause, retries=1)
    await play.score("fail")
    await dispatch.work()
    await play.score("fail")
    hold = await play.held()
    assert hold.state is HoldState.PAUSED and hold.until is None
    assert f"segment {hold.segment_id} at position 1, version 2" in hold.reason
    assert "sharpness 0.03" in hold.reason and "1 of 1 retries" in hold.reason
    [told] = await said(dispatch.database, "scene.paused")
    assert (told["scene_id"], told["segment_id"], told["position"]) == (play.id, hold.segment_id, 1)
    assert (told["name"], told["reason"]) == ("dawn", hold.reason)
    assert await dispatch.work() == 0
    await play.resume()
    assert await play.hold() is None and await dispatch.work() == 1


async def test_approving_what_it_is_paused_at_goes_on(dispatch: Dispatch, cause: Cause) -> None:
    play = await started(dispatch, cause, retries=0)
    await play.score("fail")
    hold = await play.held()
    await dispatch.reviews.review(hold.segment_id, ReviewDecision.REJECTED, "", cause)
    assert (await play.held()).state is HoldState.PAUSED
    assert len(await said(dispatch.database, "scene.paused")) == 1, "it is told once, whatever happens while it waits"
    await dispatch.reviews.review(hold.segment_id, ReviewDecision.APPROVED, "", cause)
    assert await play.hold() is None and await dispatch.work() == 1


async def test_a_persons_regeneration_of_what_it_is_paused_at_waits_for_a_score_again(
    dispatch: Dispatch, cause: Cause
) -> None:
    play = await started(dispatch, cause, retries=0)
    await play.score("fail")
    paused_at = (await play.held()).segment_id
    asked, _ = await dispatch.regenerations.regenerate(
        paused_at, changes={"cfg": 2.0}, overwrite=frozenset(), cause=cause
    )
    assert (await play.held()).state is HoldState.RETRYING
    assert await dispatch.work() == 1
    hold = await play.held()
    assert (hold.state, hold.segment_id) == (HoldState.WAITING, asked.id)
    await play.score("pass")
    assert await play.hold() is None and await dispatch.work() == 1


async def test_going_back_to_an_earlier_version_asks_a_person_instead_of_trying_again(
    dispatch: Dispatch, cause: Cause
) -> None:
    play = await started(dispatch, cause, retries=5)
    [first, _] = await play.chain()
    await play.score("fail")
    await dispatch.work()
    await dispatch.regenerations.revert(first.id, overwrite=frozenset(), cause=cause)
    hold = await play.held()
    assert (hold.state, hold.segment_id) == (HoldState.PAUSED, first.id)
    assert await dispatch.work() == 0


async def test_a_warning_passes_where_the_scene_waits_for_no_more(dispatch: Dispatch, cause: Cause) -> None:
    play = await started(dispatch, cause, wait_for="warn")
    await play.score("warn")
    assert await play.hold() is None


async def test_what_cannot_be_measured_pauses_with_the_reason(dispatch: Dispatch, cause: Cause) -> None:
    play = await started(dispatch, cause, retries=3)
    await play.score("fail", status="not_measurable", not_measurable="the clip has no frames", gates=[])
    hold = await play.held()
    assert hold.state is HoldState.PAUSED and "the clip has no frames" in hold.reason


async def test_without_a_score_in_time_it_pauses_and_a_late_score_that_passes_goes_on(
    dispatch: Dispatch, cause: Cause, clock: Clock
) -> None:
    play = await started(dispatch, cause)
    clock.now += timedelta(seconds=599)
    assert not await dispatch.upkeep.scores()
    clock.now += timedelta(seconds=1)
    assert await dispatch.upkeep.scores()
    hold = await play.held()
    assert hold.state is HoldState.PAUSED and "no score came within 600 s" in hold.reason
    assert not await dispatch.upkeep.scores(), "it is paused once"
    await play.score("pass")
    assert await play.hold() is None and await dispatch.work() == 1


async def test_a_score_that_fails_late_is_tried_again_like_one_in_time(
    dispatch: Dispatch, cause: Cause, clock: Clock
) -> None:
    play = await started(dispatch, cause)
    clock.now += timedelta(seconds=600)
    await dispatch.upkeep.scores()
    await play.score("fail")
    assert (await play.held()).state is HoldState.RETRYING and await dispatch.work() == 1
    assert (await play.held()).until == clock.now + timedelta(seconds=600), "the new clip gets its own time"


async def test_the_same_score_again_and_scores_of_older_versions_start_nothing(
    dispatch: Dispatch, cause: Cause
) -> None:
    play = await started(dispatch, cause, retries=3)
    [first, _] = await play.chain()
    for sequence in (1, 1, 2):
        await play.score("fail", segment=first.id, sequence=sequence)
    assert await dispatch.work() == 1, "one retry"
    await play.score("pass", segment=first.id, sequence=3)
    assert (await play.held()).state is HoldState.WAITING, "its own score is waited for"
    assert await dispatch.work() == 0


async def test_the_gates_changed_and_the_clip_scored_again_a_pause_ends_by_itself(
    dispatch: Dispatch, cause: Cause
) -> None:
    play = await started(dispatch, cause, retries=0)
    await play.score("fail", sequence=1)
    await play.score("pass", sequence=2)
    assert await play.hold() is None and await dispatch.work() == 1


async def test_a_retry_whose_render_fails_pauses_and_says_so(
    dispatch: Dispatch, server: FakeRenderServer, cause: Cause
) -> None:
    play = await started(dispatch, cause, retries=3)
    server.failures = [NODE_ERROR]
    await play.score("fail")
    await dispatch.work()
    hold = await play.held()
    assert hold.state is HoldState.PAUSED and "ValueError: no" in hold.reason
    assert (await play.scene()).state is SceneState.RENDERING, "what is there is not lost"


async def test_a_restarted_service_goes_on_where_the_scene_stood(
    dispatch: Dispatch, server: FakeRenderServer, cause: Cause
) -> None:
    play = await started(dispatch, cause)
    event = score(await play.generated((await play.held()).segment_id))
    again = Dispatch(dispatch.database, dispatch.media, [server])
    await again.fleet.check()
    await again.hear(event)
    assert await play.hold() is None and await again.work() == 1


async def test_a_scene_that_is_cancelled_while_it_waits_hears_no_score(dispatch: Dispatch, cause: Cause) -> None:
    play = await started(dispatch, cause)
    waited_for = (await play.held()).segment_id
    await dispatch.scenes.cancel(play.id, cause)
    assert await play.hold() is None
    await play.score("pass", segment=waited_for)
    assert await dispatch.work() == 0 and (await play.scene()).state is SceneState.CANCELLED


async def test_a_cancelled_scene_that_is_resumed_waits_where_it_waited(dispatch: Dispatch, cause: Cause) -> None:
    play = await started(dispatch, cause)
    waited_for = (await play.held()).segment_id
    await dispatch.scenes.cancel(play.id, cause)
    await play.resume()
    hold = await play.held()
    assert (hold.state, hold.segment_id) == (HoldState.WAITING, waited_for) and await dispatch.work() == 0
    await dispatch.scenes.cancel(play.id, cause)
    await play.score("pass", segment=waited_for)
    await play.resume()
    assert await dispatch.work() == 1, "the score that came meanwhile is known"
    await play.score("pass")
    assert (await play.scene()).state is SceneState.COMPLETED


async def test_a_retry_is_cancelled_with_its_scene(dispatch: Dispatch, server: FakeRenderServer, cause: Cause) -> None:
    play = await started(dispatch, cause)
    await play.score("fail")
    await dispatch.scenes.cancel(play.id, cause)
    assert await dispatch.work() == 0 and len(server.submitted) == 1


async def test_a_score_for_a_deleted_scene_is_nothing(dispatch: Dispatch, cause: Cause, clock: Clock) -> None:
    play = await started(dispatch, cause)
    event = score(await play.generated((await play.held()).segment_id))
    await dispatch.hear(CharacterDeleted(character_id=CHARACTER, project_id=PROJECT))
    await dispatch.hear(event)
    clock.now += timedelta(seconds=600)
    assert not await dispatch.upkeep.scores()
    assert await dispatch.store.scene(play.id) is None


async def test_a_scene_paused_by_a_person_stays_paused_when_the_score_passes(dispatch: Dispatch, cause: Cause) -> None:
    play = await started(dispatch, cause)
    await dispatch.queue.pause_scene(play.id, cause)
    await play.score("pass")
    assert await dispatch.work() == 0
    await play.resume()
    assert await dispatch.work() == 1


async def test_resuming_a_scene_that_waits_for_a_score_skips_nothing(dispatch: Dispatch, cause: Cause) -> None:
    play = await started(dispatch, cause)
    await play.resume()
    assert (await play.held()).state is HoldState.WAITING and await dispatch.work() == 0


async def test_a_workflow_that_binds_no_seed_is_not_rendered_again(
    databases: Any, media: MediaStore, server: FakeRenderServer, cause: Cause
) -> None:
    dispatch = Dispatch(await databases("dispatch"), media, [server])
    sha256 = await media.put_bytes(seed_image_bytes())
    seedless = Bindings.model_validate(BINDINGS.model_dump() | {"seed": None})
    known = facts(sha256)[:3]
    await dispatch.learn(*known, version_published(bindings=seedless), asset_updated())
    await dispatch.fleet.check()
    play = await started(dispatch, cause, retries=3)
    await play.score("fail")
    hold = await play.held()
    assert hold.state is HoldState.PAUSED and "binds no seed" in hold.reason


async def test_a_promoted_shot_passes_or_waits_with_the_score_it_brings(dispatch: Dispatch, cause: Cause) -> None:
    play = await started(dispatch, cause, retries=0)
    scores = {"sharp": "pass", "soft": "fail"}
    for name, verdict in scores.items():
        shot = await dispatch.shots.create(
            NewScene(
                name=name, character_id=CHARACTER, scene_type_id=SCENE_TYPE, workflow_id=WORKFLOW, segment_count=1
            ),
            cause,
        )
        await dispatch.work()
        [rendered] = await dispatch.store.segments_of(shot.render_scene_id)
        await play.score(verdict, segment=rendered.id)
        await dispatch.shots.promote(shot.id, play.id, cause, override=True)
        hold = await play.hold()
        if verdict == "pass":
            assert hold is None and await dispatch.work() == 1
        else:
            assert hold is not None and hold.state is HoldState.PAUSED and hold.position == 1


@pytest.fixture
async def client(settings_of: Any, keys: TestKeys) -> AsyncIterator[httpx.AsyncClient]:
    server = FakeRenderServer()
    chassis = build(Settings(**settings_of("dispatch"), fact_patience_seconds=0), servers=[server])
    await chassis.database.open()
    dispatch = Dispatch(chassis.database, chassis.media, [server])
    await dispatch.ready()
    async with api_client(chassis.app, token=keys.token(Role.CREATOR, name="grace")) as found:
        yield found
    await chassis.database.close()


async def test_the_gate_is_asked_for_when_a_scene_is_made_and_is_off_otherwise(client: httpx.AsyncClient) -> None:
    body = {"name": "dawn", "character_id": CHARACTER, "scene_type_id": SCENE_TYPE, "workflow_id": WORKFLOW}
    plain = (await client.post("/api/scenes", json=body)).json()
    assert plain["score_gate"] is None and plain["hold"] is None
    gated = (await client.post("/api/scenes", json=body | {"score_gate": {"wait_for": "warn", "retries": 10}})).json()
    assert gated["score_gate"] == {"wait_for": "warn", "retries": 10}
    for wrong in ({"retries": 11}, {"retries": -1}, {"wait_for": "fail"}, {"wait_for": "pass", "more": 1}):
        assert (await client.post("/api/scenes", json=body | {"score_gate": wrong})).status_code == 422
