"""Signing in with a browser."""

import httpx
import pytest

from shared.auth import Role
from shared.service import Chassis
from tests.support.http import TestKeys
from tests.support.studio import FakeServices, degraded_report, run

ORIGIN = {"Origin": "http://service"}


async def signed_in(client: httpx.AsyncClient, token: str, *, next: str = "/") -> httpx.Response:
    return await client.post("/session", data={"token": token, "next": next}, headers=ORIGIN)


async def test_a_token_becomes_a_cookie_that_no_script_and_no_other_site_can_use(
    stranger: httpx.AsyncClient, studio: Chassis, keys: TestKeys
) -> None:
    token = keys.token(Role.CREATOR)
    answer = await signed_in(stranger, token, next="/reports/regression/5")
    assert (answer.status_code, answer.headers["location"]) == (303, "/reports/regression/5")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert token not in answer.headers["set-cookie"]
    (stored,) = await studio.database.fetch("SELECT key, sealed_token FROM sessions")
    assert token.encode() not in stored["sealed_token"]
    assert stored["key"] not in answer.headers["set-cookie"]


async def test_a_signed_in_browser_asks_services_with_its_token(
    stranger: httpx.AsyncClient, services: FakeServices, keys: TestKeys
) -> None:
    token = keys.token(Role.CREATOR)
    await signed_in(stranger, token)
    services.on("POST", "/api/regression/runs/5/rollback", run(), status=202)
    answer = await stranger.post("/api/regression/runs/5/rollback", json={}, headers=ORIGIN)
    assert answer.status_code == 202
    assert services.asked[-1].headers["authorization"] == f"Bearer {token}"


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://evil.example"}, {**ORIGIN, "Sec-Fetch-Site": "cross-site"}])
async def test_a_cookie_alone_changes_nothing(
    stranger: httpx.AsyncClient, services: FakeServices, keys: TestKeys, headers: dict[str, str]
) -> None:
    await signed_in(stranger, keys.token())
    answer = await stranger.post("/api/regression/runs/5/rollback", json={}, headers=headers)
    assert answer.status_code == 403
    assert services.asked == []


async def test_sign_in_refuses_bad_tokens_and_foreign_forms(stranger: httpx.AsyncClient, keys: TestKeys) -> None:
    assert (await signed_in(stranger, "nonsense")).status_code == 401
    foreign = await stranger.post("/session", data={"token": keys.token()}, headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 403
    assert "set-cookie" not in foreign.headers


async def test_after_signing_out_the_cookie_opens_nothing(
    stranger: httpx.AsyncClient, studio: Chassis, keys: TestKeys
) -> None:
    await signed_in(stranger, keys.token())
    secret = stranger.cookies["rushes_session"]
    assert (await stranger.post("/session/end", headers=ORIGIN)).status_code == 303
    stranger.cookies.set("rushes_session", secret)
    assert (await stranger.get("/api/activity")).status_code == 401
    assert await studio.database.fetchval("SELECT count(*) FROM sessions") == 0


async def test_pages_send_strangers_to_sign_in_and_show_the_report_to_others(
    stranger: httpx.AsyncClient, services: FakeServices, keys: TestKeys
) -> None:
    services.on("GET", "/api/regression/runs/5/report", degraded_report(baseline="a" * 64, new="b" * 64))
    services.on("GET", "/api/regression/runs", {"items": [run()], "next_cursor": None})
    away = await stranger.get("/reports/regression/5")
    assert (away.status_code, away.headers["location"]) == (303, "/signin?next=/reports/regression/5")
    await signed_in(stranger, keys.token())
    assert "makes things worse" in (await stranger.get("/reports/regression/5")).text
    assert "Run 5" in (await stranger.get("/")).text
    missing = await stranger.get("/reports/regression/6")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "text/html; charset=utf-8")
    services.away.add("regression")
    assert (await stranger.get("/reports/regression/5")).status_code == 503
    assert (await stranger.get("/")).status_code == 503
