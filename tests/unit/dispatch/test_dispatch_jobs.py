"""Attempts: ids that cannot change, what a look-up means, when a job is given up."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatch.domain.fleet import ServerLoad, may_take
from services.dispatch.domain.jobs import (
    Attempt,
    AttemptState,
    Failure,
    Next,
    Whereabouts,
    after_failure,
    backoff,
    file_prefix_of,
    is_repeat,
    prompt_id_of,
    recover,
)
from services.dispatch.domain.scenes import remaining_chain

UID = UUID("018f2b5e-7a00-7000-8000-000000000001")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def attempt(number: int, *, state: AttemptState = AttemptState.SUBMITTED, sent: bool = True) -> Attempt:
    return Attempt(
        job_id=1,
        attempt=number,
        prompt_id=prompt_id_of(UID, number),
        server="a",
        file_prefix=file_prefix_of(UID, number),
        state=state,
        submitted_at=NOW if sent else None,
        created_at=NOW,
    )


def test_a_prompt_id_is_the_same_after_every_crash_and_another_for_every_attempt() -> None:
    assert prompt_id_of(UID, 1) == prompt_id_of(UID, 1)
    assert len({prompt_id_of(UID, n) for n in range(1, 50)} | {prompt_id_of(uuid4(), 1)}) == 50
    assert str(prompt_id_of(UID, 1)) == str(prompt_id_of(UID, 1)).lower() and prompt_id_of(UID, 1).version == 5


def test_every_attempt_saves_under_a_prefix_of_its_own() -> None:
    assert len({file_prefix_of(UID, n) for n in range(1, 50)}) == 49


@given(st.lists(st.sampled_from(Whereabouts), max_size=6))
def test_a_job_goes_on_with_a_living_attempt_if_there_is_one_and_loses_only_the_absent(
    where: list[Whereabouts],
) -> None:
    found = [(attempt(n), w) for n, w in enumerate(where, start=1)]
    recovery = recover(found)
    places = {a.attempt: w for a, w in found}
    alive = {Whereabouts.FINISHED, Whereabouts.RUNNING, Whereabouts.QUEUED}
    if recovery.attempt is None:
        assert not alive & set(where)
    else:
        assert places[recovery.attempt.attempt] in alive
        assert Whereabouts.FINISHED not in where or places[recovery.attempt.attempt] is Whereabouts.FINISHED
    assert {a.attempt for a in recovery.lost} == {n for n, w in places.items() if w is Whereabouts.ABSENT}


def test_a_finished_attempt_is_adopted_before_a_newer_one_is_waited_for() -> None:
    found = [(attempt(1), Whereabouts.FINISHED), (attempt(2), Whereabouts.RUNNING)]
    recovery = recover(found)
    assert recovery.attempt is not None and recovery.attempt.attempt == 1


@pytest.mark.parametrize(
    ("permanent", "failed", "expected"),
    [(False, 1, Next.RETRY), (False, 4, Next.RETRY), (False, 5, Next.GIVE_UP), (True, 1, Next.GIVE_UP)],
)
def test_a_job_is_given_up_at_once_or_after_the_last_attempt(permanent: bool, failed: int, expected: Next) -> None:
    failure = Failure(kind="node_error", message="no", permanent=permanent)
    assert after_failure(failure, failed_attempts=failed, max_attempts=5) is expected


def test_the_first_repeat_is_at_once_and_later_ones_wait_at_most_30_seconds() -> None:
    waits = [backoff(n) for n in range(1, 40)]
    assert waits[:4] == [timedelta(0), timedelta(seconds=1), timedelta(seconds=2), timedelta(seconds=4)]
    assert max(waits) == timedelta(seconds=30) and waits == sorted(waits)


def test_a_render_is_a_repeat_when_an_earlier_prompt_was_or_may_have_been_sent() -> None:
    assert not is_repeat([])
    assert not is_repeat([attempt(1, state=AttemptState.LOST, sent=False)])
    assert is_repeat([attempt(1, state=AttemptState.LOST)])
    assert is_repeat([attempt(1, state=AttemptState.PREPARED, sent=False)])


def test_the_first_segment_has_the_longest_chain_before_it() -> None:
    assert [remaining_chain(segment_count=3, position=p) for p in (1, 2, 3)] == [3, 2, 1]


def load(name: str, *, ready: bool = True, own: int = 0, foreign: int = 0) -> ServerLoad:
    return ServerLoad(name=name, ready=ready, own=own, foreign=foreign)


def test_a_server_busy_for_others_leaves_work_to_an_idle_one() -> None:
    assert not may_take("a", [load("a", foreign=2), load("b")])
    assert may_take("b", [load("a", foreign=2), load("b")])


def test_work_is_never_left_when_the_less_loaded_server_is_taken_or_away() -> None:
    assert may_take("a", [load("a", foreign=2), load("b", own=1)])
    assert may_take("a", [load("a", foreign=2), load("b", ready=False)])
    assert may_take("a", [load("a"), load("b")])


def test_a_server_that_is_away_or_unknown_takes_nothing() -> None:
    assert not may_take("a", [load("a", ready=False)])
    assert not may_take("c", [load("a")])


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 1), st.integers(0, 5)), min_size=1, max_size=6))
def test_while_a_ready_server_is_free_somebody_takes_the_work(fleet: list[tuple[bool, int, int]]) -> None:
    servers = [load(str(n), ready=r, own=o, foreign=f) for n, (r, o, f) in enumerate(fleet)]
    free = [s.name for s in servers if s.ready and s.own == 0]
    assert bool(free) == any(may_take(name, servers) for name in free)
