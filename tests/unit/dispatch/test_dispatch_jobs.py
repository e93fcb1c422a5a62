"""Attempts: ids that cannot change, what a look-up means, when a job is given up."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatch.domain.fleet import ServerLoad, has_place, left_to, rivals
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


def test_a_server_busy_for_others_leaves_work_to_one_that_has_less_to_do() -> None:
    servers = [load("a", foreign=2), load("b"), load("c", own=1)]
    assert rivals("a", servers, prefetch=1) == ["b", "c"]
    assert rivals("c", servers, prefetch=1) == ["b"], "an idle server comes before a second prompt on a busy one"
    assert rivals("b", servers, prefetch=1) == []


def test_work_is_never_left_to_a_server_that_is_full_or_away() -> None:
    assert rivals("a", [load("a", foreign=3), load("b", own=2)], prefetch=1) == []
    assert rivals("a", [load("a", foreign=2), load("b", own=1)], prefetch=0) == []
    assert rivals("a", [load("a", foreign=2), load("b", ready=False)], prefetch=1) == []
    assert rivals("a", [load("a"), load("b")], prefetch=1) == []


def test_a_server_that_is_away_or_has_its_prompts_takes_nothing() -> None:
    assert not has_place(load("a", ready=False), prefetch=1)
    assert has_place(load("a", own=1, foreign=9), prefetch=1)
    assert not has_place(load("a", own=2), prefetch=1)
    assert not has_place(load("a", own=1), prefetch=0)


def test_what_the_less_loaded_cannot_run_is_left_to_one_that_can() -> None:
    unfit = {1: {"b"}, 2: {"b", "c"}, 3: {"a"}}
    assert left_to(["b", "c"], unfit) == [2]
    assert left_to(["b"], unfit) == [1, 2]
    assert left_to([], unfit) is None


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=6),
    st.integers(0, 2),
    st.sets(st.integers(0, 5)),
)
def test_while_a_fit_server_has_a_place_the_least_loaded_fit_server_takes_the_work(
    fleet: list[tuple[bool, int, int]], prefetch: int, unfit: set[int]
) -> None:
    servers = [load(str(n), ready=r, own=o, foreign=f) for n, (r, o, f) in enumerate(fleet)]
    lacking = {7: {str(n) for n in unfit}}
    fit = [s for s in servers if has_place(s, prefetch=prefetch) and s.name not in lacking[7]]
    offers = [(s, left_to(rivals(s.name, servers, prefetch=prefetch), lacking)) for s in fit]
    takers = [s for s, only in offers if only is None or 7 in only]
    assert bool(fit) == bool(takers)
    assert all(taker.load == min(s.load for s in fit) for taker in takers)


def test_a_failure_is_told_with_the_node_that_it_happened_in() -> None:
    failure = Failure(kind="node_error", message="ValueError: no", permanent=True, node="12:3 (LoadImage)")
    assert failure.text == "node 12:3 (LoadImage): ValueError: no"
    assert Failure(kind="lost", message="gone", permanent=False).text == "gone"
