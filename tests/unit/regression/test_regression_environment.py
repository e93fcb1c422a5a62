"""Two renders are compared only if nothing differs but the asset under test."""

from dataclasses import replace

import pytest

from services.regression.domain.environment import UnderTest, differences
from services.regression.domain.judgement import Verdict
from services.regression.domain.locks import LockedVersion, replaced, under_test, would_test
from tests.support.judging import ENGINE, GOOD, render, rulebook, steady

LORA_1 = LockedVersion(
    asset_id=7, version_id=71, kind="lora", name="anna", version=1, checksum="a", file_name="anna_v1"
)
LORA_2 = replace(LORA_1, version_id=72, version=2, file_name="anna_v2")
GRAPH_1 = LockedVersion(asset_id=8, version_id=81, kind="workflow", name="i2v", version=1, checksum="g")
GRAPH_2 = replace(GRAPH_1, version_id=82, version=2)
LOCK = (GRAPH_1, LORA_1)


def test_equal_environments_do_not_differ() -> None:
    assert differences([ENGINE], ENGINE) == ()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"engine": "ComfyUI 0.4"}, "render engine was ComfyUI 0.3.64, is ComfyUI 0.4"),
        ({"torch": "2.8"}, "torch was 2.9, is 2.8"),
        ({"device": None}, "device was H200, is unknown"),
        ({"node_classes": ("Other",)}, "node classes differ (gone: KSampler; new: Other)"),
        ({"model_files": (("anna_v1", "b"),)}, "model file anna_v1 has another content"),
        ({"model_files": (("anna_v2", "a"),)}, "model files differ (gone: anna_v1; new: anna_v2)"),
    ],
)
def test_each_difference_is_told(change: dict[str, object], told: str) -> None:
    assert differences([ENGINE], replace(ENGINE, **change)) == (told,)  # type: ignore[arg-type]


def test_another_file_of_the_lora_under_test_is_no_difference() -> None:
    new = replace(ENGINE, model_files=(("anna_v2", "b"),))
    assert differences([ENGINE], new, under_test(LOCK, LORA_2)) == ()


def test_a_workflow_under_test_brings_its_own_nodes_and_files() -> None:
    new = replace(ENGINE, node_classes=("Other",), model_files=(("anna_v1", "a"), ("vae", "v")))
    assert differences([ENGINE], new, under_test(LOCK, GRAPH_2)) == ()


def test_a_file_that_both_graphs_use_must_be_the_same() -> None:
    new = replace(ENGINE, model_files=(("anna_v1", "b"),))
    assert differences([ENGINE], new, under_test(LOCK, GRAPH_2)) == ("model file anna_v1 has another content",)


def test_a_checksum_that_cannot_be_read_is_no_evidence() -> None:
    assert differences([ENGINE], replace(ENGINE, model_files=(("anna_v1", None),))) == ()


def test_any_of_the_servers_that_rendered_the_baseline_will_do() -> None:
    other = replace(ENGINE, device="RTX 5090")
    assert differences([ENGINE, other], other) == ()


def test_a_changed_environment_is_not_comparable_even_if_the_picture_is_worse() -> None:
    from services.regression.domain.judgement import judge

    new = render(dict(GOOD) | {"identity_similarity": 0.1}, environment=replace(ENGINE, torch="2.8"))
    judgement = judge(baseline=steady(), render=new, rules=rulebook(), under_test=UnderTest())
    assert judgement.verdict is Verdict.NOT_COMPARABLE and not judgement.remeasure
    assert judgement.summary == "not comparable: the environment changed: torch was 2.9, is 2.8"
    assert judgement.segments[0].verdict is Verdict.DEGRADED


def test_only_the_version_under_test_is_exchanged_in_the_lock() -> None:
    assert replaced(LOCK, LORA_2) == (GRAPH_1, LORA_2)
    assert replaced(LOCK, None) == LOCK


def test_a_lock_is_tested_only_by_another_version_of_what_it_holds() -> None:
    assert would_test(LOCK, LORA_2)
    assert not would_test(LOCK, LORA_1)
    assert not would_test((GRAPH_1,), LORA_2)
