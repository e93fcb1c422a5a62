"""People are told of a job at most twice a second."""

from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from services.dispatch.domain.pace import Pace


@given(st.lists(st.floats(0, 20), max_size=200))
def test_no_span_of_a_second_holds_more_than_two_pieces_of_news(moments: list[float]) -> None:
    pace = Pace(0.0)
    said = [0.0, *(now for now in sorted(moments) if pace.may_speak(now))]
    for first, moment in enumerate(said):
        assert bisect_left(said, moment + 1.0) - first <= 2


def test_something_is_said_as_soon_as_it_may_be() -> None:
    pace = Pace(10.0)
    assert [pace.may_speak(now) for now in (10.1, 10.5, 10.9, 11.0)] == [False, True, False, True]
