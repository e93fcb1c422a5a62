"""What makes a test shot: its length, its identity, and whether it fits a scene."""

from typing import Any

import pytest

from services.dispatch.domain.scenes import Tier
from services.dispatch.domain.shots import differences, fingerprint, shot_frames

WORKFLOW = {"kind": "workflow", "name": "portrait", "version": 1, "version_id": 100}
LORA = {"kind": "lora", "name": "look", "version": 3, "version_id": 130}
PARAMETERS = {"seed": 7, "cfg": 4.5, "frames": 48, "fps": 16.0}


@pytest.mark.parametrize(
    ("frames", "fps"), [(81, 16.0), (81, 24.0), (5, 12.0), (1, 8.0), (10_000, 240.0), (49, 16.0), (3, 1.0), (1, 0.9)]
)
def test_a_shot_lasts_two_to_three_seconds(frames: int, fps: float) -> None:
    length = shot_frames(frames, fps)
    assert (length is not None and 2.0 <= length / fps <= 3.0) or fps < 1


@pytest.mark.parametrize("frames", [81, 121, 5, 6])
def test_a_shots_length_keeps_the_step_that_the_model_takes(frames: int) -> None:
    length = shot_frames(frames, 16.0)
    assert length is not None and length % 4 == frames % 4


def test_a_length_that_already_fits_stays() -> None:
    assert shot_frames(40, 16.0) == 40


def test_what_the_graph_decides_stays_undecided() -> None:
    assert shot_frames(None, 16.0) is None
    assert shot_frames(81, None) == 81


def test_the_fingerprint_changes_with_everything_that_goes_into_a_render_and_with_nothing_else() -> None:
    base: dict[str, Any] = {
        "character_id": 2,
        "seed_image_sha256": "a" * 64,
        "tier": Tier.FULL,
        "assets": [WORKFLOW, LORA],
        "parameters": PARAMETERS,
    }
    same = base | {"assets": [LORA, WORKFLOW | {"name": "renamed"}], "parameters": dict(reversed(PARAMETERS.items()))}
    assert fingerprint(**base) == fingerprint(**same)
    changes: tuple[dict[str, Any], ...] = (
        {"character_id": 3},
        {"seed_image_sha256": "b" * 64},
        {"tier": Tier.DRAFT},
        {"assets": [WORKFLOW]},
        {"assets": [WORKFLOW, LORA | {"version_id": 131}]},
        {"parameters": PARAMETERS | {"seed": 8}},
    )
    for change in changes:
        assert fingerprint(**base | change) != fingerprint(**base), change


def test_differences_name_assets_and_parameters_and_say_which_hinder() -> None:
    found = differences(
        PARAMETERS,
        PARAMETERS | {"seed": 9, "cfg": 6.0, "frames": 81},
        first_assets=[WORKFLOW, LORA],
        second_assets=[WORKFLOW],
        first_tier=Tier.DRAFT,
        second_tier=Tier.FULL,
    )
    assert {one.name: one.hinders for one in found} == {
        "tier": True,
        "lora": True,
        "cfg": True,
        "frames": False,
        "seed": False,
    }
    assert [(one.first, one.second) for one in found if one.name == "lora"] == [("look version 3", None)]


def test_a_configuration_does_not_differ_from_itself() -> None:
    assert not differences(
        PARAMETERS,
        PARAMETERS,
        first_assets=[LORA],
        second_assets=[LORA],
        first_tier=Tier.FULL,
        second_tier=Tier.FULL,
    )
