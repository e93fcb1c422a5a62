"""Puts values into a workflow's graph for one attempt. The graph itself was checked when it was published."""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.dispatch.domain.errors import Unacceptable
from services.dispatch.domain.scenes import Json

KEPT = ("class_type", "inputs", "_meta")
"""The parts of a node that are sent. A graph taken from a file's metadata also has `is_changed`, which the engine
trusts: a changed picture would then be ignored."""

NOT_IN_A_FILE_NAME = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A graph to send, and the node whose clip is wanted."""

    graph: dict[str, Any]
    video_output: str


def number_at(graph: Json, node_id: str, input_name: str) -> float | None:
    """The number that a node gets there, given as a constant or by a node that holds nothing else. None: unknown."""
    value = graph[node_id]["inputs"].get(input_name)
    if isinstance(value, list) and value and value[0] in graph:
        held = list(graph[value[0]]["inputs"].values())
        value = held[0] if len(held) == 1 else None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def counted_nodes(graph: Json) -> frozenset[str]:
    """The nodes whose ends tell how far a render is; none where one takes steps: it reports them, and takes nearly all
    of the time, of which the number of nodes would say nothing.
    """
    if any("steps" in node["inputs"] for node in graph.values()):
        return frozenset()
    return frozenset(graph)


def fill(
    graph: Json,
    *,
    inputs: Mapping[str, tuple[str, str]],
    values: Mapping[str, Any],
    video_output: str,
    file_prefix: str,
) -> Ready:
    """Set every bound input whose value isn't None, and give every save node a prefix of its own below `file_prefix`.

    `inputs`: binding name -> (node id, input name). Values without a binding must be None: raises Unacceptable
    otherwise, as silence would render something else than what was asked for; and for a node without `inputs`, which
    would be the end of the server's executor. The given graph is not changed.
    """
    for node_id, node in graph.items():
        if not isinstance(node.get("inputs"), Mapping):
            raise Unacceptable(f'node {node_id!r} has no inputs; publish the workflow with "inputs": {{}} there')
    filled = {
        node_id: {part: copy.deepcopy(node[part]) for part in KEPT if part in node} for node_id, node in graph.items()
    }
    if video_output not in filled:
        raise Unacceptable(f"the workflow has no node {video_output!r} for its video output; publish it with a binding")
    for name, value in values.items():
        if value is None:
            continue
        if name not in inputs:
            raise Unacceptable(
                f"the workflow has no binding for {name}; leave it out, or publish a version that binds it"
            )
        node_id, input_name = inputs[name]
        filled[node_id]["inputs"][input_name] = value
    for node_id, node in filled.items():
        if "filename_prefix" in node["inputs"]:
            node["inputs"]["filename_prefix"] = f"{file_prefix}_{NOT_IN_A_FILE_NAME.sub('-', node_id)}"
    return Ready(graph=filled, video_output=video_output)
