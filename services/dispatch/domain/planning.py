"""From what a person asked for to parameters that can be rendered again exactly."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.dispatch.domain.errors import Unacceptable
from services.dispatch.domain.scenes import Json, SegmentPlan

SEED_BITS = 53
"""Derived seeds stay below 2^53: every JSON reader keeps them exact, and every seed input of a graph takes them."""

PARAMETERS = (
    "prompt",
    "negative_prompt",
    "cfg",
    "steps",
    "sampler",
    "lora_strength",
    "width",
    "height",
    "frames",
    "fps",
)
"""Named like the bindings they travel through. The seed is apart: it belongs to a position, not to a kind of scene."""

LEFT_TO_THE_NODE = frozenset({"steps", "width", "height", "frames", "fps"})
"""Where zero is no value of its own."""

MAX_SEGMENTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A graph in API format and the names of the inputs that may be set: binding name -> (node id, input name)."""

    name: str
    graph: Json
    inputs: Mapping[str, tuple[str, str]]

    def constant(self, binding: str) -> Any:
        """The graph's own value where a binding points; None when the graph does not have this binding, or decides
        itself: a zero tells a node to work the value out, such as one side of a picture from the other.
        """
        place = self.inputs.get(binding)
        if place is None:
            return None
        node, name = place
        value = self.graph[node]["inputs"].get(name)
        return None if binding in LEFT_TO_THE_NODE and value in (0, "0") else value


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneOrder:
    """What a person asked for. `per_position` overrides `overrides`, which overrides the scene type."""

    segment_count: int
    base_seed: int
    seeds: Mapping[int, int] = field(default_factory=dict)
    overrides: Json = field(default_factory=dict)
    per_position: Mapping[int, Json] = field(default_factory=dict)


def derived_seed(base_seed: int, position: int) -> int:
    """The seed of a position: the base seed itself for the first, a hash of both for the others.

    Neighbours must not get neighbouring seeds: some samplers draw nearly the same noise for them.
    """
    if position == 1:
        return base_seed
    digest = hashlib.sha256(f"rushes segment seed {base_seed} {position}".encode()).digest()
    return int.from_bytes(digest[:8]) >> (64 - SEED_BITS)


def plan(order: SceneOrder, *, defaults: Json, workflow: Workflow) -> list[SegmentPlan]:
    """Every position with every value explicit: order over scene type over the graph's own constant.

    A parameter that the graph does not bind stays None: the graph decides, and nothing is expected of the clip.
    Raises Unacceptable when a value was asked for that the graph has no place for, or a position does not exist.
    """
    if not 1 <= order.segment_count <= MAX_SEGMENTS:
        raise Unacceptable(f"segment_count is {order.segment_count}; it must be between 1 and {MAX_SEGMENTS}")
    _refuse_unknown_positions(order)
    _refuse_unbound(order, workflow)
    return [
        SegmentPlan(position=position, parameters=_parameters(order, position, defaults=defaults, workflow=workflow))
        for position in range(1, order.segment_count + 1)
    ]


def _parameters(order: SceneOrder, position: int, *, defaults: Json, workflow: Workflow) -> Json:
    layers = (order.per_position.get(position, {}), order.overrides, defaults)
    values: dict[str, Any] = {"seed": order.seeds.get(position, derived_seed(order.base_seed, position))}
    for name in PARAMETERS:
        asked = next((layer[name] for layer in layers if layer.get(name) is not None), None)
        bound = name in workflow.inputs
        values[name] = (asked if asked is not None else workflow.constant(name)) if bound else None
    return values


def _refuse_unknown_positions(order: SceneOrder) -> None:
    known = range(1, order.segment_count + 1)
    wrong = sorted({p for p in (*order.seeds, *order.per_position) if p not in known})
    if wrong:
        raise Unacceptable(
            f"position {wrong[0]} does not exist: the scene has segments 1 to {order.segment_count}; "
            "change the position or the segment_count"
        )


def _refuse_unbound(order: SceneOrder, workflow: Workflow) -> None:
    asked = {n for layer in (order.overrides, *order.per_position.values()) for n, v in layer.items() if v is not None}
    unbound = sorted(asked - set(workflow.inputs))
    if unbound:
        bound = ", ".join(sorted(set(workflow.inputs) & set(PARAMETERS))) or "none of them"
        raise Unacceptable(
            f"workflow {workflow.name!r} has no binding for {', '.join(unbound)}; it binds {bound}. "
            "Leave the parameter out, or publish a version of the workflow that binds it"
        )


def refuse_assets_without_place(workflow: Workflow, kinds: Sequence[str]) -> None:
    """A LoRA or model that the graph cannot be told about would silently not be used."""
    for kind, binding in (("lora", "lora_name"), ("model", "model_name")):
        if kind in kinds and binding not in workflow.inputs:
            raise Unacceptable(
                f"workflow {workflow.name!r} has no binding {binding}, so a {kind} cannot be given to it; "
                f"leave out {kind}_id, or publish a version of the workflow with that binding"
            )
