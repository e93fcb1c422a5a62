"""What a render depended on besides its parameters, and what is told to a graph."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.dispatch.domain.scenes import Json

MODEL_SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".sft", ".onnx")
"""File names that render engines load weights from."""


def node_classes(graph: Json) -> tuple[str, ...]:
    return tuple(sorted({str(node["class_type"]) for node in graph.values()}))


def model_files(graph: Json, assets: Sequence[Json]) -> dict[str, str | None]:
    """Every model file the graph names, with its checksum where the asset lock knows it.

    The engine does not let files be read, so a file that is no asset of ours has None: a change of it goes unseen.
    """
    known = {asset["file_name"]: asset["checksum"] for asset in assets if asset.get("file_name")}
    return {name: known.get(name) for name in sorted(set(_model_names(graph)))}


def _model_names(graph: Json) -> Iterator[str]:
    for node in graph.values():
        for value in node["inputs"].values():
            if isinstance(value, str) and value.lower().endswith(MODEL_SUFFIXES):
                yield value


def asset_values(assets: Sequence[Json]) -> dict[str, Any]:
    """Binding name -> file name, for the assets that a graph is told by file."""
    bindings = {"lora": "lora_name", "model": "model_name"}
    return {bindings[asset["kind"]]: asset["file_name"] for asset in assets if asset["kind"] in bindings}


def bound_inputs(bindings: Json) -> dict[str, tuple[str, str]]:
    """Binding name -> (node id, input name), of a workflow's bindings as they are stored."""
    return {
        name: (place["node"], place["input"])
        for name, place in bindings.items()
        if isinstance(place, Mapping) and "input" in place
    }
