"""When a server counts as stuck, and how long a prompt may run."""

import pytest

from services.dispatch.domain.watchdog import LEAST_SECONDS, TIMES_EXPECTED, Pulse, time_limit


def test_without_experience_a_prompt_may_run_as_long_as_the_settings_say() -> None:
    assert time_limit(None, most=3600) == 3600


@pytest.mark.parametrize(
    ("expected", "limit"), [(1.0, LEAST_SECONDS), (100.0, TIMES_EXPECTED * 100.0), (1000.0, 3600.0)]
)
def test_with_experience_it_may_run_many_times_as_long_as_its_like_but_not_longer_than_the_settings_say(
    expected: float, limit: float
) -> None:
    assert time_limit(expected, most=3600) == limit


def test_the_settings_may_be_stricter_than_any_experience() -> None:
    assert time_limit(1.0, most=5) == 5


def problem(pulse: Pulse, *, own: set[str] | None = None, now: float) -> str | None:
    return pulse.problem(own=own or set(), foreign_limit=100, now=now)


def test_a_server_with_nothing_to_do_is_never_stuck() -> None:
    assert problem(Pulse().looked([], now=0), now=10_000) is None


def test_a_prompt_of_somebody_else_that_runs_too_long_makes_it_stuck_until_it_is_gone() -> None:
    pulse = Pulse().looked(["theirs"], now=10).looked(["theirs"], now=100)
    assert problem(pulse, now=109) is None
    assert "theirs" in str(problem(pulse, now=110))
    assert problem(pulse.looked(["another"], now=111), now=200) is None


def test_our_own_prompts_are_judged_by_those_that_wait_for_them() -> None:
    assert problem(Pulse().looked(["ours"], now=0), own={"ours"}, now=10_000) is None


def test_a_prompt_that_does_not_stop_makes_it_stuck_until_it_is_gone() -> None:
    pulse = Pulse().looked(["ours"], now=0).does_not_stop("ours")
    assert "restart" in str(problem(pulse, own={"ours"}, now=1))
    assert "restart" in str(problem(pulse.looked(["ours"], now=2), now=2))
    assert problem(pulse.looked([], now=3), now=3) is None
    assert problem(pulse.looked(["next"], now=3), now=3) is None
