"""Whose turn it is: by kind and priority, by waiting, and never never."""

from datetime import UTC, datetime, timedelta

import pytest

from services.dispatch.domain.queue import AGEING_SECONDS, POINTS, WorkKind, kind_of, moved_turn, starts, turn_of
from services.dispatch.domain.scenes import Purpose

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def turn(kind: WorkKind, *, priority: int = 0, waited: float = 0) -> int:
    return turn_of(kind, priority=priority, requested_at=NOW - timedelta(seconds=waited))


def test_of_work_asked_for_now_shots_come_first_then_regenerations_then_scenes_then_regression() -> None:
    kinds = [WorkKind.TEST_SHOT, WorkKind.REGENERATION, WorkKind.SCENE, WorkKind.REGRESSION]
    assert [turn(kind) for kind in kinds] == sorted(turn(kind) for kind in kinds)
    assert len({turn(kind) for kind in kinds}) == 4


def test_a_higher_priority_comes_first_within_a_kind() -> None:
    assert turn(WorkKind.SCENE, priority=1) < turn(WorkKind.SCENE) < turn(WorkKind.SCENE, priority=-1)


def test_nothing_starves_even_the_least_is_first_after_a_bounded_wait() -> None:
    bound = (POINTS[WorkKind.TEST_SHOT] + 201) * AGEING_SECONDS
    assert turn(WorkKind.REGRESSION, priority=-100, waited=bound) < turn(WorkKind.TEST_SHOT, priority=100)
    assert turn(WorkKind.REGRESSION, priority=-100) > turn(WorkKind.TEST_SHOT, priority=100)


def test_the_order_of_waiting_work_never_changes_while_it_waits() -> None:
    """So it may be stored: it is the order of effective priority, points plus time waited, at any moment."""
    work = [(kind, priority, waited) for kind in WorkKind for priority in (-9, 0, 40) for waited in (0, 6e3, 9e4)]
    stored = sorted(work, key=lambda w: turn(w[0], priority=w[1], waited=w[2]))
    for later in (0, 1e5):
        effective = [POINTS[kind] + priority + (waited + later) / AGEING_SECONDS for kind, priority, waited in stored]
        assert effective == sorted(effective, reverse=True)


@pytest.mark.parametrize(
    ("purpose", "is_new_version", "kind"),
    [
        (Purpose.TEST_SHOT, False, WorkKind.TEST_SHOT),
        (Purpose.SCENE, False, WorkKind.SCENE),
        (Purpose.SCENE, True, WorkKind.REGENERATION),
        (Purpose.BASELINE, False, WorkKind.REGRESSION),
        (Purpose.REGRESSION, False, WorkKind.REGRESSION),
        (Purpose.ROLLBACK_PROOF, False, WorkKind.REGRESSION),
    ],
)
def test_every_purpose_is_a_kind_of_work(purpose: Purpose, is_new_version: bool, kind: WorkKind) -> None:
    assert kind_of(purpose, is_new_version=is_new_version) is kind


def test_what_is_moved_is_before_or_behind_everything_that_waits() -> None:
    assert moved_turn("front", first=5, last=9) < 5
    assert moved_turn("back", first=5, last=9) > 9


def test_jobs_start_when_a_server_is_free() -> None:
    assert starts(running=[10.0, 4.0], waiting=[5.0, 5.0, 1.0], servers=2) == [4.0, 9.0, 10.0]
    assert starts(running=[], waiting=[5.0, 5.0], servers=2) == [0.0, 0.0]


def test_nothing_is_promised_behind_a_job_of_unknown_length() -> None:
    assert starts(running=[None], waiting=[5.0], servers=1) == [None]
    assert starts(running=[], waiting=[None, 5.0], servers=1) == [0.0, None]
    assert starts(running=[None], waiting=[5.0, 1.0], servers=2) == [0.0, 5.0]


def test_without_a_server_nothing_starts() -> None:
    assert starts(running=[], waiting=[5.0], servers=0) == [None]
