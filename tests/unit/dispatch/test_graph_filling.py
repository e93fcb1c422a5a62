"""Putting values into a workflow's graph."""

import copy
from typing import Any

import pytest

from services.dispatch.domain.errors import Unacceptable
from services.dispatch.domain.graph import fill, number_at

GRAPH: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "old.png"}, "is_changed": ["trusted"]},
    "7": {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 20, "model": ["2", 0]}, "_meta": {"title": "S"}},
    "20": {"class_type": "SaveVideo", "inputs": {"video": ["9", 0], "filename_prefix": "video/old"}},
    "12:3": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": ["30", 0]}},
}
INPUTS = {"seed_image": ("1", "image"), "seed": ("7", "seed"), "steps": ("7", "steps")}


def filled(**values: Any) -> dict[str, Any]:
    ready = fill(GRAPH, inputs=INPUTS, values=values, video_output="20", file_prefix="rushes/job/1/clip")
    return ready.graph


def test_bound_inputs_get_their_values_and_the_rest_stays() -> None:
    graph = filled(seed_image="new.png", seed=9)
    assert graph["1"]["inputs"] == {"image": "new.png"}
    assert graph["7"]["inputs"] == {"seed": 9, "steps": 20, "model": ["2", 0]}
    assert graph["7"]["_meta"] == {"title": "S"}


def test_none_leaves_the_graphs_own_value() -> None:
    assert filled(steps=None)["7"]["inputs"]["steps"] == 20


def test_a_value_without_a_binding_is_refused_and_named() -> None:
    with pytest.raises(Unacceptable, match="cfg"):
        filled(cfg=7.0)


def test_a_none_without_a_binding_is_nothing() -> None:
    assert filled(cfg=None)["7"]["inputs"]["seed"] == 1


def test_every_save_node_gets_a_prefix_of_its_own_even_one_that_was_linked() -> None:
    graph = filled()
    assert graph["20"]["inputs"]["filename_prefix"] == "rushes/job/1/clip_20"
    assert graph["12:3"]["inputs"]["filename_prefix"] == "rushes/job/1/clip_12-3"


def test_what_the_engine_would_trust_blindly_is_not_sent() -> None:
    assert "is_changed" not in filled()["1"]


def test_the_published_graph_is_not_changed() -> None:
    before = copy.deepcopy(GRAPH)
    filled(seed=2)["7"]["inputs"]["model"].append("x")
    assert before == GRAPH


def test_an_output_node_that_does_not_exist_is_refused() -> None:
    with pytest.raises(Unacceptable, match="'99'"):
        fill(GRAPH, inputs=INPUTS, values={}, video_output="99", file_prefix="p")


@pytest.mark.parametrize(
    ("given", "known"), [(12, 12.0), (23.976, 23.976), ("12.5", 12.5), (["9", 0], 24.0), (["8", 0], None)]
)
def test_a_number_is_known_where_it_is_given_or_held_by_a_node_of_its_own(given: Any, known: float | None) -> None:
    graph = {
        "8": {"class_type": "Multiply", "inputs": {"a": 2, "b": 3}},
        "9": {"class_type": "PrimitiveFloat", "inputs": {"value": 24.0}},
        "20": {"class_type": "SaveAnimatedWEBP", "inputs": {"fps": given}},
    }
    assert number_at(graph, "20", "fps") == known


@pytest.mark.parametrize("inputs", [{}, {"fps": "fast"}, {"fps": True}, {"fps": ["99", 0]}, {"fps": []}])
def test_what_is_no_number_is_not_known(inputs: dict[str, Any]) -> None:
    assert number_at({"20": {"class_type": "SaveVideo", "inputs": inputs}}, "20", "fps") is None


def test_a_node_without_inputs_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(Unacceptable, match="'99' has no inputs"):
        fill(GRAPH | {"99": {"class_type": "X"}}, inputs=INPUTS, values={}, video_output="20", file_prefix="p")
