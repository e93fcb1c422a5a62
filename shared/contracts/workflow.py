"""Workflow graphs in ComfyUI's API format, and the named bindings by which Rushes sets their inputs.

A graph is `{"<node id>": {"class_type": str, "inputs": {name: constant | ["<node id>", slot]}, "_meta": {...}}}`.
"""

import math
from graphlib import CycleError, TopologicalSorter
from typing import Any

from pydantic import Field

from shared.contracts.base import Contract

HOW_TO_EXPORT = (
    "this is a workflow in ComfyUI's UI format; export the API format instead: "
    "in ComfyUI choose Workflow > Export (API), and publish that file"
)

MAX_NODES = 5_000


class NodeInput(Contract):
    """An input of a node that Rushes sets."""

    node: str
    input: str


class NodeOutput(Contract):
    """A node whose saved files Rushes collects."""

    node: str


class Bindings(Contract):
    """Names for the places in a graph that Rushes fills or reads. Only what the graph has is bound."""

    seed_image: NodeInput
    video_output: NodeOutput
    seed: NodeInput | None = None
    cfg: NodeInput | None = None
    steps: NodeInput | None = None
    sampler: NodeInput | None = None
    prompt: NodeInput | None = None
    negative_prompt: NodeInput | None = None
    lora_name: NodeInput | None = None
    lora_strength: NodeInput | None = None
    model_name: NodeInput | None = None
    width: NodeInput | None = None
    height: NodeInput | None = None
    frames: NodeInput | None = None
    fps: NodeInput | None = None
    size_multiple: int = Field(
        default=8, ge=1, le=128, description="width and height must be multiples of this many pixels"
    )

    def inputs(self) -> dict[str, NodeInput]:
        """The bound inputs by name."""
        return {name: bound for name in type(self).model_fields if isinstance(bound := getattr(self, name), NodeInput)}


NUMERIC_BINDINGS = frozenset({"seed", "cfg", "steps", "lora_strength", "width", "height", "frames", "fps"})
WHOLE_BINDINGS = frozenset({"seed", "steps", "width", "height", "frames"})


def problems_of_graph(graph: Any) -> list[str]:
    """What keeps a graph from being rendered, in words a person can act on; empty when it is sound.

    A node without `inputs` is refused although ComfyUI answers 200 to it: it kills the server's only worker.
    """
    if not isinstance(graph, dict) or not graph:
        return ["the workflow must be a JSON object of nodes by id"]
    if isinstance(graph.get("nodes"), list):
        return [HOW_TO_EXPORT]
    if isinstance(graph.get("prompt"), dict) and "class_type" not in graph["prompt"]:
        return ['this is the body of a request to ComfyUI; publish what it holds under "prompt"']
    if len(graph) > MAX_NODES:
        return [f"the workflow has {len(graph)} nodes; the limit is {MAX_NODES}"]
    problems = [problem for node_id, node in graph.items() for problem in _problems_of_node(node_id, node)]
    if not problems:
        problems = [problem for node_id in graph for problem in _problems_of_links(graph, node_id)]
    return problems or _problems_of_order(graph)


def problems_of_bindings(graph: dict[str, Any], bindings: Bindings) -> list[str]:
    """Bindings that point at nothing, at an input that cannot take their kind of value, or at the same place."""
    problems = _problems_of_places(bindings)
    if bindings.video_output.node not in graph:
        problems.append(
            f"binding video_output names node {bindings.video_output.node!r}, which the workflow does not have"
        )
    for name, bound in bindings.inputs().items():
        node = graph.get(bound.node)
        if node is None:
            problems.append(f"binding {name} names node {bound.node!r}, which the workflow does not have")
        elif bound.input not in node["inputs"]:
            known = ", ".join(sorted(node["inputs"])) or "none"
            problems.append(
                f"binding {name} names input {bound.input!r} of node {bound.node!r} ({node['class_type']}); "
                f"its inputs: {known}"
            )
        elif problem := _problem_of_type(name, node["inputs"][bound.input]):
            problems.append(f"binding {name} (node {bound.node!r}, input {bound.input!r}): {problem}")
    return problems


def _problems_of_places(bindings: Bindings) -> list[str]:
    """One of two values for the same input would be lost without a word."""
    names: dict[tuple[str, str], list[str]] = {}
    for name, bound in bindings.inputs().items():
        names.setdefault((bound.node, bound.input), []).append(name)
    return [
        f"bindings {' and '.join(same)} all name input {place[1]!r} of node {place[0]!r}; bind one of them"
        for place, same in names.items()
        if len(same) > 1
    ]


def _problem_of_type(name: str, present: Any) -> str | None:
    if isinstance(present, list):
        return "the input is fed by another node; bind the node that holds the constant"
    if name not in NUMERIC_BINDINGS:
        return None if isinstance(present, str) else f"needs a text, the workflow has {_kind(present)} there"
    number = number_in(present)
    if number is None:
        return f"needs a number, the workflow has {_kind(present)} there"
    if name in WHOLE_BINDINGS and number != int(number):
        return f"needs a whole number, the workflow has {present} there"
    return None


def number_in(present: Any) -> float | None:
    """The number that an input holds; None when it holds something else. A text with a number in it is one: ComfyUI
    converts it.
    """
    if isinstance(present, bool) or not isinstance(present, int | float | str):
        return None
    try:
        number = float(present)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _kind(present: Any) -> str:
    return repr(present) if isinstance(present, str | bool | int | float) else type(present).__name__


def _problems_of_node(node_id: str, node: Any) -> list[str]:
    if not isinstance(node, dict):
        return [f"node {node_id!r} must be an object"]
    problems = []
    if not isinstance(node.get("class_type"), str):
        problems.append(f"node {node_id!r} has no class_type")
    if not isinstance(node.get("inputs"), dict):
        problems.append(f'node {node_id!r} has no inputs; add "inputs": {{}} where it needs none')
    return problems


def _links(node: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    return [
        (name, value[0], value[1])
        for name, value in node["inputs"].items()
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
    ]


def _problems_of_links(graph: dict[str, Any], node_id: str) -> list[str]:
    """A link by a number is none to ComfyUI, whose answer to it nobody could understand."""
    return [
        f"node {node_id!r}, input {name!r} is fed by node {source!r}, slot {slot!r}, which the workflow does not have"
        for name, source, slot in _links(graph[node_id])
        if source not in graph or not isinstance(slot, int) or slot < 0
    ] + [
        f"node {node_id!r}, input {name!r} names node {value[0]} by a number; write its id as a text: "
        f'["{value[0]}", {value[1]}]'
        for name, value in graph[node_id]["inputs"].items()
        if isinstance(value, list) and [type(part) for part in value] == [int, int] and str(value[0]) in graph
    ]


def _problems_of_order(graph: dict[str, Any]) -> list[str]:
    order = {node_id: {source for _, source, _ in _links(node)} for node_id, node in graph.items()}
    try:
        TopologicalSorter(order).prepare()
    except CycleError as error:
        return [f"the workflow has a cycle: {' -> '.join(error.args[1])}"]
    return []
