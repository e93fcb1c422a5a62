"""What ComfyUI's socket says becomes a hint about one prompt, or nothing; no message ends the listening."""

import json
from typing import Any

import pytest

from services.dispatch.adapters.comfyui_messages import progress_of
from services.dispatch.adapters.render_server import Progress


def hinted(**told: Any) -> Progress:
    return Progress(**{"prompt_id": "p", "node": None, "fraction": 0.0} | told)


def message(kind: Any, **data: Any) -> str:
    return json.dumps({"type": kind, "data": {"prompt_id": "p", **data}})


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (message("progress", node="3", value=5, max=20), hinted(node="3", fraction=0.25)),
        (message("progress", node="3", value=30, max=20), hinted(node="3", fraction=1.0)),
        (message("progress", node="3", value=-1, max=20), hinted(node="3", fraction=0.0)),
        (message("executing", node="4"), hinted(node="4")),
        (message("executing", node=None), hinted(ended=True)),
        (
            message("execution_cached", nodes=["1", 2]),
            hinted(cached=("1", "2")),
        ),
        (message("execution_error", node_id="7"), hinted(node="7", ended=True)),
        (message("execution_interrupted", node_id="7"), hinted(node="7", ended=True)),
    ],
)
def test_what_is_said_of_a_prompt_is_a_hint(text: str, hint: Progress) -> None:
    assert progress_of(text) == hint


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        "{}",
        '{"type": "progress"}',
        json.dumps({"type": "status", "data": {"status": {}}}),
        json.dumps({"type": "progress", "data": "text"}),
        json.dumps({"type": "executing", "data": {"node": None}}),
        json.dumps({"type": "executing", "data": {"prompt_id": 5, "node": None}}),
        message("progress", node="3"),
        message("progress", node="3", value="half", max=20),
        message("progress", node="3", value=[1], max=20),
        message("execution_cached", nodes=3),
        message("progress_state", nodes={}),
        message({"of": "their own"}),
    ],
)
def test_what_tells_nothing_of_a_prompt_or_has_another_shape_is_passed_over(text: str) -> None:
    assert progress_of(text) is None
