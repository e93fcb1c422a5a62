"""Graphs and bindings that cannot be rendered are refused in words a person can act on."""

from typing import Any

import pytest

from shared.contracts.workflow import Bindings, NodeInput, NodeOutput, problems_of_bindings, problems_of_graph


def graph() -> dict[str, Any]:
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "seed.png"}},
        "2": {
            "class_type": "KSampler",
            "inputs": {
                "image": ["1", 0],
                "seed": 7,
                "sampler_name": "euler",
                "denoise": 0.5,
                "limitless": "inf",
                "tiled": True,
                "part": "0.5",
                "amount": "12",
            },
        },
        "3": {"class_type": "SaveVideo", "inputs": {"video": ["2", 0], "filename_prefix": "clip"}},
    }


def bindings(**more: NodeInput) -> Bindings:
    return Bindings(seed_image=NodeInput(node="1", input="image"), video_output=NodeOutput(node="3"), **more)


def test_a_sound_graph_has_no_problems() -> None:
    assert problems_of_graph(graph()) == []
    assert problems_of_bindings(graph(), bindings(seed=NodeInput(node="2", input="seed"))) == []


def test_a_number_may_be_written_as_a_text_as_the_engine_converts_it() -> None:
    assert problems_of_bindings(graph(), bindings(frames=NodeInput(node="2", input="amount"))) == []


def test_the_ui_format_is_refused_with_the_way_to_export() -> None:
    (problem,) = problems_of_graph({"nodes": [{"id": 1}], "links": [], "version": 0.4})
    assert "Export (API)" in problem


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"2": {"class_type": "KSampler"}}, "no inputs"),
        ({"2": {"inputs": {}}}, "no class_type"),
        ({"2": "text"}, "must be an object"),
        ({"2": {"class_type": "KSampler", "inputs": {"image": ["9", 0]}}}, "does not have"),
        ({"2": {"class_type": "KSampler", "inputs": {"image": ["1", "x"]}}}, "does not have"),
        ({"2": {"class_type": "KSampler", "inputs": {"image": [1, 0]}}}, 'as a text: ["1", 0]'),
        ({"prompt": graph()}, 'under "prompt"'),
        ({"2": {"class_type": "KSampler", "inputs": {"image": ["3", 0]}}}, "cycle"),
    ],
)
def test_a_broken_graph_is_refused(change: dict[str, Any], word: str) -> None:
    (problem,) = problems_of_graph(graph() | change)
    assert word in problem


@pytest.mark.parametrize("no_graph", [None, [], {}, "text", 7])
def test_what_is_no_graph_is_refused(no_graph: Any) -> None:
    assert problems_of_graph(no_graph)


@pytest.mark.parametrize(
    ("bound", "word"),
    [
        ({"seed": NodeInput(node="9", input="seed")}, "does not have"),
        ({"seed": NodeInput(node="2", input="noise_seed")}, "its inputs: amount, denoise, image, limitless"),
        ({"seed": NodeInput(node="2", input="sampler_name")}, "needs a number, the workflow has 'euler' there"),
        ({"cfg": NodeInput(node="2", input="limitless")}, "needs a number, the workflow has 'inf' there"),
        ({"cfg": NodeInput(node="2", input="tiled")}, "needs a number, the workflow has True there"),
        ({"frames": NodeInput(node="2", input="part")}, "needs a whole number, the workflow has 0.5 there"),
        ({"sampler": NodeInput(node="2", input="seed")}, "needs a text"),
        ({"width": NodeInput(node="2", input="image")}, "fed by another node"),
        ({"steps": NodeInput(node="2", input="denoise")}, "needs a whole number"),
    ],
)
def test_a_binding_that_points_nowhere_or_at_the_wrong_thing_is_refused(bound: dict[str, Any], word: str) -> None:
    (problem,) = problems_of_bindings(graph(), bindings(**bound))
    assert word in problem


def test_two_bindings_for_one_input_are_refused() -> None:
    place = NodeInput(node="2", input="seed")
    (problem,) = problems_of_bindings(graph(), bindings(seed=place, steps=place))
    assert "seed and steps" in problem


def test_a_video_output_that_is_no_node_is_refused() -> None:
    wrong = Bindings(seed_image=NodeInput(node="1", input="image"), video_output=NodeOutput(node="33"))
    assert "video_output" in problems_of_bindings(graph(), wrong)[0]
