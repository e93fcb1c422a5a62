"""The report page in a real browser, playing real clips."""

from typing import Any

import httpx
import pytest

from tests.support.studio import FakeServices, body_of, degraded_report, run
from tests.support.watching import shoot, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

RUN = "/api/regression/runs/5"
PAGE = "/reports/regression/5"

STATE = """() => { const v = [...document.querySelectorAll('.player video')];
  return { times: v.map(x => x.currentTime), paused: v.map(x => x.paused), rates: v.map(x => x.playbackRate) }; }"""
IN_STEP = f"(({STATE})().times.reduce((one, other) => Math.abs(one - other))) < 1 / 12"


@pytest.fixture
def told(services: FakeServices, clips: tuple[str, str]) -> dict[str, Any]:
    answer = degraded_report(baseline=clips[0], new=clips[1])
    services.on("GET", f"{RUN}/report", answer)
    services.on("GET", "/api/regression/runs", {"items": [run()], "next_cursor": None})
    return answer


async def opened(page: Any) -> None:
    await page.goto(PAGE)
    await page.wait_for_selector(".player[data-ready=yes]")


async def test_the_page_opens_at_the_worst_frame_of_the_worst_segment(page: Any, told: dict[str, Any]) -> None:
    await opened(page)
    assert await page.get_attribute("[data-segment='2']", "aria-pressed") == "true"
    assert await page.inner_text(".frame-now") == "17"
    state = await page.evaluate(STATE)
    assert state["times"] == [pytest.approx(17.5 / 12), pytest.approx(17.5 / 12)]
    assert await page.inner_text("h1") == "LoRA look version 2 makes things worse"
    await shoot(page, "report-light")


async def test_the_worst_frame_is_marked_on_the_timeline_and_boxed_in_both_clips(
    page: Any, told: dict[str, Any]
) -> None:
    await opened(page)
    assert await page.get_attribute(".mark.worst", "data-frame") == "17"
    assert "Identity" in await page.inner_text(".jump")
    assert await page.locator(".box:visible").count() == 2
    await page.click(".step-back")
    await until(page, "document.querySelector('.frame-now').textContent === '16'")
    assert await page.locator(".box:visible").count() == 0
    await page.click(".jump")
    await until(page, "document.querySelector('.frame-now').textContent === '17'")
    assert await page.locator(".box:visible").count() == 2


async def test_one_set_of_controls_drives_both_clips(page: Any, told: dict[str, Any]) -> None:
    await opened(page)
    await page.evaluate("document.querySelector('.scrub').value = 5")
    await page.dispatch_event(".scrub", "input")
    await until(page, "document.querySelector('.frame-now').textContent === '5'")
    await page.select_option(".speed", "0.1")
    await page.click(".play")
    await until(page, "Number(document.querySelector('.frame-now').textContent) > 5")
    playing = await page.evaluate(STATE)
    assert playing["paused"] == [False, False]
    assert playing["rates"] == [0.1, 0.1]
    await until(page, IN_STEP)
    await page.click(".play")
    await until(page, "[...document.querySelectorAll('.player video')].every(v => v.paused && !v.seeking)")
    stopped = await page.evaluate(STATE)
    assert stopped["times"][0] == pytest.approx(stopped["times"][1], abs=1e-3)


async def test_a_clip_that_falls_out_of_step_is_brought_back(page: Any, told: dict[str, Any]) -> None:
    await opened(page)
    await page.select_option(".speed", "0.1")
    await page.click(".play")
    await until(page, "[...document.querySelectorAll('.player video')].every(v => !v.paused)")
    await page.evaluate("document.querySelector('video.new').currentTime = 0.2")
    await until(page, IN_STEP)


async def test_both_clips_show_the_same_frame_after_every_step(page: Any, told: dict[str, Any]) -> None:
    await opened(page)
    for expected in (18, 19, 20):
        await page.click(".step-on")
        await until(page, f"document.querySelector('.frame-now').textContent === '{expected}'")
        state = await page.evaluate(STATE)
        assert state["times"] == [pytest.approx((expected + 0.5) / 12)] * 2


async def test_a_failed_render_shows_its_reason_instead_of_a_clip(page: Any, told: dict[str, Any]) -> None:
    await opened(page)
    await page.click("[data-segment='3']")
    await page.wait_for_selector(".pane.new .missing:visible")
    assert "CUDA out of memory" in await page.inner_text(".pane.new .missing")
    assert await page.locator(".pane.baseline video:visible").count() == 1
    await shoot(page, "report-failed-segment")


async def test_rollback_asks_first_then_shows_progress_until_the_proof_is_in(
    page: Any, services: FakeServices, told: dict[str, Any]
) -> None:
    def roll_back(_: httpx.Request) -> httpx.Response:
        told["run"]["rollback"] = {"state": "done", "reason": None, "requested_by": "tess", "proof_run_id": 6}
        told["run"]["can"]["rollback"] = False
        return httpx.Response(202, json=told["run"])

    services.on("POST", f"{RUN}/rollback", roll_back)
    await opened(page)
    await page.click("#rollback")
    await page.wait_for_selector("#rollback-dialog[open]")
    await shoot(page, "rollback-dialog")
    await page.click("#rollback-dialog button[value=no]")
    assert services.to(f"{RUN}/rollback") == []
    await page.click("#rollback")
    await page.click("#rollback-yes")
    await page.wait_for_selector("#rollback-text:has-text('rendered again')")
    await shoot(page, "rollback-running")
    (sent,) = services.to(f"{RUN}/rollback")
    assert body_of(sent) == {}
    assert sent.headers["idempotency-key"]
    told["run"]["rollback"]["state"] = "proven"
    await page.wait_for_selector("#proof-link")
    assert "proven" in await page.inner_text("#rollback-text")
    assert await page.locator("#rollback").count() == 0
    await shoot(page, "rollback-proven")


async def test_a_refused_rollback_says_why_and_leaves_the_button(
    page: Any, services: FakeServices, told: dict[str, Any]
) -> None:
    problem = {"title": "Conflict", "detail": "version 3 is active now"}
    services.on("POST", f"{RUN}/rollback", problem, status=409)
    await opened(page)
    await page.click("#rollback")
    await page.click("#rollback-yes")
    await page.wait_for_selector("#problem:has-text('version 3 is active now')")
    assert await page.is_enabled("#rollback")


async def test_an_open_page_follows_a_running_run_to_its_result(
    page: Any, services: FakeServices, told: dict[str, Any]
) -> None:
    finished = {**told["run"]}
    told["run"] |= {"status": "running", "outcome": None, "completed_at": None, "reason": ""}
    told["run"]["can"] = {"rollback": False, "accept": False, "cancel": True}
    told["summary"]["segments_done"] = 1
    await page.goto(PAGE)
    await page.wait_for_selector("#done-text:has-text('1 of 3')")
    assert await page.locator("#cancel").count() == 1
    await shoot(page, "report-running")
    told["summary"]["segments_done"] = 2
    await page.wait_for_selector("#done-text:has-text('2 of 3')")
    told["run"] |= finished
    await page.wait_for_selector(".banner.degraded")


async def test_the_page_keeps_to_itself_in_the_dark_too(page: Any, told: dict[str, Any], site: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.emulate_media(color_scheme="dark")
    await opened(page)
    await page.click("[data-view=difference]")
    assert [url for url in asked if not url.startswith((site, "data:"))] == []
    await shoot(page, "report-dark-difference")
    await page.click("[data-view=wipe]")
    await shoot(page, "report-dark-wipe")
    await page.goto("/")
    await shoot(page, "index-dark")


async def test_an_unsigned_visitor_is_sent_to_sign_in_and_back(
    browser: Any, site: str, told: dict[str, Any], keys: Any
) -> None:
    context = await browser.new_context(base_url=site)
    visitor = await context.new_page()
    await visitor.goto(PAGE)
    assert "/signin?next=/reports/regression/5" in visitor.url
    await visitor.fill("input[name=token]", "nonsense")
    await visitor.click("button:has-text('Sign in')")
    await visitor.wait_for_selector(".notice.error")
    await shoot(visitor, "signin")
    await visitor.fill("input[name=token]", keys.token())
    await visitor.click("button:has-text('Sign in')")
    await visitor.wait_for_selector("#report")
    cookies = await context.cookies()
    assert [(one["httpOnly"], one["sameSite"]) for one in cookies] == [(True, "Strict")]
    await context.close()
