"""How far a prompt is, by what is heard of its nodes."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatch.adapters.render_server import Progress
from services.dispatch.domain.graph import counted_nodes
from services.dispatch.workers.watches import Watch

NODES = frozenset("abcd")


def hint(
    node: str | None = None, fraction: float = 0.0, *, cached: tuple[str, ...] = (), ended: bool = False
) -> Progress:
    return Progress(prompt_id="p", node=node, fraction=fraction, cached=cached, ended=ended)


def test_without_reports_the_nodes_that_have_ended_are_counted_with_those_in_the_cache() -> None:
    watch, seen = Watch(1, NODES), []
    for told in (hint(cached=("a",)), hint("b"), hint("c"), hint("d"), hint(ended=True)):
        watch.hear(told)
        seen.append(watch.fraction)
    assert seen == [0.25, 0.25, 0.5, 0.75, 1.0]


def test_what_a_node_reports_moves_within_its_share() -> None:
    watch = Watch(1, NODES)
    for told in (hint("a"), hint("b"), hint("b", 0.5)):
        watch.hear(told)
    assert watch.fraction == 0.375


def test_nodes_that_the_graph_does_not_have_count_for_nothing() -> None:
    watch = Watch(1, NODES)
    watch.hear(hint("a:0:7", 1.0, cached=("x",)))
    assert watch.fraction == 0.0


def test_where_nodes_report_their_steps_only_these_are_told() -> None:
    watch = Watch(1)
    for told in (hint(cached=("a", "b")), hint("c"), hint("c", 0.4)):
        watch.hear(told)
    assert watch.fraction == 0.4


def test_a_sampler_reports_by_itself() -> None:
    load = {"class_type": "LoadImage", "inputs": {"image": "a.png"}}
    sampler = {"class_type": "KSampler", "inputs": {"steps": 20}}
    assert counted_nodes({"1": load, "2": sampler}) == frozenset()
    assert counted_nodes({"1": load}) == {"1"}


@pytest.mark.parametrize("nodes", [NODES, frozenset()])
@given(
    told=st.lists(
        st.builds(
            hint,
            st.sampled_from([None, *"abcdx"]),
            st.floats(0, 1),
            cached=st.lists(st.sampled_from("abcdx")).map(tuple),
            ended=st.booleans(),
        )
    )
)
def test_however_late_and_often_things_are_heard_the_fraction_only_grows_and_stays_a_share(
    nodes: frozenset[str], told: list[Progress]
) -> None:
    watch, seen = Watch(1, nodes), [0.0]
    for one in told:
        watch.hear(one)
        seen.append(watch.fraction)
    assert all(0 <= before <= after <= 1 for before, after in itertools.pairwise(seen))
    assert watch.ended == any(one.ended for one in told)
