"""Smoothing over HTTP: what is stored of a segment's boundaries, and what may be done about them."""

from typing import Any

import httpx

from services.smoothing import domain
from shared.contracts.boundary import BoundaryChecked
from shared.contracts.project import ProjectDeleted, ProjectUpdated
from shared.contracts.types import ProjectId, ThresholdSettings
from tests.support.smoothing import GREEN, RED, PlayedPool, Smoothing, a_seam

JSON = {"Content-Type": "application/json"}


def problem(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    detail: str = response.json()["detail"]
    return detail


async def check(http: httpx.AsyncClient, segment_id: int, status: int = 200) -> dict[str, Any]:
    response = await http.get(f"/api/segments/{segment_id}/boundary-check")
    assert response.status_code == status, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_a_pending_check_says_so_and_then_what_was_measured(
    smoothing: Smoothing, pool: PlayedPool, viewer: httpx.AsyncClient
) -> None:
    one, two, three = [await smoothing.segment(position=p, sequence=p) for p in (1, 2, 3)]
    response = await viewer.get(f"/api/segments/{two.segment_id}/boundary-check")
    assert (response.status_code, response.headers["Retry-After"]) == (202, "1")
    waiting = response.json()
    assert [waiting[end]["status"] for end in ("before", "after")] == ["pending", "pending"]
    assert [waiting[end]["ahead"] for end in ("before", "after")] == [0, 1]

    pool.answer = lambda request: RED if len(pool.asked) == 1 else GREEN
    await smoothing.work()
    found = await check(viewer, two.segment_id)
    assert (found["is_current"], found["needs_smoothing"]) == (True, True)
    assert (found["boundary_ssim_before"], found["boundary_ssim_after"]) == (0.6, 0.97)
    before, after = found["before"], found["after"]
    assert (before["status"], before["verdict"], before["recommendation"]) == ("measured", "red", "frame_blending")
    assert (before["neighbour"]["segment_id"], after["neighbour"]["segment_id"]) == (one.segment_id, three.segment_id)
    assert (before["needs_smoothing"], after["needs_smoothing"]) == (True, False)
    assert "a jump in appearance at the cut" in before["reason"]
    assert (found["thresholds"]["version"], found["thresholds"]["red_ssim"]) == (0, 0.75)


async def test_the_ends_of_a_scene_have_nothing_beyond_them(smoothing: Smoothing, viewer: httpx.AsyncClient) -> None:
    one, _, three = [await smoothing.segment(position=p, sequence=p) for p in (1, 2, 3)]
    await smoothing.work()
    assert (await check(viewer, one.segment_id))["before"] is None
    assert (await check(viewer, three.segment_id))["after"] is None


async def test_a_neighbour_that_is_not_rendered_yet_is_told_of(smoothing: Smoothing, viewer: httpx.AsyncClient) -> None:
    one = await smoothing.segment(position=1, sequence=1)
    after = (await check(viewer, one.segment_id))["after"]
    assert (after["status"], after["neighbour"]) == ("not_rendered", None)


async def test_a_version_that_is_not_current_shows_how_it_was_measured_last(
    smoothing: Smoothing, pool: PlayedPool, viewer: httpx.AsyncClient
) -> None:
    one, old = [await smoothing.segment(position=p, sequence=p) for p in (1, 2)]
    pool.answer = lambda request: RED
    await smoothing.work()
    new = await smoothing.segment(position=2, version=2, sequence=3)
    found = await check(viewer, old.segment_id)
    assert (found["is_current"], found["current_segment_id"]) == (False, new.segment_id)
    assert (found["before"]["verdict"], found["before"]["is_current"]) == ("red", False)
    assert found["before"]["neighbour"]["segment_id"] == one.segment_id
    assert found["after"] is None


async def test_a_version_that_never_was_current_has_no_boundaries(
    smoothing: Smoothing, viewer: httpx.AsyncClient
) -> None:
    held = await smoothing.segment(position=2, version=2)
    found = await check(viewer, held.segment_id)
    assert (found["is_current"], found["current_segment_id"]) == (False, None)
    assert (found["before"], found["after"]) == (None, None)


async def test_what_cannot_be_measured_says_why(
    smoothing: Smoothing, pool: PlayedPool, viewer: httpx.AsyncClient
) -> None:
    pool.answer = lambda request: "the clips run at 16 and 24 frames per second"
    _, two = [await smoothing.segment(position=p, sequence=p) for p in (1, 2)]
    await smoothing.work()
    before = (await check(viewer, two.segment_id))["before"]
    assert (before["status"], before["reason"]) == ("not_measurable", "the clips run at 16 and 24 frames per second")
    assert before["reading"] is None


async def test_unknown_segments_and_other_renders_are_not_found(
    smoothing: Smoothing, viewer: httpx.AsyncClient
) -> None:
    detail = problem(await viewer.get("/api/segments/12345/boundary-check"), 404)
    assert "no segment 12345" in detail and "GET /api/segments/12345 says" in detail
    shot = await smoothing.segment(purpose="test_shot")
    detail = problem(await viewer.get(f"/api/segments/{shot.segment_id}/boundary-check"), 404)
    assert "is no part of a scene" in detail
    for bad in ("0", "abc", str(2**63)):
        problem(await viewer.get(f"/api/segments/{bad}/boundary-check"), 422)


async def post(http: httpx.AsyncClient, segment_id: int, key: str = "", **body: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await http.post(f"/api/segments/{segment_id}/smooth-boundary", json=body, headers=headers)


BLEND = {"position": "before", "method": "frame_blending"}


class TestSmoothing:
    async def scene(self, smoothing: Smoothing, pool: PlayedPool) -> list[int]:
        pool.answer = lambda request: RED
        segments = [await smoothing.segment(position=p, sequence=p) for p in (1, 2, 3)]
        await smoothing.work()
        return [segment.segment_id for segment in segments]

    async def test_a_repair_is_queued_made_and_told_of(
        self, smoothing: Smoothing, pool: PlayedPool, creator: httpx.AsyncClient
    ) -> None:
        one, two, _ = await self.scene(smoothing, pool)
        response = await post(creator, two, **BLEND, frames=8)
        assert response.status_code == 202, response.text
        asked = response.json()
        assert asked["status"] == "queued"
        repair = (await creator.get(asked["links"]["self"])).json()
        assert (repair["state"], repair["position"], repair["frames"], repair["ahead"]) == ("queued", "before", 8, 0)
        assert (repair["previous_segment_id"], repair["next_segment_id"]) == (one, two)
        assert (repair["requested_by"], repair["before"], repair["clips"]) == ("ada", None, [])
        assert (repair["positions"], repair["progress"]) == ([1, 2], None)
        job = await smoothing.repairing.claim()
        assert job is not None
        await smoothing.repairing.progressed(job, domain.Progress(done=5, total=24))
        making = (await creator.get(asked["links"]["self"])).json()
        assert (making["state"], making["progress"]) == ("making", {"done": 5, "total": 24})
        await smoothing.repairing.give_back(job)
        assert (await check(creator, two))["before"]["repair"]["id"] == asked["repair_id"]
        await smoothing.work()
        proposed = (await creator.get(asked["links"]["self"])).json()
        assert (proposed["state"], proposed["before"]["ssim"], proposed["after"]["ssim"]) == ("proposed", 0.6, 0.97)
        [clip] = proposed["clips"]
        assert (clip["segment_id"], clip["position"], proposed["dropped_frames"]) == (two, 2, 2)
        assert "undo" not in proposed["links"]
        repaired = await smoothing.segment(position=2, version=2, sequence=4, repair_id=asked["repair_id"])
        current = (await creator.get(asked["links"]["self"])).json()
        assert current["state"] == "current"
        assert current["links"]["undo"] == f"/api/boundary-repairs/{asked['repair_id']}/undo"
        assert (await check(creator, repaired.segment_id, 202))["before"]["repair"]["state"] == "current"

    async def test_the_same_key_is_one_repair(
        self, smoothing: Smoothing, pool: PlayedPool, creator: httpx.AsyncClient
    ) -> None:
        _, two, _ = await self.scene(smoothing, pool)
        first, again = [await post(creator, two, "key-1", **BLEND) for _ in range(2)]
        assert (again.status_code, again.json()) == (202, first.json())
        assert await smoothing.count("boundary_repairs") == 1
        problem(await post(creator, two, "key-1", **(BLEND | {"position": "after"})), 422)
        assert "is not decided yet" in problem(await post(creator, two, "key-2", **BLEND), 409)

    async def test_a_boundary_is_accepted_as_it_is(
        self, smoothing: Smoothing, pool: PlayedPool, creator: httpx.AsyncClient
    ) -> None:
        _, two, _ = await self.scene(smoothing, pool)
        response = await post(creator, two, position="after", method="accept")
        assert (response.status_code, response.json()["status"], response.json()["repair_id"]) == (
            200,
            "accepted",
            None,
        )
        found = await check(creator, two)
        assert (found["after"]["accepted_by"], found["after"]["needs_smoothing"]) == ("ada", False)
        assert (found["after"]["verdict"], found["before"]["needs_smoothing"]) == ("red", True)
        assert "leave frames" in problem(await post(creator, two, position="after", method="accept", frames=3), 422)

    async def test_what_cannot_be_repaired_says_why(
        self, smoothing: Smoothing, pool: PlayedPool, creator: httpx.AsyncClient, viewer: httpx.AsyncClient
    ) -> None:
        one, two, three = await self.scene(smoothing, pool)
        problem(await post(viewer, two, **BLEND), 403)
        problem(await post(creator, 12345, **BLEND), 404)
        assert "nothing before it" in problem(await post(creator, one, **BLEND), 422)
        assert "nothing after it" in problem(await post(creator, three, **(BLEND | {"position": "after"})), 422)
        for bad in ({"frames": 0}, {"frames": 121}, {"method": "magic"}, {"position": "above"}, {"colour": 1}):
            problem(await post(creator, two, **(BLEND | bad)), 422)
        new = await smoothing.segment(position=2, version=2, sequence=4)
        assert f"segment {new.segment_id} is" in problem(await post(creator, two, **BLEND), 409)
        assert "still being measured" in problem(await post(creator, new.segment_id, **BLEND), 409)
        pool.answer = lambda request: "too small"
        await smoothing.work()
        assert "cannot be measured" in problem(await post(creator, new.segment_id, **BLEND), 422)
        alone = await smoothing.segment(scene_id=60, position=1, sequence=1)
        detail = problem(await post(creator, alone.segment_id, **(BLEND | {"position": "after"})), 409)
        assert detail == "position 2 of the scene is not rendered yet"

    async def test_a_queued_repair_is_cancelled(
        self, smoothing: Smoothing, pool: PlayedPool, creator: httpx.AsyncClient
    ) -> None:
        _, two, _ = await self.scene(smoothing, pool)
        address = (await post(creator, two, **BLEND)).json()["links"]["self"]
        response = await creator.delete(address)
        assert (response.status_code, response.json()["state"]) == (200, "cancelled")
        second = (await post(creator, two, **BLEND)).json()["links"]["self"]
        await smoothing.work()
        assert "only a queued repair" in problem(await creator.delete(second), 409)
        unknown = "/api/boundary-repairs/0198a0c0-0000-7000-8000-000000000001"
        problem(await creator.delete(unknown), 404)
        problem(await creator.get(unknown), 404)
        problem(await creator.get("/api/boundary-repairs/1"), 422)


def project(number: int) -> ProjectUpdated:
    return ProjectUpdated(project_id=ProjectId(number), name="Pilot", regression=ThresholdSettings(), sequence=1)


class TestThresholds:
    address = "/api/projects/1/boundary-thresholds"

    async def test_a_project_has_the_defaults_until_somebody_changes_them(
        self, smoothing: Smoothing, creator: httpx.AsyncClient
    ) -> None:
        await smoothing.deliver(project(1), project(2), project(1))
        found = (await creator.get(self.address)).json()
        assert (found["version"], found["limits"] == found["defaults"]) == (0, True)
        changed = (await creator.put(self.address, json={"red_ssim": 0.3, "green_ssim": None})).json()
        assert (changed["version"], changed["limits"]["red_ssim"], changed["limits"]["green_ssim"]) == (1, 0.3, 0.9)
        assert (await creator.put(self.address, json={"red_ssim": 0.3})).json()["version"] == 1
        assert (await creator.put(self.address, json={})).json()["limits"] == found["defaults"]
        assert (await creator.get(self.address)).json()["version"] == 2
        assert (await creator.get("/api/projects/2/boundary-thresholds")).json()["version"] == 0

    async def test_what_was_measured_is_judged_under_todays_limits(
        self, smoothing: Smoothing, pool: PlayedPool, creator: httpx.AsyncClient
    ) -> None:
        await smoothing.deliver(project(1))
        pool.answer = lambda request: a_seam(7.0)
        _, two = [await smoothing.segment(position=p, sequence=p) for p in (1, 2)]
        await smoothing.work()
        before = (await check(creator, two.segment_id))["before"]
        await creator.put(self.address, json={"floor_levels": 20.0})
        found = await check(creator, two.segment_id)
        assert (before["verdict"], found["before"]["verdict"]) == ("yellow", "green")
        assert found["before"]["reading"]["worst_visibility"] < before["reading"]["worst_visibility"]
        assert found["thresholds"]["version"] == 1
        assert len(pool.asked) == 1
        await smoothing.said()
        await smoothing.segment(position=1, version=2, sequence=3)
        await smoothing.work()
        [said] = await smoothing.said()
        assert isinstance(said, BoundaryChecked) and said.verdict == "green"

    async def test_limits_that_contradict_each_other_are_refused(
        self, smoothing: Smoothing, creator: httpx.AsyncClient, viewer: httpx.AsyncClient
    ) -> None:
        await smoothing.deliver(project(1))
        problem(await viewer.put(self.address, json={}), 403)
        assert "must rise" in problem(await creator.put(self.address, json={"red_visibility": 0.5}), 422)
        assert "red not above green" in problem(await creator.put(self.address, json={"red_ssim": 0.95}), 422)
        for bad in ('{"red_ssim": "high"}', '{"beauty": 1}', '{"red_ssim": 1e400}', '{"red_ssim": NaN}'):
            problem(await creator.put(self.address, content=bad, headers=JSON), 422)
        assert (await creator.get(self.address)).json()["version"] == 0

    async def test_a_project_that_nobody_made_or_that_was_deleted_has_none(
        self, smoothing: Smoothing, creator: httpx.AsyncClient
    ) -> None:
        problem(await creator.get(self.address), 404)
        problem(await creator.put(self.address, json={"red_ssim": 0.3}), 404)
        await smoothing.deliver(project(1))
        await creator.put(self.address, json={"red_ssim": 0.3})
        await smoothing.deliver(ProjectDeleted(project_id=ProjectId(1)), project(1))
        problem(await creator.get(self.address), 404)
        problem(await creator.put(self.address, json={"red_ssim": 0.3}), 404)
        assert await smoothing.count("boundary_thresholds") == 0
