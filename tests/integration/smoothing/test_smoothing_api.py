"""Smoothing over HTTP: what is stored of a segment's boundaries, and what may be done about them."""

from typing import Any

import httpx

from tests.support.smoothing import GREEN, RED, PlayedPool, Smoothing


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
    assert "segment 12345 is not known" in problem(await viewer.get("/api/segments/12345/boundary-check"), 404)
    shot = await smoothing.segment(purpose="test_shot")
    detail = problem(await viewer.get(f"/api/segments/{shot.segment_id}/boundary-check"), 404)
    assert "is no part of a scene" in detail
    for bad in ("0", "abc", str(2**63)):
        problem(await viewer.get(f"/api/segments/{bad}/boundary-check"), 422)
