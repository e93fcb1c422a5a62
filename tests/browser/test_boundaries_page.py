"""The page of a scene's boundaries in a real browser, playing real clips across a cut."""

from typing import Any

import httpx
import pytest

from tests.support.scenes import CHECK, REPAIR, SMOOTH, check, end, green, refused, repair, scene, segment
from tests.support.studio import FakeServices, body_of
from tests.support.watching import shoot, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = "/scenes/7/boundaries"
CARD = "#b2"


class Scene:
    """Three segments: red from the first to the second, green to the third. What is told may be changed."""

    def __init__(self, services: FakeServices, clips: tuple[str, str]) -> None:
        self.services = services
        self.segments = [segment(1, clips[0]), segment(2, clips[1]), segment(3, clips[1])]
        self.red = end(1)
        services.on("GET", "/api/scenes/7", lambda _: httpx.Response(200, json=scene(*self.segments)))
        services.on("GET", CHECK.format(20), lambda _: httpx.Response(200, json=check(2, before=self.red)))
        services.on("GET", CHECK.format(30), lambda _: httpx.Response(200, json=check(3, before=green(2))))

    def sent(self, path: str) -> Any:
        (request,) = self.services.to(path)
        assert request.method == "GET" or request.headers["idempotency-key"]
        return body_of(request)


@pytest.fixture
def told(services: FakeServices, clips: tuple[str, str]) -> Scene:
    return Scene(services, clips)


async def opened(page: Any) -> None:
    await page.goto(PAGE)
    await page.wait_for_selector(f"{CARD} .player[data-ready=yes]")


async def position(page: Any) -> str:
    text: str = await page.inner_text(f"{CARD} .frame-now")
    return text


async def test_every_cut_has_its_colour_and_the_red_one_is_open_at_its_largest_disturbance(
    page: Any, told: Scene
) -> None:
    await opened(page)
    assert await page.locator(".chain .seam.red, .chain .seam.green").all_inner_texts() == ["✕ 0.61", "✓ 0.98"]
    assert [await page.get_attribute(f"#b{number}", "open") is not None for number in (2, 3)] == [True, False]
    assert await position(page) == "3 after the cut"
    numbers = await page.locator(f"{CARD} table.numbers tr td:nth-child(2)").all_inner_texts()
    assert numbers == ["0.610", "4.200", "+3", "0.000", "0.012", "−0.031"]
    assert "frame blending" in await page.inner_text(f"{CARD} .facts")
    await shoot(page, "boundaries-light")
    await page.emulate_media(color_scheme="dark")
    await shoot(page, "boundaries-dark")


async def test_the_cut_is_stepped_through_from_one_clip_into_the_next(page: Any, told: Scene) -> None:
    await opened(page)
    for _ in range(4):
        await page.click(f"{CARD} .step-back")
    await until(page, f"document.querySelector('{CARD} .frame-now').textContent === '1 before the cut'")
    times = "[...document.querySelectorAll('#b2 video')].map(video => video.currentTime)"
    await until(page, f"Math.abs({times}[0] - 23.5 / 12) < 0.01 && Math.abs({times}[1] - 0.5 / 12) < 0.01")
    assert await page.locator(f"{CARD} .pane.before").is_visible()
    assert not await page.locator(f"{CARD} .pane.after").is_visible()
    await page.click(f"{CARD} [data-view=side]")
    assert await page.locator(f"{CARD} .pane:visible").count() == 2
    await shoot(page, "boundaries-side-by-side")
    await page.click(f"{CARD} .jump")
    assert await position(page) == "3 after the cut"
    await until(page, f"Math.abs({times}[0] - 23.5 / 12) < 0.01 && Math.abs({times}[1] - 3.5 / 12) < 0.01")


async def test_playing_crosses_the_cut_and_begins_again(page: Any, told: Scene) -> None:
    await opened(page)
    shows = f"document.querySelector('{CARD} .stage').dataset.shows"
    await page.evaluate(f"document.querySelector('{CARD} .scrub').value = -2")
    await page.dispatch_event(f"{CARD} .scrub", "input")
    await until(page, f"{shows} === 'before'")
    await page.click(f"{CARD} .play")
    await until(page, f"{shows} === 'after'")
    await until(page, f"{shows} === 'before'")
    await until(page, f"{shows} === 'after'")
    await page.click(f"{CARD} .play")
    await until(page, f"[...document.querySelectorAll('{CARD} video')].every(video => video.paused)")


async def test_a_repair_is_asked_for_with_the_facts_first_and_followed_to_its_end(page: Any, told: Scene) -> None:
    told.segments[1] |= {"is_locked": True}

    def begin(_: httpx.Request) -> httpx.Response:
        told.red["repair"] = repair("making", progress={"done": 5, "total": 24})
        return httpx.Response(202, json={"status": "queued", "repair_id": REPAIR})

    told.services.on("POST", SMOOTH.format(20), begin)
    await opened(page)
    await page.click(f"{CARD} [data-opens=repair]")
    dialog = page.locator(f"{CARD} [data-dialog=repair]")
    assert "becomes current only if the boundary is better" in await dialog.inner_text()
    assert "is locked" in await dialog.inner_text()
    assert await dialog.locator("input[value=frame_blending]").is_checked()
    await shoot(page, "boundaries-repair-dialog")
    await dialog.locator("button[value=no]").click()
    assert told.services.to(SMOOTH.format(20)) == []
    await page.click(f"{CARD} [data-opens=repair]")
    await dialog.locator("input[value=re_extraction]").check()
    await dialog.locator("input[name=overwrite]").check()
    await dialog.locator("button[value=yes]").click()
    await page.wait_for_selector(f"{CARD} .following-text:has-text('frame 5 of 24')")
    assert told.sent(SMOOTH.format(20)) == {"position": "before", "method": "re_extraction", "overwrite": [20]}
    assert await page.locator(f"{CARD} [data-opens=repair]").count() == 0
    await shoot(page, "boundaries-repairing")
    told.red["repair"] = repair("making", progress={"done": 20, "total": 24})
    await page.wait_for_selector(f"{CARD} .following-text:has-text('frame 20 of 24')")
    told.red["repair"] = refused()
    await page.wait_for_selector(f"{CARD} .notice.repair:has-text('flicker')")
    assert await page.locator(f"{CARD} table.numbers th").all_inner_texts() == ["Measured", "Now", "Before", "Refused"]
    await shoot(page, "boundaries-refused")


async def test_a_boundary_is_accepted_and_a_repair_undone(page: Any, told: Scene) -> None:
    def accept(_: httpx.Request) -> httpx.Response:
        told.red |= {"accepted_by": "tess", "accepted_at": "2026-11-21T10:00:00Z"}
        return httpx.Response(200, json={"status": "accepted", "repair_id": None})

    def undo(_: httpx.Request) -> httpx.Response:
        told.red["repair"] = repair("undone")
        return httpx.Response(200, json={"repair_id": REPAIR, "segments": []})

    told.red["repair"] = repair("current")
    undoing = f"/api/boundary-repairs/{REPAIR}/undo"
    told.services.on("POST", SMOOTH.format(20), accept)
    told.services.on("POST", undoing, undo)
    await opened(page)
    await page.click(f"{CARD} [data-opens=accept]")
    await page.click(f"{CARD} [data-dialog=accept] button[value=yes]")
    await page.wait_for_selector(f"{CARD} .facts:has-text('as it is by tess')")
    assert told.sent(SMOOTH.format(20)) == {"position": "before", "method": "accept"}
    await page.click(f"{CARD} [data-opens=undo]")
    await page.click(f"{CARD} [data-dialog=undo] button[value=yes]")
    await page.wait_for_selector(f"{CARD} .notice.repair:has-text('was undone')")
    assert told.sent(undoing) == {"overwrite": []}


async def test_what_the_api_refuses_is_said_and_may_be_tried_again(page: Any, told: Scene) -> None:
    problem = {"title": "Conflict", "detail": "the versions that meet there changed at this moment; look again"}
    told.services.on("POST", SMOOTH.format(20), problem, status=409)
    await opened(page)
    await page.click(f"{CARD} [data-opens=repair]")
    await page.click(f"{CARD} [data-dialog=repair] button[value=yes]")
    await page.wait_for_selector("#problem:has-text('changed at this moment')")
    assert await page.is_enabled(f"{CARD} [data-opens=repair]")


async def test_an_open_page_shows_a_measurement_when_it_is_there(page: Any, told: Scene) -> None:
    measured = dict(told.red)
    told.red |= {"status": "pending", "verdict": None, "reading": None, "reason": "", "ahead": 2}
    await page.goto(PAGE)
    await page.wait_for_selector(f"{CARD} .following-text:has-text('2 boundaries are before it')")
    told.red |= measured
    await page.wait_for_selector(f"{CARD} .tag.red")


async def test_a_person_comes_from_the_list_of_scenes(page: Any, told: Scene) -> None:
    told.services.on("GET", "/api/scenes", {"items": [scene(*told.segments)], "next_cursor": None})
    await page.click("nav >> text=Scenes")
    await page.wait_for_selector("text=dawn")
    await shoot(page, "scenes")
    await page.click("text=dawn")
    await page.wait_for_selector(CARD)
    assert page.url.endswith(PAGE)
