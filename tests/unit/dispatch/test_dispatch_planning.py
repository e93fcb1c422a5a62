"""From a wish to parameters: every value explicit, nothing silently ignored."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatch.domain.environment import asset_values, bound_inputs, model_files, node_classes
from services.dispatch.domain.errors import Unacceptable
from services.dispatch.domain.planning import (
    SEED_BITS,
    SceneOrder,
    Workflow,
    derived_seed,
    plan,
    refuse_assets_without_place,
)
from services.dispatch.operations.parameters import checked_parameters

GRAPH: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    "2": {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 20, "cfg": 6.5}},
    "3": {"class_type": "LoraLoader", "inputs": {"lora_name": "Look.SafeTensors", "strength": 1.0}},
}
WORKFLOW = Workflow(
    name="portrait",
    graph=GRAPH,
    inputs={"seed_image": ("1", "image"), "seed": ("2", "seed"), "steps": ("2", "steps"), "cfg": ("2", "cfg")},
)


def parameters(order: SceneOrder, defaults: dict[str, Any] | None = None) -> list[Any]:
    return [segment.parameters for segment in plan(order, defaults=defaults or {}, workflow=WORKFLOW)]


def test_a_position_beats_the_scene_beats_the_scene_type_beats_the_graph() -> None:
    order = SceneOrder(segment_count=2, base_seed=5, overrides={"cfg": 3.0}, per_position={2: {"cfg": 2.0}})
    first, second = parameters(order, {"cfg": 9.0, "steps": None})
    assert (first["cfg"], second["cfg"]) == (3.0, 2.0)
    assert first["steps"] == 20
    [only] = parameters(SceneOrder(segment_count=1, base_seed=5), {"cfg": 9.0})
    assert only["cfg"] == 9.0


@pytest.mark.parametrize("zero", [0, 0.0, "0"])
def test_a_zero_in_the_graph_leaves_a_size_to_its_node(zero: Any) -> None:
    graph = {"4": {"class_type": "ImageScale", "inputs": {"width": 512, "height": zero}}}
    inputs = {"width": ("4", "width"), "height": ("4", "height")}
    scaling = Workflow(name="scaling", graph=graph, inputs=inputs)
    order = SceneOrder(segment_count=1, base_seed=5)
    [kept] = plan(order, defaults={}, workflow=scaling)
    assert (kept.parameters["width"], kept.parameters["height"]) == (512, None)
    [asked] = plan(order, defaults={"height": 384}, workflow=scaling)
    assert asked.parameters["height"] == 384


def test_a_constant_out_of_range_is_said_with_its_name_and_what_may_be_done() -> None:
    workflow = Workflow(name="tiny", graph={}, inputs={})
    with pytest.raises(Unacceptable, match=r"'tiny': height is 8: .*greater than or equal to 16\. Give the parameter"):
        checked_parameters(2, {"height": 8}, workflow)


def test_a_constant_that_is_a_text_is_planned_as_its_number() -> None:
    found = checked_parameters(1, {"frames": "12", "fps": "12.5"}, Workflow(name="texts", graph={}, inputs={}))
    assert (found["frames"], found["fps"]) == (12, 12.5)


def test_what_the_graph_does_not_bind_is_left_to_the_graph_even_if_the_scene_type_has_a_value() -> None:
    [only] = parameters(SceneOrder(segment_count=1, base_seed=5), {"width": 512, "prompt": "dawn"})
    assert only["width"] is None and only["prompt"] is None


def test_asking_for_what_the_graph_does_not_bind_is_refused_by_name() -> None:
    with pytest.raises(Unacceptable, match="no binding for width; it binds cfg, steps"):
        parameters(SceneOrder(segment_count=1, base_seed=5, overrides={"width": 512}))


@pytest.mark.parametrize("order", [{"seeds": {3: 1}}, {"per_position": {0: {}}}])
def test_a_position_that_does_not_exist_is_refused(order: dict[str, Any]) -> None:
    with pytest.raises(Unacceptable, match="does not exist: the scene has segments 1 to 2"):
        parameters(SceneOrder(segment_count=2, base_seed=5, **order))


@pytest.mark.parametrize("count", [0, 101])
def test_a_scene_has_1_to_100_segments(count: int) -> None:
    with pytest.raises(Unacceptable, match="between 1 and 100"):
        parameters(SceneOrder(segment_count=count, base_seed=5))


def test_given_seeds_are_kept_and_the_others_are_derived() -> None:
    seeds = [p["seed"] for p in parameters(SceneOrder(segment_count=3, base_seed=5, seeds={2: 77}))]
    assert seeds == [5, 77, derived_seed(5, 3)]


@given(st.integers(0, 2**64 - 1))
def test_derived_seeds_are_the_same_every_time_differ_by_position_and_stay_exact_in_json(base: int) -> None:
    derived = [derived_seed(base, position) for position in range(2, 30)]
    assert derived == [derived_seed(base, position) for position in range(2, 30)]
    assert len(set(derived)) == len(derived)
    assert all(0 <= seed < 2**SEED_BITS for seed in derived)


def test_the_seed_of_position_2_is_this_one() -> None:
    """Reference: int(hashlib.sha256(b"rushes segment seed 7 2").hexdigest()[:16], 16) >> 11."""
    assert derived_seed(7, 2) == 3584201028015564


def test_a_lora_the_graph_cannot_be_told_about_is_refused() -> None:
    with pytest.raises(Unacceptable, match="no binding lora_name"):
        refuse_assets_without_place(WORKFLOW, ["workflow", "lora"])
    refuse_assets_without_place(WORKFLOW, ["workflow"])


def test_the_fingerprint_names_every_model_file_and_knows_the_checksums_of_our_assets() -> None:
    assets: list[dict[str, Any]] = [
        {"kind": "lora", "file_name": "Look.SafeTensors", "checksum": "c" * 64},
        {"kind": "workflow", "file_name": None},
    ]
    assert model_files(GRAPH | {"4": {"class_type": "X", "inputs": {"ckpt": "base.ckpt"}}}, assets) == {
        "Look.SafeTensors": "c" * 64,
        "base.ckpt": None,
    }
    assert node_classes(GRAPH) == ("KSampler", "LoadImage", "LoraLoader")
    assert asset_values(assets) == {"lora_name": "Look.SafeTensors"}


def test_outputs_and_settings_among_the_bindings_are_no_inputs() -> None:
    bindings = {"seed": {"node": "2", "input": "seed"}, "video_output": {"node": "9"}, "cfg": None, "size_multiple": 8}
    assert bound_inputs(bindings) == {"seed": ("2", "seed")}
