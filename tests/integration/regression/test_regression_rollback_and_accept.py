"""After the verdict: rollback with its proof, acceptance, and things that are deleted meanwhile."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from services.regression.domain.errors import RunNotAllowed
from services.regression.domain.lifecycle import Outcome, ReferenceStatus, RollbackState, RunStatus, Trigger
from services.regression.store.rows import RunRow
from shared.cause import Cause
from shared.contracts.asset import UpdateCause
from shared.contracts.base import Event
from shared.contracts.character import CharacterDeleted
from shared.contracts.project import ProjectDeleted
from shared.contracts.scene import SceneDeleted
from shared.contracts.scene_type import SceneTypeDeleted
from shared.contracts.types import Purpose
from shared.postgres import Database
from tests.support.judging import GOOD
from tests.support.regression import (
    CHARACTER,
    LORA,
    PROJECT,
    SCENE_TYPE,
    Renderer,
    World,
    drifting,
    rejection,
    scene_configured,
    scene_segment,
    uses,
)

MARIA = Cause.begin("maria")


@pytest.fixture
async def world(databases: Callable[[str], Awaitable[Database]]) -> AsyncIterator[World]:
    world = World(await databases("regression"))
    await world.facts()
    await world.activate(LORA, 1)
    yield world


async def degraded_run(world: World, *, references: int = 1) -> RunRow:
    for scene_id in range(101, 101 + references):
        await world.reference(scene_id)
    await world.release(LORA, 2)
    await Renderer(world, values=drifting(2)).answer_all()
    run: RunRow = (await world.runs())[-1]
    assert run.outcome is Outcome.DEGRADED
    return run


async def test_a_rollback_is_asked_for_done_and_proven_by_new_renders(world: World) -> None:
    run = await degraded_run(world, references=2)
    await world.operations.rollbacks.request(run.id, MARIA, force=False)
    [asked] = await world.said("asset.rollback_requested")
    assert (asked.from_version_id, asked.to_version_id, asked.run_id) == (LORA * 100 + 2, LORA * 100 + 1, run.id)
    assert (await world.report(run.id))["run"]["rollback"]["state"] == "requested"

    await world.activate(LORA, 1, cause=UpdateCause.ROLLBACK, run_id=run.id)
    renderer = Renderer(world, values=drifting(2))
    requests = await renderer.take()
    assert {request.purpose for request in requests} == {Purpose.ROLLBACK_PROOF}
    assert len(requests) == 2 and all(uses(1)(request) for request in requests)
    rollback = (await world.report(run.id))["run"]["rollback"]
    proof = (await world.runs())[-1]
    assert (rollback["state"], rollback["proof_run_id"]) == ("done", proof.id)

    await renderer.answer(*requests)
    proof = (await world.runs())[-1]
    assert (proof.trigger_type, proof.proof_of_run_id, proof.outcome) == (
        Trigger.ROLLBACK_PROOF,
        run.id,
        Outcome.PASSED,
    )
    report = await world.report(run.id)
    assert report["run"]["rollback"]["state"] == "proven"
    old = {segment["prompt_id"] for found in report["references"] for segment in found["segments"]}
    new = {
        segment["prompt_id"] for found in (await world.report(proof.id))["references"] for segment in found["segments"]
    }
    assert not old & new and None not in new


async def test_a_rollback_that_does_not_bring_the_picture_back_is_not_proven(world: World) -> None:
    run = await degraded_run(world)
    await world.operations.rollbacks.request(run.id, MARIA, force=False)
    await world.activate(LORA, 1, cause=UpdateCause.ROLLBACK, run_id=run.id)
    await Renderer(world, values=lambda request, position: dict(GOOD) | {"identity_similarity": 0.5}).answer_all()
    rollback = (await world.report(run.id))["run"]["rollback"]
    assert rollback["state"] == "not_proven" and "identity_similarity" in rollback["reason"]


async def test_only_what_was_degraded_is_rendered_to_prove_a_rollback(world: World) -> None:
    await world.reference(101)
    await world.reference(102)
    await world.release(LORA, 2)
    renderer = Renderer(world)
    first, second = await renderer.take()
    await renderer.answer(first)
    renderer.values = drifting(2)
    await renderer.answer(second)
    run = (await world.runs())[-1]
    await world.operations.rollbacks.request(run.id, MARIA, force=False)
    await world.activate(LORA, 1, cause=UpdateCause.ROLLBACK, run_id=run.id)
    assert [request.source_scene_id for request in await renderer.take()] == [second.source_scene_id]


async def test_a_rejected_rollback_says_why_and_may_be_asked_for_again(world: World) -> None:
    run = await degraded_run(world)
    await world.operations.rollbacks.request(run.id, MARIA, force=False)
    with pytest.raises(RunNotAllowed, match="requested already"):
        await world.operations.rollbacks.request(run.id, MARIA, force=False)
    await world.hear(rejection(run.id, "version 3 is active", active=LORA * 100 + 3))
    rollback = (await world.report(run.id))["run"]["rollback"]
    assert (rollback["state"], rollback["reason"]) == ("rejected", "version 3 is active")
    await world.operations.rollbacks.request(run.id, MARIA, force=False)


async def test_a_rollback_that_is_never_answered_ends(world: World) -> None:
    run = await degraded_run(world)
    await world.operations.rollbacks.request(run.id, MARIA, force=False)
    world.later(minutes=10)
    assert await world.operations.deadlines.end_one()
    assert not await world.operations.deadlines.end_one()
    assert (await world.runs())[-1].rollback_state is RollbackState.REJECTED


async def test_an_answer_after_the_deadline_still_counts(world: World) -> None:
    run = await degraded_run(world)
    await world.operations.rollbacks.request(run.id, MARIA, force=False)
    world.later(minutes=10)
    await world.operations.deadlines.end_one()
    await world.activate(LORA, 1, cause=UpdateCause.ROLLBACK, run_id=run.id)
    assert (await world.report(run.id))["run"]["rollback"]["state"] == "done"


async def test_a_rollback_said_twice_is_proven_once(world: World) -> None:
    run = await degraded_run(world)
    await world.operations.rollbacks.request(run.id, MARIA, force=False)
    done = world.activation(LORA, 1, cause=UpdateCause.ROLLBACK, run_id=run.id)
    await world.hear(done)
    await world.hear(done)
    assert [one.proof_of_run_id for one in await world.runs()].count(run.id) == 1
    assert len(await Renderer(world).take()) == 1


async def test_a_rollback_that_nobody_asked_for_here_starts_nothing(world: World) -> None:
    await degraded_run(world)
    before = len(await world.runs())
    await world.activate(LORA, 1, cause=UpdateCause.ROLLBACK)
    assert len(await world.runs()) == before
    assert await Renderer(world).take() == []


async def test_a_rollback_without_references_left_is_not_proven(world: World) -> None:
    run = await degraded_run(world)
    await world.operations.rollbacks.request(run.id, MARIA, force=False)
    await world.hear(SceneDeleted(scene_id=101))
    await world.activate(LORA, 1, cause=UpdateCause.ROLLBACK, run_id=run.id)
    rollback = (await world.report(run.id))["run"]["rollback"]
    assert (rollback["state"], rollback["reason"]) == (
        "not_proven",
        "no reference is left to prove the rollback with",
    )


async def test_a_passed_update_becomes_the_new_baseline_and_the_old_one_is_kept(world: World) -> None:
    reference_id = await world.reference(101)
    await world.release(LORA, 2)
    renderer = Renderer(world)
    await renderer.answer_all()
    run = (await world.runs())[-1]
    [rendered] = renderer.asked
    assert await world.operations.runs.accept(run.id, MARIA, override=False) == [reference_id]

    second, third = await renderer.take()
    clips = [renderer.generated(rendered, order).clip.sha256 for order in rendered.segments]
    for request in (second, third):
        assert request.purpose is Purpose.BASELINE and uses(2)(request)
        assert [order.baseline_clip_sha256 for order in request.segments] == clips
    old, new = await world.store.baselines_of(reference_id)
    assert (old.status, new.status) == (ReferenceStatus.READY, ReferenceStatus.CAPTURING)

    await renderer.answer(second, third)
    old, new = await world.store.baselines_of(reference_id)
    [reference] = await world.store.references([reference_id])
    assert (reference.baseline_id, new.version, new.accepted_from_run_id) == (new.id, 2, run.id)
    assert list(new.clips.values()) == clips
    assert [asset["version_id"] for asset in reference.assets] == [3101, LORA * 100 + 2]

    await world.release(LORA, 3)
    await renderer.answer_all()
    assert [order.baseline_clip_sha256 for order in renderer.asked[-1].segments] == clips
    assert (await world.runs())[-1].outcome is Outcome.PASSED


async def test_an_update_during_a_recapture_is_judged_by_the_baseline_that_holds(world: World) -> None:
    reference_id = await world.reference(101)
    await world.release(LORA, 2)
    renderer = Renderer(world)
    await renderer.answer_all()
    await world.operations.runs.accept((await world.runs())[-1].id, MARIA, override=False)
    recapture = await renderer.take()
    await world.release(LORA, 3)
    [run] = await renderer.take()
    [old, _] = await world.store.baselines_of(reference_id)
    assert [order.baseline_clip_sha256 for order in run.segments] == list(old.clips.values())
    await renderer.answer(*recapture, run)
    assert (await world.runs())[-1].outcome is Outcome.PASSED


async def test_a_recapture_that_fails_leaves_the_old_baseline_in_place(world: World) -> None:
    reference_id = await world.reference(101)
    await world.release(LORA, 2)
    renderer = Renderer(world)
    await renderer.answer_all()
    await world.operations.runs.accept((await world.runs())[-1].id, MARIA, override=False)
    renderer.fail_at = 1
    await renderer.answer_all()
    [reference] = await world.store.references([reference_id])
    old, new = await world.store.baselines_of(reference_id)
    assert (reference.status, reference.baseline_id) == (ReferenceStatus.READY, old.id)
    assert new.status is ReferenceStatus.FAILED and "the one before stays" in (reference.failure or "")


async def test_a_degraded_run_is_accepted_only_on_purpose_and_only_once(world: World) -> None:
    run = await degraded_run(world)
    with pytest.raises(RunNotAllowed, match="override"):
        await world.operations.runs.accept(run.id, MARIA, override=False)
    await world.operations.runs.accept(run.id, MARIA, override=True)
    with pytest.raises(RunNotAllowed, match="accepted already"):
        await world.operations.runs.accept(run.id, MARIA, override=True)


async def test_a_run_judged_by_a_baseline_that_was_replaced_since_cannot_be_accepted(world: World) -> None:
    await world.reference(101)
    renderer = Renderer(world)
    for version in (2, 3):
        await world.release(LORA, version)
        await renderer.answer_all()
    older, newer = (await world.runs())[-2:]
    await world.operations.runs.accept(newer.id, MARIA, override=False)
    await renderer.answer_all()
    with pytest.raises(RunNotAllowed, match="still has the baseline it had"):
        await world.operations.runs.accept(older.id, MARIA, override=False)


async def test_a_run_without_references_has_nothing_to_accept(world: World) -> None:
    await world.release(LORA, 2)
    with pytest.raises(RunNotAllowed, match="no finished render"):
        await world.operations.runs.accept((await world.runs())[-1].id, MARIA, override=False)


DELETIONS: list[Event] = [
    ProjectDeleted(project_id=PROJECT),
    CharacterDeleted(character_id=CHARACTER, project_id=PROJECT),
    SceneTypeDeleted(scene_type_id=SCENE_TYPE, project_id=PROJECT),
    SceneDeleted(scene_id=101),
]


@pytest.mark.parametrize("deletion", DELETIONS, ids=lambda event: type(event).__name__)
async def test_what_is_deleted_during_a_run_ends_it_and_it_says_so(world: World, deletion: Event) -> None:
    await world.reference(101)
    await world.release(LORA, 2)
    renderer = Renderer(world)
    [request] = await renderer.take()
    await world.hear(deletion)
    await world.hear(deletion)
    run = (await world.runs())[-1]
    assert (run.status, run.outcome) == (RunStatus.COMPLETED, Outcome.INCONCLUSIVE)
    assert "1 reference deleted during the run" in run.reason
    assert [one.request_id for one in await world.said("generation.cancel_requested")] == [request.request_id]
    await renderer.answer(request)
    report = await world.report(run.id)
    assert report["references"] == [] and report["run"]["gone"][0]["reason"].endswith("was deleted")
    assert await world.database.fetchval("SELECT count(*) FROM regression_references") == 0


@pytest.mark.parametrize("deletion", DELETIONS, ids=lambda event: type(event).__name__)
async def test_a_scene_that_comes_after_its_deletion_stays_deleted(world: World, deletion: Event) -> None:
    await world.hear(deletion)
    scene = scene_configured(101)
    await world.hear(scene)
    await world.hear(scene_segment(scene, 1))
    assert await world.database.fetchval("SELECT count(*) FROM scenes") == 0


async def test_a_scene_that_is_made_with_something_else_is_pinned_as_it_is_made_now(world: World) -> None:
    planned = scene_configured(101)
    first = planned.segments[0]
    other = first.model_copy(update={"parameters": first.parameters.model_copy(update={"cfg": 3.5})})
    changed = planned.model_copy(
        update={"segments": (other, *planned.segments[1:]), "seed_image_sha256": "b" * 64, "sequence": 4}
    )
    await world.scene(101)
    await world.hear(changed)
    await world.hear(planned.model_copy(update={"sequence": 3}))
    await world.designate(101)
    [request] = await Renderer(world).take()
    assert [order.parameters.cfg for order in request.segments] == [3.5, None, None]
    assert request.seed_image_sha256 == "b" * 64


async def test_a_run_goes_on_with_the_references_that_are_left(world: World) -> None:
    await world.reference(101)
    kept = await world.reference(102)
    await world.release(LORA, 2)
    renderer = Renderer(world, values=drifting(2))
    requests = await renderer.take()
    await world.hear(SceneDeleted(scene_id=101))
    await renderer.answer(*requests)
    report = await world.report((await world.runs())[-1].id)
    assert report["run"]["outcome"] == "degraded"
    assert [found["reference_id"] for found in report["references"]] == [kept]


async def test_a_deleted_reference_takes_its_capture_along(world: World) -> None:
    await world.scene(101)
    reference_id = await world.designate(101)
    renderer = Renderer(world)
    [request] = await renderer.take()
    await world.operations.references.delete(reference_id, MARIA)
    assert [one.request_id for one in await world.said("generation.cancel_requested")] == [request.request_id]
    await renderer.answer(request)
    assert await renderer.take() == []
    assert await world.designate(101) != reference_id
