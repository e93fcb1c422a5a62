"""Checks a graph as the real server does, message shapes included, and with the same gaps."""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy.comfyui_standin.folders import Folders
from deploy.comfyui_standin.node_types import JSON, Input, NodeClass

CONVERT: Mapping[str, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}


@dataclass
class Verdict:
    """`error` None means accepted: then `outputs` holds the output nodes that will run."""

    error: JSON | None = None
    outputs: list[str] = field(default_factory=list)
    node_errors: dict[str, JSON] = field(default_factory=dict)


def _error(kind: str, message: str, details: str, **extra: Any) -> JSON:
    return {"type": kind, "message": message, "details": details, "extra_info": extra}


class _Checker:
    """One pass over one graph. `results` remembers (valid, reasons) per node."""

    def __init__(self, graph: JSON, classes: Mapping[str, NodeClass], folders: Folders) -> None:
        self.graph, self.classes, self.folders = graph, classes, folders
        self.results: dict[str, tuple[bool, list[JSON]]] = {}

    def check(self, node_id: str) -> tuple[bool, list[JSON]]:
        """Raises KeyError for a node without `inputs` and for a link to a node that isn't there."""
        if node_id in self.results:
            return self.results[node_id]
        self.results[node_id] = (False, [])
        inputs = self.graph[node_id]["inputs"]
        node = self.classes[self.graph[node_id]["class_type"]]
        errors: list[JSON] = []
        valid = True
        for name, spec in node.inputs.items():
            if name not in inputs:
                if spec.required:
                    errors.append(_error("required_input_missing", "Required input is missing", name, input_name=name))
            elif isinstance(inputs[name], list):
                valid = self._linked(name, spec, inputs[name], errors) and valid
            else:
                self._constant(node, name, spec, inputs, errors)
        self._custom(node, inputs, errors)
        self.results[node_id] = (valid and not errors, errors)
        return self.results[node_id]

    def _linked(self, name: str, spec: Input, value: list[Any], errors: list[JSON]) -> bool:
        config = spec.described(self.folders, unchecked=False)
        if len(value) != 2:
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            extra = {"input_name": name, "input_config": config, "received_value": value}
            errors.append(_error("bad_linked_input", message, name, **extra))
            return True
        source = self.classes[self.graph[value[0]]["class_type"]]
        kind = source.returns[value[1]]
        if spec.kind not in (kind, "*") and not (spec.kind == "COMBO" and kind == "STRING"):
            details = f"{name}, received_type({kind}) mismatch input_type({spec.kind})"
            extra = {"input_name": name, "input_config": config, "received_type": kind, "linked_node": value}
            errors.append(_error("return_type_mismatch", "Return type mismatch between linked nodes", details, **extra))
            return True
        try:
            return self.check(value[0])[0]
        except Exception as problem:  # noqa: BLE001 reported to the client, as the real server does
            extra = {
                "input_name": name,
                "input_config": config,
                "exception_message": str(problem),
                "exception_type": type(problem).__name__,
                "traceback": traceback.format_tb(problem.__traceback__),
                "linked_node": value,
            }
            message = "Exception when validating inner node"
            reason = _error("exception_during_inner_validation", message, str(problem), **extra)
            self.results[value[0]] = (False, [reason])
            return False

    def _constant(self, node: NodeClass, name: str, spec: Input, inputs: JSON, errors: list[JSON]) -> None:
        extra = {"input_name": name, "input_config": spec.described(self.folders, unchecked=False)}
        value = inputs[name]
        try:
            if spec.kind in CONVERT:
                value = inputs[name] = CONVERT[spec.kind](value)
        except (TypeError, ValueError) as problem:
            extra |= {"received_value": value, "exception_message": str(problem)}
            message = f"Failed to convert an input value to a {spec.kind} value"
            errors.append(_error("invalid_input_type", message, f"{name}, {value}, {problem}", **extra))
            return
        extra["received_value"] = value
        low, high = spec.extra.get("min"), spec.extra.get("max")
        if low is not None and value < low:
            errors.append(_error("value_smaller_than_min", f"Value {value} smaller than min of {low}", name, **extra))
        elif high is not None and value > high:
            errors.append(_error("value_bigger_than_max", f"Value {value} bigger than max of {high}", name, **extra))
        elif spec.options and not node.unchecked_choices and node.check is None:
            choices = spec.options(self.folders)
            if value not in choices:
                details = f"{name}: '{value}' not in {choices}"
                errors.append(_error("value_not_in_list", "Value not in list", details, **extra))

    def _custom(self, node: NodeClass, inputs: JSON, errors: list[JSON]) -> None:
        problem = node.check(self.folders, inputs) if node.check else None
        if problem:
            name = next(iter(node.inputs))
            message = "Custom validation failed for node"
            errors.append(_error("custom_validation_failed", message, f"{name} - {problem}", input_name=name))


def _output_nodes(graph: JSON, classes: Mapping[str, NodeClass], wanted: list[str] | None) -> list[str] | JSON:
    found = []
    for node_id, node in graph.items():
        if "class_type" not in node:
            message = "Cannot execute because a node is missing the class_type property."
            return _error("invalid_prompt", message, f"Node ID '#{node_id}'")
        known = classes.get(node["class_type"])
        if known is None:
            message = f"Cannot execute because node {node['class_type']} does not exist."
            return _error("invalid_prompt", message, f"Node ID '#{node_id}'")
        if known.output_node and (wanted is None or node_id in wanted):
            found.append(node_id)
    return found


def validate(graph: JSON, classes: Mapping[str, NodeClass], folders: Folders, wanted: list[str] | None) -> Verdict:
    """Numbers given as text are converted in place. A static cycle makes its outputs invalid without any message."""
    outputs = _output_nodes(graph, classes, wanted)
    if isinstance(outputs, dict):
        return Verdict(error=outputs)
    if not outputs:
        return Verdict(error=_error("prompt_no_outputs", "Prompt has no outputs", ""))
    checker = _Checker(graph, classes, folders)
    verdict = Verdict()
    details: list[str] = []
    for output in outputs:
        try:
            valid, reasons = checker.check(output)
        except Exception as problem:  # noqa: BLE001 reported to the client, as the real server does
            extra = {"exception_type": type(problem).__name__, "traceback": traceback.format_tb(problem.__traceback__)}
            message = "Exception when validating node"
            valid, reasons = False, [_error("exception_during_validation", message, str(problem), **extra)]
            checker.results[output] = (valid, reasons)
        if valid:
            verdict.outputs.append(output)
            continue
        details += [f"{reason['message']}: {reason['details']}" for reason in reasons]
        _collect(checker, output, verdict)
    if not verdict.outputs:
        message = "Prompt outputs failed validation"
        verdict.error = _error("prompt_outputs_failed_validation", message, "\n".join(details))
    return verdict


def _collect(checker: _Checker, output: str, verdict: Verdict) -> None:
    """A node whose only fault is a faulty node before it is not named."""
    for node_id, (valid, reasons) in checker.results.items():
        if valid or not reasons or node_id not in checker.graph:
            continue
        shown = {"errors": reasons, "dependent_outputs": [], "class_type": checker.graph[node_id]["class_type"]}
        verdict.node_errors.setdefault(node_id, shown)["dependent_outputs"].append(output)
