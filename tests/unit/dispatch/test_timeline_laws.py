"""No order of regenerations, reverts, reviews, locks, promotions, repairs and repeated events leaves a segment fresh
that is not.
"""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from services.dispatch.domain.repairs import RepairState
from services.dispatch.domain.scenes import SegmentState
from tests.support.timelines import FRAMES, POSITIONS, VERBS, Act, PureScene, frame, random_acts

ACTS = st.lists(
    st.builds(
        Act,
        verb=st.sampled_from(VERBS),
        position=st.integers(1, POSITIONS),
        choice=st.integers(0, FRAMES - 1),
    ),
    max_size=30,
)


@settings(max_examples=1000)
@given(ACTS)
def test_staleness_is_right_after_every_act_of_any_interleaving(acts: list[Act]) -> None:
    scene = PureScene()
    for act in acts:
        scene.do(act)
        scene.check()


def test_a_thousand_long_interleavings_keep_the_law_and_reach_every_kind_of_end() -> None:
    """The law would hold for a scene where nothing ever happens, and short interleavings seldom get to a repair."""
    stale = held = accepted = locked_out = promoted = 0
    repairs: Counter[RepairState] = Counter()
    for seed in range(1000):
        scene = PureScene()
        for act in random_acts(seed, 40):
            locked_out += not scene.do(act)
            scene.check()
        versions = scene.timeline.versions.values()
        stale += any(v.is_stale for v in versions)
        held += any(
            not v.is_current and v.last and v.based_on == getattr(scene.timeline.current(v.position), "id", 0)
            for v in versions
        )
        accepted += any(v.accepted for v in versions)
        promoted += any(v.state is SegmentState.GENERATED and v.seed == frame(0) and v.number for v in versions)
        repairs.update(repair.state for repair in scene.repairs)
    assert min(stale, held, accepted, locked_out, promoted) > 10
    assert min(repairs[state] for state in (RepairState.ACCEPTED, RepairState.REJECTED, RepairState.UNDONE)) > 10
