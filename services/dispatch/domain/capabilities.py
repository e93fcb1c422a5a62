"""What a render server can do, as far as a workflow needs it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.dispatch.domain.environment import MODEL_SUFFIXES
from services.dispatch.domain.scenes import Json


def capabilities_of(object_info: Json) -> dict[str, Any]:
    """The part of a server's node descriptions that is kept: its node classes, and the files each input offers."""
    return {
        "node_classes": sorted(object_info),
        "files": {
            name: offered
            for name, description in object_info.items()
            if (offered := dict(_offered_files(description.get("input", {}))))
        },
    }


def _offered_files(inputs: Json) -> Iterator[tuple[str, list[str]]]:
    for group in ("required", "optional"):
        for name, kind in (inputs.get(group) or {}).items():
            choices = _choices(kind)
            if choices is not None and (not choices or any(_is_model_file(choice) for choice in choices)):
                yield name, [choice for choice in choices if isinstance(choice, str)]


def _choices(kind: Any) -> Sequence[Any] | None:
    """Older servers list the choices in place of the type, newer ones say COMBO and list them as options.

    A server without a single file of a sort offers an empty list. None: no choice, or one that is not listed here.
    """
    if not isinstance(kind, Sequence) or isinstance(kind, str) or not kind:
        return None
    if isinstance(kind[0], list):
        return kind[0]
    if kind[0] == "COMBO" and len(kind) > 1 and isinstance(kind[1], Mapping):
        options = kind[1].get("options")
        return options if isinstance(options, list) and "remote" not in kind[1] else None
    return None


def _is_model_file(value: Any) -> bool:
    return isinstance(value, str) and value.lower().endswith(MODEL_SUFFIXES)


def requirements_of(graph: Json) -> dict[str, Any]:
    """What a filled graph needs of a server: its node classes, and [class, input, file name] of each model file."""
    files = [
        [node["class_type"], name, value]
        for node in graph.values()
        for name, value in node["inputs"].items()
        if _is_model_file(value)
    ]
    return {"node_classes": list(dict.fromkeys(node["class_type"] for node in graph.values())), "files": files}


def missing(requirements: Json, capabilities: Json | None) -> list[str]:
    """What a server lacks; empty when nothing, or when the server never said what it has."""
    if not capabilities or not capabilities["node_classes"]:
        return []
    known, offered = set(capabilities["node_classes"]), capabilities["files"]
    lacks = [f"node class {name}" for name in requirements["node_classes"] if name not in known]
    for name, input_name, file in requirements["files"]:
        choices = offered.get(name, {}).get(input_name)
        if choices is not None and file not in choices:
            lacks.append(f"file {file} for {name}.{input_name}")
    return list(dict.fromkeys(lacks))


def lacking(graph: Json, capabilities: Json | None) -> list[str]:
    """What a server lacks to run a filled graph."""
    return missing(requirements_of(graph), capabilities)


def lacking_file(name: str, capabilities: Json | None) -> list[str]:
    """For a LoRA or a model, which any loader may load: whether some input offers it."""
    if not capabilities or not capabilities["node_classes"]:
        return []
    offered = (choices for inputs in capabilities["files"].values() for choices in inputs.values())
    return [] if any(name in choices for choices in offered) else [f"file {name}"]


def with_files(graph: Json, inputs: Mapping[str, tuple[str, str]], files: Mapping[str, str]) -> dict[str, Any]:
    """The graph as far as servers differ about it: with the file names that its assets bring."""
    filled: dict[str, Any] = {node_id: {**node, "inputs": dict(node["inputs"])} for node_id, node in graph.items()}
    for binding, file_name in files.items():
        if binding in inputs:
            node_id, input_name = inputs[binding]
            filled[node_id]["inputs"][input_name] = file_name
    return filled
