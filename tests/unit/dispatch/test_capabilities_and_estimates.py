"""Which server can render what, and how long it will take."""

import pytest

from services.dispatch.domain.capabilities import capabilities_of, lacking, lacking_file, with_files
from services.dispatch.domain.estimates import RenderSample, expected_seconds, makespan
from services.dispatch.domain.scenes import Tier

OBJECT_INFO = {
    "CheckpointLoaderSimple": {"input": {"required": {"ckpt_name": [["base.safetensors"], {}]}}},
    "LoraLoader": {"input": {"required": {"lora_name": ["COMBO", {"options": ["look.safetensors"]}]}}},
    "KSampler": {"input": {"required": {"sampler_name": [["euler"]], "steps": ["INT", {"default": 20}]}}},
    "PreviewImage": {},
}
GRAPH = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "base.safetensors"}},
    "2": {"class_type": "LoraLoader", "inputs": {"lora_name": "look.safetensors", "model": ["1", 0]}},
    "3": {"class_type": "KSampler", "inputs": {"sampler_name": "euler", "steps": 4}},
}
KNOWN = capabilities_of(OBJECT_INFO)
SAMPLE = RenderSample(width=64, height=64, frames=10, steps=4, seconds=2.0)


def test_a_server_that_has_everything_lacks_nothing() -> None:
    assert lacking(GRAPH, KNOWN) == []


def test_a_missing_node_class_is_named() -> None:
    assert lacking(GRAPH | {"9": {"class_type": "WanVideo", "inputs": {}}}, KNOWN) == ["node class WanVideo"]


def test_a_missing_model_file_is_named_in_both_ways_servers_list_files() -> None:
    changed = with_files(
        GRAPH,
        {"model_name": ("1", "ckpt_name"), "lora_name": ("2", "lora_name")},
        {"model_name": "other.safetensors", "lora_name": "rare.safetensors"},
    )
    assert lacking(changed, KNOWN) == [
        "file other.safetensors for CheckpointLoaderSimple.ckpt_name",
        "file rare.safetensors for LoraLoader.lora_name",
    ]
    assert lacking(GRAPH, KNOWN) == [], "the graph itself was not changed"


@pytest.mark.parametrize("none", [[[], {}], ["COMBO", {"options": []}]])
def test_a_server_without_a_single_file_of_a_sort_lacks_each(none: list[object]) -> None:
    empty = capabilities_of(OBJECT_INFO | {"LoraLoader": {"input": {"required": {"lora_name": none}}}})
    assert lacking(GRAPH, empty) == ["file look.safetensors for LoraLoader.lora_name"]
    assert lacking_file("look.safetensors", empty) == ["file look.safetensors"]


@pytest.mark.parametrize("unlisted", [["STRING", {}], ["COMBO", {}], ["COMBO", {"options": [], "remote": {}}]])
def test_a_file_that_an_input_takes_without_listing_it_is_not_ruled_out(unlisted: list[object]) -> None:
    loose = capabilities_of(OBJECT_INFO | {"LoraLoader": {"input": {"required": {"lora_name": unlisted}}}})
    assert lacking(GRAPH, loose) == []


def test_a_file_that_no_input_offers_is_lacking_whoever_would_load_it() -> None:
    assert lacking_file("look.safetensors", KNOWN) == []
    assert lacking_file("rare.safetensors", KNOWN) == ["file rare.safetensors"]
    assert lacking_file("rare.safetensors", None) == []


@pytest.mark.parametrize("unknown", [None, {}, capabilities_of({})])
def test_a_server_that_has_not_said_what_it_has_is_not_ruled_out(unknown: dict[str, object] | None) -> None:
    assert lacking(GRAPH, unknown) == []


def test_an_estimate_grows_with_pixels_frames_and_steps() -> None:
    same = {"width": 64, "height": 64, "frames": 10, "steps": 4}
    assert expected_seconds([SAMPLE], same, Tier.FULL) == pytest.approx(2.0)
    assert expected_seconds([SAMPLE], same | {"width": 128}, Tier.FULL) == pytest.approx(4.0)
    assert expected_seconds([SAMPLE], same | {"frames": 30, "steps": 8}, Tier.FULL) == pytest.approx(12.0)


def test_a_draft_is_estimated_at_the_size_it_is_rendered_with() -> None:
    wanted = {"width": 128, "height": 128, "frames": 10, "steps": 8}
    assert expected_seconds([SAMPLE], wanted, Tier.DRAFT) == pytest.approx(2.0)


def test_one_outlier_does_not_move_an_estimate_and_none_is_made_without_a_sample() -> None:
    samples = [SAMPLE, SAMPLE, RenderSample(width=64, height=64, frames=10, steps=4, seconds=500.0)]
    assert expected_seconds(samples, {"frames": 10}, Tier.FULL) == pytest.approx(2.0)
    assert expected_seconds([], {"frames": 10}, Tier.FULL) is None


def test_the_last_render_ends_when_free_servers_take_the_next_ones() -> None:
    assert makespan([3.0, 1.0, 1.0, 1.0], 2) == pytest.approx(3.0)
    assert makespan([1.0, 1.0, 3.0], 2) == pytest.approx(4.0), "in their order, not the best one"
    assert makespan([], 2) == 0
    assert makespan([1.0], 0) is None
