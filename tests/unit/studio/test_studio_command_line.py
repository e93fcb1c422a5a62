"""What the commands print, write and exit with."""

import io
import json
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from services.studio.cli.app import main
from services.studio.cli.demo.inputs import LORA_VERSIONS, Inputs
from services.studio.cli.demo.told import Render, Run, Told
from services.studio.cli.junit import junit_xml
from services.studio.cli.regression import exit_code
from services.studio.cli.text import print_run
from services.studio.domain.reading import run_view
from services.studio.domain.report import RunView
from shared.contracts.workflow import Bindings, problems_of_bindings, problems_of_graph
from tests.support.studio import degraded_report, metric, reference, report, segment

A, B = "a" * 64, "b" * 64


def passed(**changed: Any) -> RunView:
    segments = [segment(1, baseline=A, new=B, metrics=[metric("sharpness")])]
    told = report([reference(segments, verdict="same", worst=None, reason="same")], outcome="passed", **changed)
    return run_view(told)


@pytest.mark.parametrize(
    ("outcome", "code"), [("passed", 0), ("degraded", 1), ("inconclusive", 2), ("cancelled", 2), ("failed", 2)]
)
def test_the_exit_code_tells_degraded_from_unknown(outcome: str, code: int) -> None:
    assert exit_code(run_view(report([], outcome=outcome))) == code


def test_a_junit_file_has_a_failure_per_degraded_segment_and_an_error_per_failed_render() -> None:
    suite = ElementTree.fromstring(junit_xml(run_view(degraded_report(baseline=A, new=B)))).find("testsuite")
    assert suite is not None
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3", "failures": "1", "errors": "1", "skipped": "0",
    }  # fmt: skip
    (failure,) = suite.iter("failure")
    assert failure.get("message") == "Identity 0.984 → 0.713 (limit 0.05, worst at frame 17)"
    (error,) = suite.iter("error")
    assert "CUDA out of memory" in str(error.get("message"))


def test_what_could_not_be_compared_is_skipped_not_passed() -> None:
    told = report(
        [reference([], verdict="not_comparable", worst=None, reason="another engine")], outcome="inconclusive"
    )
    suite = ElementTree.fromstring(junit_xml(run_view(told))).find("testsuite")
    assert suite is not None
    assert suite.get("skipped") == "1"


def test_control_characters_of_a_message_do_not_spoil_the_file() -> None:
    told = degraded_report(baseline=A, new=B)
    told["references"][0]["segments"][2]["failure"]["message"] = "\x1b[31mred\x00 & <b>"
    ElementTree.fromstring(junit_xml(run_view(told)))


def test_a_report_on_a_terminal_names_what_changed_and_where_to_look() -> None:
    out = io.StringIO()
    print_run(Console(file=out, width=140), run_view(degraded_report(baseline=A, new=B)), url="http://r")
    text = out.getvalue()
    assert "degraded" in text
    assert "Identity" in text
    assert "−0.271" in text
    assert "http://r/reports/regression/5" in text
    assert "Flicker" not in text


def test_wrong_usage_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["regression", "run"])
    assert end.value.code == 2


def test_an_api_that_is_away_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("RUSHES_TOKEN", "t")
    monkeypatch.setattr("services.studio.cli.client.TRIES", 1)
    with pytest.raises(SystemExit) as end:
        main(["regression", "list"])
    told = capsys.readouterr()
    assert (end.value.code, told.out) == (2, "")
    assert told.err.startswith("rushes: nobody answers at http://127.0.0.1:1")
    assert told.err.count("\n") == 1


def test_a_stack_that_does_not_run_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("RUSHES_HOME", str(tmp_path))
    with pytest.raises(SystemExit) as end:
        main(["status"])
    assert end.value.code == 2
    assert capsys.readouterr().err


def test_the_demos_graph_and_bindings_can_be_published() -> None:
    inputs = Inputs(mark="x", lora_folders=())
    graph, bindings = inputs.graph(), Bindings.model_validate(inputs.bindings())
    assert problems_of_graph(graph) == []
    assert problems_of_bindings(graph, bindings) == []
    assert inputs.photograph().startswith(b"\x89PNG")


def test_every_lora_version_is_another_file_in_every_servers_folder(tmp_path: Any) -> None:
    inputs = Inputs(mark="x", lora_folders=(tmp_path / "one", tmp_path / "two"))
    files = [inputs.lora(version + 1) for version in range(len(LORA_VERSIONS))]
    assert len({file.read_bytes() for file in files}) == len({file.name for file in files}) == 3
    assert all((tmp_path / "two" / file.name).read_bytes() == file.read_bytes() for file in files)


def render(purpose: str, position: int, prompt: str, seconds: float) -> Render:
    return Render(
        scene_id=1,
        purpose=purpose,
        tier="full" if purpose == "scene" else "draft",
        position=position,
        prompt_id=prompt,
        server="s",
        clip_sha256=A,
        frame_digest=A,
        queued_seconds=0.1,
        render_seconds=seconds,
    )


def told(**changed: Any) -> Told:
    """A play in which the story held; what it is made of can be changed."""
    drifted = run_view(degraded_report(baseline=A, new=B))
    proven = {"state": "proven", "reason": None, "requested_by": "x", "proof_run_id": 6}
    prompts = [one.prompt_id for one in drifted.references[0].segments]
    parts: dict[str, Any] = {
        "url": "http://r",
        "mark": "x",
        "steps": (),
        "scene_id": 1,
        "reference": {"id": 3},
        "drifted": Run(report={}, view=drifted, seconds=9.0),
        "rollback": run_view(degraded_report(baseline=A, new=B, rollback=proven)),
        "proof": Run(report={}, view=passed(), seconds=8.0),
        "harmless": Run(report={}, view=passed(), seconds=7.0),
        "accepted": True,
        "renders": (
            *(render("scene", position, f"full-{position}", 10.0) for position in (1, 2, 3)),
            *(render("regression", position, prompt, 2.0) for position, prompt in enumerate(prompts, start=1)),
        ),
    }
    return Told(**(parts | changed))


def test_a_play_that_went_as_told_holds_and_is_one_json_document() -> None:
    play = told()
    assert play.broken() == []
    document = json.loads(json.dumps(play.document()))
    assert document["draft_against_full"]["times_as_fast"] == 5.0
    (found,) = [
        row
        for row in document["runs"]["version_2"]["references"][0]["segments"][1]["metrics"]
        if row["metric"] == "identity_similarity"
    ]
    assert [found[name] for name in ("baseline", "new", "delta", "noise", "limit")] == [
        0.984, 0.713, -0.271, 0.0012, 0.05,
    ]  # fmt: skip
    assert len(document["runs"]["version_2"]["prompt_ids"]) == 3


def degraded(**changed: Any) -> Run:
    return Run(report={}, view=run_view(degraded_report(baseline=A, new=B, **changed)), seconds=1)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"drifted": Run(report={}, view=passed(), seconds=1)}, "called passed, not degraded"),
        ({"drifted": degraded(trigger_type="manual")}, "not by the update"),
        ({"proof": None}, "no rollback"),
        ({"proof": degraded()}, "did not return"),
        ({"harmless": degraded()}, "version 3"),
        ({"accepted": False}, "not accepted"),
        ({"renders": (render("scene", 1, "p", 2.0), render("scene", 2, "p", 2.0))}, "used for two renders"),
    ],
)
def test_a_play_that_went_otherwise_is_said_and_fails(changed: dict[str, Any], said: str) -> None:
    play = told(**changed)
    assert not play.held
    assert any(said in problem for problem in play.broken())
