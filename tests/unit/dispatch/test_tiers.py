"""What a draft renders instead of the full parameters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatch.domain.scenes import Tier
from services.dispatch.domain.tiers import DraftScale, at_tier, draft_size

FULL = {"seed": 5, "width": 832, "height": 480, "steps": 20, "frames": 24, "fps": 12.0, "cfg": 6.0, "prompt": None}
ALL = frozenset(FULL)


def test_full_is_what_was_asked() -> None:
    assert at_tier(FULL, Tier.FULL, bound=ALL) == FULL


def test_draft_halves_size_and_steps_and_nothing_else() -> None:
    assert at_tier(FULL, Tier.DRAFT, bound=ALL) == FULL | {"width": 416, "height": 240, "steps": 10}


def test_what_is_not_bound_is_not_scaled() -> None:
    assert at_tier(FULL, Tier.DRAFT, bound={"steps"}) == FULL | {"steps": 10}


def test_one_side_alone_is_not_scaled_since_that_changes_the_shape() -> None:
    assert at_tier(FULL, Tier.DRAFT, bound={"width"}) == FULL


def test_steps_have_a_floor_but_never_grow() -> None:
    assert at_tier(FULL | {"steps": 6}, Tier.DRAFT, bound=ALL)["steps"] == 4
    assert at_tier(FULL | {"steps": 3}, Tier.DRAFT, bound=ALL)["steps"] == 3


def test_missing_values_stay_missing() -> None:
    parameters = {"seed": 1, "width": None, "height": None, "steps": None}
    assert at_tier(parameters, Tier.DRAFT, bound=ALL) == parameters


def test_a_size_that_would_become_too_small_stays() -> None:
    assert draft_size(100, 64, size_multiple=8) == (100, 64)


@pytest.mark.parametrize(
    ("full", "multiple", "draft"),
    [
        ((512, 512), 8, (256, 256)),
        ((720, 480), 16, (352, 240)),
        ((1280, 720), 8, (640, 360)),
        ((512, 512), 24, (264, 264)),
    ],
)
def test_drafts_of_usual_sizes(full: tuple[int, int], multiple: int, draft: tuple[int, int]) -> None:
    assert draft_size(*full, size_multiple=multiple) == draft


@given(width=st.integers(128, 4096), height=st.integers(128, 4096), multiple=st.sampled_from([1, 2, 8, 16, 32]))
def test_a_draft_is_legal_smaller_and_of_nearly_the_same_shape(width: int, height: int, multiple: int) -> None:
    draft_width, draft_height = draft_size(width, height, size_multiple=multiple)
    assert draft_width % multiple == 0
    assert draft_height % multiple == 0
    assert draft_width <= width
    assert draft_height <= height
    slack = multiple / min(draft_width, draft_height)
    assert abs(draft_width / draft_height / (width / height) - 1) <= slack


def test_rounding_never_makes_a_draft_larger_than_full() -> None:
    assert draft_size(519, 519, size_multiple=8, scale=DraftScale(size=1.0)) == (512, 512)


def test_the_scale_can_be_set() -> None:
    scale = DraftScale(size=0.25, steps=0.3, minimum_steps=2)
    draft = at_tier(FULL | {"width": 1024, "height": 1024}, Tier.DRAFT, bound=ALL, scale=scale)
    assert (draft["width"], draft["height"], draft["steps"]) == (256, 256, 6)
