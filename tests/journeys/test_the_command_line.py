"""`rushes` on the whole running system: the demo as one JSON document, exit codes, JUnit, dead letters."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from deploy.local.stack import LocalStack
from tests.support.playing import rushes


@pytest.fixture(scope="module")
def demo(stack: LocalStack) -> dict[str, Any]:
    played = rushes(stack, "demo", "--json")
    assert played.returncode == 0, played.stderr
    document: dict[str, Any] = json.loads(played.stdout)
    return document


def test_the_demo_prints_one_document_in_which_the_story_holds(demo: dict[str, Any]) -> None:
    text = json.dumps(demo)
    assert demo["story_held"] is True
    assert len(demo["steps"]) == 7
    assert all(step["seconds"] >= 0 for step in demo["steps"])
    for word in ("prompt_id", "noise", "limit", "delta", "baseline"):
        assert word in text


def test_a_degraded_run_makes_the_exit_code_1_and_a_failure_in_junit(
    stack: LocalStack, demo: dict[str, Any], tmp_path: Path
) -> None:
    asset = _lora_of(stack, demo)
    junit = tmp_path / "junit.xml"
    bad = rushes(stack, "regression", "run", "--asset", asset, "--version", "2", "--wait", "--junit", str(junit))
    assert bad.returncode == 1, bad.stdout + bad.stderr
    suite = ElementTree.parse(junit).getroot().find("testsuite")
    assert suite is not None
    assert int(suite.attrib["failures"]) >= 1


def test_a_passed_run_makes_the_exit_code_0(stack: LocalStack, demo: dict[str, Any]) -> None:
    good = rushes(stack, "regression", "run", "--asset", _lora_of(stack, demo), "--version", "3", "--wait")
    assert good.returncode == 0, good.stdout + good.stderr


def _lora_of(stack: LocalStack, demo: dict[str, Any]) -> str:
    listed = rushes(stack, "asset", "list").stdout
    return next(word for word in listed.split() if word.startswith("look-") and word.endswith(demo["mark"]))


def test_an_unknown_asset_makes_the_exit_code_2_and_one_line(stack: LocalStack) -> None:
    wrong = rushes(stack, "regression", "run", "--asset", "nobody", "--wait")
    assert wrong.returncode == 2
    assert len(wrong.stderr.strip().splitlines()) == 1
    assert "nobody" in wrong.stderr


def test_there_are_no_dead_letters_after_the_demo(stack: LocalStack, demo: dict[str, Any]) -> None:
    listed = rushes(stack, "dead-letters", "list")
    assert (listed.returncode, listed.stdout.strip()) == (0, "no dead letters"), demo["mark"]


def test_the_drift_of_a_finished_scene_is_told_against_its_first_segment(
    stack: LocalStack, demo: dict[str, Any]
) -> None:
    scenes = json.loads(rushes(stack, "scene", "list", "--json").stdout)
    finished = next(scene for scene in scenes if scene["state"] == "completed")
    asked = rushes(stack, "scene", "drift", str(finished["id"]), "--json")
    assert asked.returncode == 0, asked.stderr
    told = json.loads(asked.stdout)
    positions = [segment["position"] for segment in told["segments"]]
    assert positions == list(range(1, told["segment_count"] + 1)) and len(positions) > 1
    for metric in told["metrics"]:
        values = [each["value"] for each in metric["values"]]
        assert values[0] == 0.0 and None not in values, (demo["mark"], metric)
        assert metric["crossed_at"] is None, metric
