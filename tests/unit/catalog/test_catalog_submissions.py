"""What is refused before a version exists, and in which words."""

from typing import Any

import pytest

from services.catalog import domain
from services.catalog.operations.assets import Submission, content_of
from shared.contracts.workflow import Bindings, NodeInput, NodeOutput

GRAPH: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "seed.png"}},
    "2": {"class_type": "KSampler", "inputs": {"seed": 1, "cfg": 3.5, "latent": ["1", 0]}},
    "3": {"class_type": "SaveVideo", "inputs": {"video": ["2", 0]}},
}
BINDINGS = Bindings(
    seed_image=NodeInput(node="1", input="image"),
    video_output=NodeOutput(node="3"),
    seed=NodeInput(node="2", input="seed"),
)


def refused(kind: domain.AssetKind, **sent: Any) -> str:
    with pytest.raises(domain.Refused) as refusal:
        content_of(kind, Submission(**sent))
    return str(refusal.value)


def test_a_sound_workflow_gets_the_checksum_of_its_graph() -> None:
    content = content_of(domain.AssetKind.WORKFLOW, Submission(graph=GRAPH, bindings=BINDINGS))
    assert content.checksum == domain.checksum_of(GRAPH)
    assert content.bindings is not None and content.bindings["seed"] == {"node": "2", "input": "seed"}


def test_a_workflow_in_ui_format_is_told_how_to_export_even_when_bindings_are_missing() -> None:
    assert "Export (API)" in refused(domain.AssetKind.WORKFLOW, graph={"nodes": [], "links": [], "version": 0.4})


def test_bindings_to_nodes_that_do_not_exist_are_named() -> None:
    wrong = BINDINGS.model_copy(update={"seed": NodeInput(node="99", input="seed")})
    message = refused(domain.AssetKind.WORKFLOW, graph=GRAPH, bindings=wrong)
    assert "seed" in message and "'99'" in message


def test_a_binding_to_an_input_that_the_node_has_not_lists_those_it_has() -> None:
    wrong = BINDINGS.model_copy(update={"cfg": NodeInput(node="2", input="scale")})
    assert "cfg, latent, seed" in refused(domain.AssetKind.WORKFLOW, graph=GRAPH, bindings=wrong)


def test_a_binding_to_an_input_that_another_node_feeds_is_refused() -> None:
    wrong = BINDINGS.model_copy(update={"cfg": NodeInput(node="2", input="latent")})
    assert "fed by another node" in refused(domain.AssetKind.WORKFLOW, graph=GRAPH, bindings=wrong)


def test_a_node_without_inputs_is_refused_because_it_kills_the_render_engine() -> None:
    graph = GRAPH | {"9": {"class_type": "Note"}}
    assert "'9' has no inputs" in refused(domain.AssetKind.WORKFLOW, graph=graph, bindings=BINDINGS)


def test_many_problems_are_cut_short() -> None:
    graph = {str(number): {"class_type": "A"} for number in range(30)}
    assert refused(domain.AssetKind.WORKFLOW, graph=graph, bindings=BINDINGS).endswith("and 20 more")


def test_a_lora_with_a_graph_is_refused() -> None:
    message = refused(domain.AssetKind.LORA, graph=GRAPH, bindings=BINDINGS)
    assert "checksum and file_name" in message


def test_a_lora_is_its_file_name_and_checksum() -> None:
    content = content_of(domain.AssetKind.LORA, Submission(file_name="anna-v1.safetensors", checksum="a" * 64))
    assert (content.file_name, content.checksum, content.graph) == ("anna-v1.safetensors", "a" * 64, None)
