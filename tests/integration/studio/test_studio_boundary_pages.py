"""The pages of scenes and boundaries, as a server gives them."""

import re

import httpx
import pytest

from shared.auth import Role
from shared.service import Chassis
from tests.support.http import TestKeys, api_client
from tests.support.scenes import CHECK, check, end, scene, segment
from tests.support.studio import FakeServices

PAGE = "/scenes/7/boundaries"
A, B = "a" * 64, "b" * 64


@pytest.fixture
def told(services: FakeServices) -> FakeServices:
    services.on("GET", "/api/scenes/7", scene(segment(1, A), segment(2, B)))
    services.on("GET", CHECK.format(20), check(2, before=end(1)))
    return services


@pytest.mark.parametrize("path", ["/scenes", PAGE, "/segments/20/boundaries"])
async def test_a_stranger_signs_in_first_and_comes_back(
    path: str, told: FakeServices, stranger: httpx.AsyncClient
) -> None:
    answer = await stranger.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/signin?next={path}")
    assert told.asked == []


async def test_a_segment_is_shown_beside_the_others_of_its_scene(
    told: FakeServices, creator: httpx.AsyncClient
) -> None:
    for position, anchor in ((1, "b2"), (2, "b2"), (3, "b3")):
        told.on("GET", "/api/segments/20", segment(position, A))
        answer = await creator.get("/segments/20/boundaries")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}#{anchor}")


async def test_a_segment_that_smoothing_has_not_heard_of_is_waited_for_and_not_missing(
    told: FakeServices, creator: httpx.AsyncClient
) -> None:
    told.on("GET", CHECK.format(20), {"title": "Not found", "detail": "smoothing knows no segment 20"}, status=404)
    page = await creator.get(PAGE)
    assert page.status_code == 200
    assert 'data-following="yes"' in page.text
    assert (await creator.get(f"{PAGE}/progress")).json()["followed"][0]["anchor"] == "b2"


async def test_what_goes_on_is_told_with_the_state_of_the_page(told: FakeServices, creator: httpx.AsyncClient) -> None:
    progress = (await creator.get(f"{PAGE}/progress")).json()
    assert progress["followed"] == []
    assert f'data-state="{progress["state"].replace(">", "&gt;")}"' in (await creator.get(PAGE)).text


async def test_a_scene_that_is_not_there_and_a_service_that_is_away_are_pages_too(
    told: FakeServices, creator: httpx.AsyncClient
) -> None:
    missing = await creator.get("/scenes/8/boundaries")
    assert (missing.status_code, "Not found" in missing.text) == (404, True)
    assert (await creator.get("/scenes/8/boundaries/progress")).status_code == 404
    assert (await creator.get("/segments/99/boundaries")).status_code == 404
    assert (await creator.get("/scenes")).status_code == 404, "dispatch is told to have none"
    told.on("GET", CHECK.format(20), {"title": "Internal error"}, status=500)
    broken = await creator.get(PAGE)
    assert (broken.status_code, "it answered 500" in broken.text) == (503, True)
    told.away.add("smoothing")
    away = await creator.get(PAGE)
    assert (away.status_code, "smoothing" in away.text) == (503, True)


async def test_a_viewer_looks_and_changes_nothing(told: FakeServices, studio: Chassis, keys: TestKeys) -> None:
    async with api_client(studio.app, token=keys.token(Role.VIEWER, name="vic")) as viewer:
        page = (await viewer.get(PAGE)).text
    buttons = re.findall("<button[^>]*data-opens[^>]*>", page)
    assert ["disabled" in button for button in buttons] == [True, True]


async def test_names_are_text_and_never_markup(told: FakeServices, creator: httpx.AsyncClient) -> None:
    told.on("GET", "/api/scenes/7", scene(segment(1, A), segment(2, B), name="<script>alert(1)</script>"))
    page = (await creator.get(PAGE)).text
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
