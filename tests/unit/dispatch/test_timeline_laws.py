"""No order of regenerations, reverts, reviews, locks and repeated results leaves a segment fresh that is not."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.timelines import FRAMES, POSITIONS, VERBS, Act, PureScene, random_acts

ACTS = st.lists(
    st.builds(
        Act,
        verb=st.sampled_from(VERBS),
        position=st.integers(1, POSITIONS),
        choice=st.integers(0, FRAMES - 1),
    ),
    max_size=30,
)


@settings(max_examples=1000, deadline=None)
@given(ACTS)
def test_staleness_is_right_after_every_act_of_any_interleaving(acts: list[Act]) -> None:
    scene = PureScene()
    for act in acts:
        scene.do(act)
        scene.check()


def test_random_interleavings_reach_every_kind_of_end() -> None:
    """The law above would hold for a scene where nothing ever happens."""
    stale = held = accepted = locked_out = 0
    for seed in range(200):
        scene = PureScene()
        for act in random_acts(seed, 40):
            locked_out += not scene.do(act)
        versions = scene.timeline.versions.values()
        stale += any(v.is_stale for v in versions)
        held += any(
            not v.is_current and v.last and v.based_on == getattr(scene.timeline.current(v.position), "id", 0)
            for v in versions
        )
        accepted += any(v.accepted for v in versions)
    assert min(stale, held, accepted, locked_out) > 10
