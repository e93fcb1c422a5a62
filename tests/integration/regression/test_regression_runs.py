"""Whole flows of the regression service on a real database, with answers in any order and any number of times."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from services.regression.domain.lifecycle import Outcome, ReferenceStatus, RunStatus
from shared.cause import Cause
from shared.contracts.regression import RegressionCompleted
from shared.contracts.types import Purpose, RenderFailure, Tier
from shared.errors import NotYetKnown
from shared.postgres import Database
from tests.support.judging import GOOD
from tests.support.regression import LORA, WORKFLOW, Renderer, World, drifting, sha


@pytest.fixture
async def world(databases: Callable[[str], Awaitable[Database]]) -> AsyncIterator[World]:
    world = World(await databases("regression"))
    await world.facts()
    await world.activate(LORA, 1)
    yield world


async def test_a_baseline_is_three_draft_renders_the_later_two_compared_with_the_first(world: World) -> None:
    await world.scene(101)
    reference_id = await world.designate(101)
    renderer = Renderer(world)
    [first] = await renderer.take()
    assert (first.purpose, first.tier) == (Purpose.BASELINE, Tier.DRAFT)
    assert [order.parameters.seed for order in first.segments] == [2**64 - 1, 2**64 - 2, 2**64 - 3]
    assert {order.baseline_clip_sha256 for order in first.segments} == {None}

    await renderer.answer(first)
    second, third = await renderer.take()
    clips = [renderer.generated(first, order).clip.sha256 for order in first.segments]
    assert [order.baseline_clip_sha256 for order in second.segments] == clips
    assert [order.baseline_clip_sha256 for order in third.segments] == clips

    await renderer.answer(second, third)
    [reference] = await world.store.references([reference_id])
    assert reference.status is ReferenceStatus.READY
    assert await renderer.take() == []
    [row] = await world.database.fetch("SELECT baseline_scores FROM regression_references")
    assert row["baseline_scores"]["3"]["identity_similarity"]["values"] == [0.93, 0.93, 0.93]
    assert row["baseline_scores"]["3"]["ssim_to_baseline"]["values"] == [1.0, 1.0]


async def test_a_release_runs_every_reference_with_only_that_version_changed(world: World) -> None:
    await world.reference(101)
    await world.reference(102)
    renderer = Renderer(world)
    await world.release(LORA, 2)
    requests = await renderer.take()
    assert len(requests) == 2
    for request in requests:
        assert (request.purpose, request.tier) == (Purpose.REGRESSION, Tier.DRAFT)
        assert [asset.version_id for asset in request.assets] == [WORKFLOW * 100 + 1, LORA * 100 + 2]
        assert all(order.baseline_clip_sha256 is not None for order in request.segments)


async def test_a_release_that_drifts_the_face_is_degraded_and_the_report_says_where(world: World) -> None:
    reference_id = await world.reference(101, name="Ada, close")
    await world.release(LORA, 2)
    renderer = Renderer(world, values=drifting(2))
    await renderer.answer_all()

    [run] = [run for run in await world.runs() if run.references_total]
    assert (run.status, run.outcome) == (RunStatus.COMPLETED, Outcome.DEGRADED)
    expected = "degraded: identity_similarity of segment 3 fell from 0.93 to 0.71 (limit 0.05), worst at frame 17"
    assert run.reason == f"{expected}, in 'Ada, close'"
    report = await world.report(run.id)
    assert report["run"]["asset"]["version"] == 2 and report["run"]["asset"]["previous_version"] == 1
    assert report["summary"]["degraded"] == 1
    [found] = report["references"]
    assert (found["reference_id"], found["verdict"], found["vetoed"]) == (reference_id, "degraded", True)
    assert (found["worst"]["metric"], found["worst"]["position"], found["worst"]["frame"]) == (
        "identity_similarity",
        3,
        17,
    )
    third = found["segments"][2]
    assert third["baseline_clip_sha256"] != third["new_clip_sha256"]
    assert third["prompt_id"] is not None and third["baseline_prompt_id"] is not None
    metrics = {metric["metric"]: metric for metric in third["metrics"]}
    assert metrics["sharpness"]["verdict"] == "improved"
    assert metrics["identity_similarity"]["limit"] == pytest.approx(0.05)
    assert report["identity_backend"]["notice"] == "no face weights"
    assert report["stage_seconds"]["render"] == pytest.approx(6.0)


@pytest.mark.parametrize("seed", range(4))
async def test_order_and_repetition_of_answers_do_not_matter(world: World, seed: int) -> None:
    await world.reference(101, renderer=Renderer(world, seed=seed, doubled=True))
    await world.reference(102, renderer=Renderer(world, seed=seed + 100, doubled=True))
    await world.release(LORA, 2)
    await Renderer(world, values=drifting(2), seed=seed, doubled=True).answer_all()
    [completed] = await completions(world)
    run = (await world.runs())[-1]
    assert (run.outcome, completed.degraded) == (Outcome.DEGRADED, 2)
    assert await world.database.fetchval("SELECT count(*) FROM regression_results") == 2


async def completions(world: World) -> list[RegressionCompleted]:
    """Of runs that had references."""
    said: list[RegressionCompleted] = await world.said("regression.completed")
    return [one for one in said if one.improved + one.same + one.degraded + one.not_comparable]


async def test_an_unchanged_asset_rendered_again_is_the_same_for_every_reference(world: World) -> None:
    ids = [await world.reference(101), await world.reference(102)]
    run_id = await world.operations.runs.manual(Cause.begin("maria"), reference_ids=ids)
    renderer = Renderer(world)
    requests = await renderer.take()
    assert len(requests) == 2, "unchanged references are really rendered"
    await renderer.answer(*requests)
    report = await world.report(run_id)
    assert report["run"]["outcome"] == "passed"
    assert [found["verdict"] for found in report["references"]] == ["same", "same"]


async def test_a_release_that_no_reference_uses_passes_and_says_so(world: World) -> None:
    await world.release(LORA, 2)
    run = (await world.runs())[-1]
    assert (run.status, run.outcome, run.reason) == (
        RunStatus.COMPLETED,
        Outcome.PASSED,
        "no reference uses this asset",
    )


async def test_the_same_activation_twice_is_one_run(world: World) -> None:
    await world.reference(101)
    await world.publish(LORA, 2)
    activation = world.activation(LORA, 2)
    await world.hear(activation)
    await world.hear(activation)
    assert len([run for run in await world.runs() if run.trigger_version_id == LORA * 100 + 2]) == 1
    assert len(await Renderer(world).take()) == 1


async def test_an_activation_waits_for_the_version_it_speaks_of(world: World) -> None:
    await world.reference(101)
    activation = world.activation(LORA, 2)
    with pytest.raises(NotYetKnown, match=f"asset_version:{LORA * 100 + 2}"):
        await world.hear(activation)
    assert await Renderer(world).take() == []
    await world.publish(LORA, 2)
    await world.hear(activation)
    assert len(await Renderer(world).take()) == 1


async def test_a_render_that_fails_is_a_degraded_result_with_its_failure(world: World) -> None:
    await world.reference(101)
    await world.release(LORA, 2)
    await Renderer(world, fail_at=2).answer_all()
    run = (await world.runs())[-1]
    [found] = (await world.report(run.id))["references"]
    assert (run.outcome, found["verdict"]) == (Outcome.DEGRADED, "degraded")
    assert found["failure"]["message"] == "shapes do not match"
    assert found["segments"][1]["failure"]["kind"] == "node_error"
    assert found["segments"][0]["new_clip_sha256"] is not None
    assert "segment 2 failed: shapes do not match" in run.reason


async def test_a_failure_that_comes_after_the_whole_render_changes_nothing(world: World) -> None:
    await world.reference(101)
    await world.reference(102)
    await world.release(LORA, 2)
    renderer = Renderer(world)
    first, second = await renderer.take()
    await renderer.answer(first)
    await world.hear(renderer.failed(first, 3))
    await renderer.answer(second)
    report = await world.report((await world.runs())[-1].id)
    assert [(found["state"], found["verdict"]) for found in report["references"]] == [("complete", "same")] * 2


async def test_answers_at_the_same_time_end_a_run_once(world: World) -> None:
    for scene_id in (101, 102, 103):
        await world.reference(scene_id)
    await world.release(LORA, 2)
    renderer = Renderer(world, values=drifting(2))
    events = [event for request in await renderer.take() for event in renderer.events(request)]
    await asyncio.gather(*(world.hear(event) for event in events * 2))
    [completed] = await completions(world)
    assert completed.degraded == 3
    assert await world.database.fetchval("SELECT count(*) FROM regression_results") == 3


async def test_a_render_that_somebody_stopped_is_not_held_against_the_update(world: World) -> None:
    await world.reference(101)
    await world.release(LORA, 2)
    stopped = RenderFailure(kind="cancelled", message="the job was cancelled", permanent=True)
    await Renderer(world, fail_at=2, failure=stopped).answer_all()
    run = (await world.runs())[-1]
    assert run.outcome is Outcome.INCONCLUSIVE and "the render was cancelled" in run.reason


async def test_a_changed_environment_is_not_comparable(world: World) -> None:
    await world.reference(101)
    await world.release(LORA, 2)
    renderer = Renderer(world, values=drifting(2))
    renderer.environment = renderer.environment.model_copy(update={"torch": "2.8"})
    await renderer.answer_all()
    run = (await world.runs())[-1]
    assert (run.status, run.outcome) == (RunStatus.COMPLETED, Outcome.INCONCLUSIVE)
    assert "the environment changed: torch" in run.reason


async def test_a_run_waits_for_a_baseline_that_is_being_captured(world: World) -> None:
    await world.scene(101)
    await world.designate(101)
    renderer = Renderer(world)
    [first] = await renderer.take()
    await world.release(LORA, 2)
    assert await renderer.take() == []
    assert (await world.runs())[-1].status is RunStatus.PENDING
    await renderer.answer(first)
    await renderer.answer_all()
    run = (await world.runs())[-1]
    assert (run.status, run.outcome) == (RunStatus.COMPLETED, Outcome.PASSED)
    assert renderer.asked[-1].purpose is Purpose.REGRESSION


async def test_a_run_that_waits_for_a_baseline_that_fails_ends_and_says_so(world: World) -> None:
    await world.scene(101)
    reference_id = await world.designate(101)
    renderer = Renderer(world, fail_at=1)
    asked = await renderer.take()
    await world.release(LORA, 2)
    await renderer.answer(*asked)
    run = (await world.runs())[-1]
    assert run.outcome is Outcome.INCONCLUSIVE
    assert "the reference has no baseline: segment 1 could not be rendered" in run.reason
    [reference] = await world.store.references([reference_id])
    assert reference.status is ReferenceStatus.FAILED and "shapes do not match" in (reference.failure or "")


async def test_a_newer_release_lets_both_runs_finish_and_the_older_report_says_superseded(world: World) -> None:
    await world.reference(101)
    renderer = Renderer(world, values=drifting(2))
    await world.release(LORA, 2)
    older = await renderer.take()
    await world.release(LORA, 3)
    newer = await renderer.take()
    await renderer.answer(*newer)
    await renderer.answer(*older)
    first, second = (await world.runs())[-2:]
    assert (first.outcome, second.outcome) == (Outcome.DEGRADED, Outcome.PASSED)
    assert first.superseded_by == second.id and second.superseded_at is None
    assert (await world.report(first.id))["run"]["superseded"]
    said = {one.run_id: one.superseded for one in await completions(world)}
    assert said == {first.id: True, second.id: False}


async def test_progress_is_said_once_per_change(world: World) -> None:
    await world.reference(101)
    await world.release(LORA, 2)
    await Renderer(world, doubled=True).answer_all()
    progress = await world.said("regression.progressed")
    assert [(one.segments_done, one.segments_total) for one in progress] == [(0, 3), (1, 3), (2, 3)]


async def test_a_cancelled_run_ends_and_stops_its_renders(world: World) -> None:
    await world.reference(101)
    await world.reference(102)
    await world.release(LORA, 2)
    renderer = Renderer(world)
    first, second = await renderer.take()
    await renderer.answer(first)
    run = (await world.runs())[-1]
    await world.operations.runs.cancel(run.id, Cause.begin("maria"))
    [stopped] = await world.said("generation.cancel_requested")
    assert stopped.request_id == second.request_id
    await renderer.answer(second)
    run = (await world.runs())[-1]
    assert (run.status, run.outcome, run.reason) == (RunStatus.CANCELLED, Outcome.CANCELLED, "cancelled by maria")
    assert [found["verdict"] for found in (await world.report(run.id))["references"]] == ["same", None]


async def test_a_run_whose_answers_never_come_times_out(world: World) -> None:
    await world.reference(101)
    await world.release(LORA, 2)
    assert not await world.operations.deadlines.end_one()
    world.later(hours=1)
    assert await world.operations.deadlines.end_one()
    assert not await world.operations.deadlines.end_one()
    run = (await world.runs())[-1]
    assert (run.status, run.outcome) == (RunStatus.FAILED, Outcome.FAILED)
    assert run.reason == "timed out: 1 reference never answered"
    assert len(await world.said("generation.cancel_requested")) == 1


async def test_a_capture_whose_answers_never_come_fails(world: World) -> None:
    await world.scene(101)
    reference_id = await world.designate(101)
    world.later(hours=1)
    assert await world.operations.deadlines.end_one()
    [reference] = await world.store.references([reference_id])
    assert reference.status is ReferenceStatus.FAILED and "timed out" in (reference.failure or "")


async def test_project_and_reference_thresholds_decide_the_verdict(world: World) -> None:
    await world.reference(101, thresholds={"metrics": {"identity_similarity": {"threshold": 0.5}}})
    await world.reference(102)
    await world.release(LORA, 2)
    await Renderer(world, values=drifting(2, by=-0.22)).answer_all()
    report = await world.report((await world.runs())[-1].id)
    assert [found["verdict"] for found in report["references"]] == ["improved", "degraded"]


@pytest.mark.parametrize(("suite", "backend"), [("2", "look"), ("1", "faces")])
async def test_a_newer_metric_suite_or_another_back_end_has_the_baseline_measured_again_before_judging(
    world: World, suite: str, backend: str
) -> None:
    captured = Renderer(world)
    await world.reference(101, renderer=captured)
    await world.release(LORA, 2)
    renderer = Renderer(world, suite=suite, backend=backend)
    await renderer.answer_all()
    wanted = await world.said("scoring.requested")
    run = (await world.runs())[-1]
    assert run.status is RunStatus.RUNNING
    clips = {captured.generated(captured.asked[0], order).clip.sha256 for order in captured.asked[0].segments}
    assert {one.clip_sha256 for one in wanted} == clips
    for request in captured.asked:
        for order in request.segments:
            await world.hear(renderer.scored(request, order))
    run = (await world.runs())[-1]
    assert run.outcome is Outcome.PASSED
    [row] = await world.database.fetch("SELECT metric_suite_version, identity_backend FROM regression_baselines")
    assert (row["metric_suite_version"], row["identity_backend"]["name"]) == (suite, backend)


async def test_a_baseline_that_is_not_measured_again_in_time_is_not_comparable(world: World) -> None:
    await world.reference(101)
    await world.release(LORA, 2)
    await Renderer(world, suite="2").answer_all()
    world.later(minutes=10)
    assert await world.operations.deadlines.end_one()
    run = (await world.runs())[-1]
    assert run.outcome is Outcome.INCONCLUSIVE and "metric suite 1" in run.reason
    assert not await world.operations.deadlines.end_one()


async def test_a_measure_against_another_clip_than_the_baseline_changes_nothing(world: World) -> None:
    await world.reference(101)
    await world.release(LORA, 2)
    renderer = Renderer(world)
    [request] = await renderer.take()
    order = request.segments[0]
    await world.hear(renderer.generated(request, order))
    await world.hear(renderer.scored(request, order))
    strange = renderer.scored(request, order).model_copy(update={"baseline_clip_sha256": sha("other")})
    await world.hear(strange)
    rows = (await world.store.segments_of([request.request_id]))[request.request_id]
    assert rows[0].scored is not None
    assert rows[0].scored["baseline_clip_sha256"] == order.baseline_clip_sha256


async def test_noise_of_the_engine_widens_the_limits(world: World) -> None:
    readings = iter([0.90, 0.94, 0.92])

    def noisy(request: Any, position: int) -> dict[str, float]:
        return dict(GOOD) | {"identity_similarity": next(readings)}

    await world.reference(101, segments=1, renderer=Renderer(world, values=noisy))
    await world.release(LORA, 2)
    await Renderer(world, values=drifting(2, at=1, by=-0.13)).answer_all()
    [found] = (await world.report((await world.runs())[-1].id))["references"]
    metrics = {metric["metric"]: metric for metric in found["segments"][0]["metrics"]}
    assert metrics["identity_similarity"]["verdict"] == "same"
    assert metrics["identity_similarity"]["limit"] == pytest.approx(0.02 * 11.4602, abs=1e-3)
    assert "the noise decides" in metrics["identity_similarity"]["uncertainty"]
