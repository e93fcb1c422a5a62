"""How a scene's boundaries are read from what dispatch and smoothing say."""

from typing import Any

import pytest

from services.studio.domain.activity import Activity, ActivityKind, page_of
from services.studio.domain.boundaries import Boundary
from services.studio.domain.boundary_reading import boundaries_of, later_segments
from services.studio.web.pages import reading_text
from shared.clock import utc_now
from tests.support.scenes import check, end, green, refused, repair, scene, segment

A, B, C = "a" * 64, "b" * 64, "c" * 64


def only(before: dict[str, Any] | None, *, of: dict[str, Any] | None = None) -> Boundary:
    told = scene(segment(1, A), segment(2, B))
    (boundary,) = boundaries_of(told, {20: of or check(2, before=before)}).boundaries
    return boundary


def test_a_scene_has_a_boundary_between_every_two_that_follow_each_other() -> None:
    told = scene(segment(3, C), segment(1, A), segment(2, B))
    found = boundaries_of(told, {20: check(2, before=end(1)), 30: check(3, before=green(2))})
    assert [(one.previous.position, one.next.position, one.colour) for one in found.boundaries] == [
        (1, 2, "red"),
        (2, 3, "green"),
    ]
    assert found.counts == {"red": 1, "green": 1}
    assert later_segments(told) == [30, 20]


def test_a_measured_boundary_has_its_numbers_and_what_may_be_done() -> None:
    boundary = only(end(1))
    assert [(row.label, row.now) for row in boundary.rows][:3] == [
        ("SSIM at the cut", 0.61),
        ("Largest disturbance", 4.2),
        ("Frames from the cut", 3),
    ]
    assert (boundary.recommendation, boundary.can_repair, boundary.can_accept) == ("frame blending", True, True)
    assert (boundary.is_followed, boundary.player["offset"]) == (False, 3)


def test_of_a_green_boundary_nothing_is_asked() -> None:
    boundary = only(green(1))
    assert (boundary.can_repair, boundary.can_accept) == (False, False)


def test_an_accepted_boundary_may_still_be_repaired() -> None:
    boundary = only(end(1, accepted_by="ada", accepted_at="2026-11-21T10:00:00Z"))
    assert (boundary.can_repair, boundary.can_accept) == (True, False)


@pytest.mark.parametrize(
    ("of", "colour", "followed"),
    [
        (check(2, before=end(1, status="pending", verdict=None, reading=None, reason="", ahead=2)), "pending", True),
        (check(2, before=end(9)), "unheard", True),
        (check(2, before=end(1), current_segment_id=19), "unheard", True),
        (check(2, before=end(1, status="not_rendered", neighbour=None, verdict=None, reading=None)), "unheard", True),
        (
            check(2, before=end(1, status="not_measurable", verdict=None, reading=None, recommendation=None)),
            "not_measurable",
            False,
        ),
    ],
    ids=["pending", "another version before it", "another version here", "before it is news", "not measurable"],
)
def test_what_has_no_numbers_says_why_and_is_followed_while_it_may_change(
    of: dict[str, Any], colour: str, followed: bool
) -> None:
    boundary = only(None, of=of)
    assert (boundary.colour, boundary.is_followed, boundary.can_repair) == (colour, followed, False)
    assert bool(boundary.doing) is followed


def test_a_segment_that_smoothing_does_not_know_is_waited_for() -> None:
    (boundary,) = boundaries_of(scene(segment(1, A), segment(2, B)), {20: None}).boundaries
    assert (boundary.colour, boundary.is_followed) == ("unheard", True)


def test_a_side_that_is_not_rendered_is_no_news() -> None:
    (boundary,) = boundaries_of(scene(segment(1, A), segment(2, None)), {}).boundaries
    assert (boundary.colour, boundary.is_followed) == ("not_rendered", False)


@pytest.mark.parametrize(
    ("state", "changed", "told"),
    [
        ("queued", {"ahead": 2}, "Queued behind 2 others"),
        ("queued", {"ahead": 0}, "Queued"),
        ("making", {}, "Making the candidate"),
        ("making", {"progress": {"done": 5, "total": 24}}, "Making the candidate: frame 5 of 24"),
        ("proposed", {}, "The candidate is made and is being scored; it becomes current only if no gate is worse"),
    ],
)
def test_a_repair_that_goes_on_is_followed(state: str, changed: dict[str, Any], told: str) -> None:
    view = boundaries_of(
        scene(segment(1, A), segment(2, B)), {20: check(2, before=end(1, repair=repair(state, **changed)))}
    )
    (boundary,) = view.boundaries
    assert (boundary.doing, boundary.can_repair, boundary.can_accept) == (told, False, False)
    progress = changed.get("progress") or {"done": 0, "total": 0}
    assert view.followed == [{"anchor": "b2", "text": told, **progress}]


def test_a_refused_repair_stands_beside_the_numbers_it_was_refused_for() -> None:
    boundary = only(end(1, repair=refused()))
    assert boundary.repair is not None and "flicker" in boundary.repair.reasons[0]
    assert [(row.without, row.repaired) for row in boundary.rows][:2] == [(0.61, 0.7), (4.2, 3.9)]
    assert boundary.can_repair, "it may be tried again"


def test_a_repair_of_the_boundary_beside_it_is_not_told_of() -> None:
    """It made one of the versions that meet here, which is why smoothing names it."""
    boundary = only(end(1, repair=repair("current", positions=[2, 3])))
    assert boundary.repair is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (end(1), green(1)),
        (end(1), end(1, accepted_by="ada")),
        (end(1, repair=repair("making")), end(1, repair=repair("proposed"))),
    ],
    ids=["another verdict", "accepted", "further on"],
)
def test_what_changes_a_page_changes_its_state(one: dict[str, Any], other: dict[str, Any]) -> None:
    told = scene(segment(1, A), segment(2, B))
    states = {boundaries_of(told, {20: check(2, before=before)}).state for before in (one, other)}
    assert len(states) == 2


def test_progress_alone_is_no_other_page() -> None:
    told = scene(segment(1, A), segment(2, B))
    made = (repair("making"), repair("making", progress={"done": 5, "total": 24}))
    assert len({boundaries_of(told, {20: check(2, before=end(1, repair=one))}).state for one in made}) == 1


@pytest.mark.parametrize(
    ("changed", "protection"),
    [({"is_locked": True}, "locked"), ({"review": "approved"}, "approved"), ({"review": "rejected"}, "")],
)
def test_a_protected_side_is_named_before_it_is_replaced(changed: dict[str, Any], protection: str) -> None:
    told = scene(segment(1, A), segment(2, B, **changed))
    (boundary,) = boundaries_of(told, {20: check(2, before=end(1))}).boundaries
    assert [one.protection for one in boundary.protected] == ([protection] if protection else [])


@pytest.mark.parametrize(
    ("value", "whole", "text"),
    [
        (None, False, "–"),
        (-0.0004, False, "0.000"),
        (-0.031, False, "−0.031"),
        (3, True, "+3"),
        (0, True, "0"),
        (-2, True, "−2"),
    ],
)
def test_numbers_are_written_for_people(value: float | None, whole: bool, text: str) -> None:
    assert reading_text(value, whole) == text


@pytest.mark.parametrize(
    ("kind", "subject", "page"),
    [
        (ActivityKind.BOUNDARY_RED, "scene:7", "/scenes/7/boundaries"),
        (ActivityKind.REPAIR_REJECTED, "scene:7", "/scenes/7/boundaries"),
        (ActivityKind.SEGMENT_FAILED, "scene:7", ""),
        (ActivityKind.RUN_COMPLETED, "run:5", "/reports/regression/5"),
    ],
)
def test_a_line_of_the_feed_leads_to_its_page(kind: ActivityKind, subject: str, page: str) -> None:
    assert page_of(Activity(kind=kind, subject=subject, summary="", happened_at=utc_now())) == page
