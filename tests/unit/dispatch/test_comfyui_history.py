"""Reading what a ComfyUI server says about a prompt: shapes as recorded from a real server."""

from typing import Any

import pytest

from services.dispatch.adapters.comfyui_history import refusal_of, result_of, snapshot_of
from services.dispatch.adapters.render_server import (
    OutputFile,
    PermanentRenderError,
    RenderError,
    RenderInterrupted,
    TransientRenderError,
)

CLIP = {"filename": "still_00001_.mp4", "subfolder": "seg", "type": "output"}


def entry(*messages: tuple[str, dict[str, Any]], status: str = "success", outputs: Any = None) -> dict[str, Any]:
    told = [["execution_start", {"prompt_id": "p", "timestamp": 1000}], *messages]
    outputs = {"20": {"images": [CLIP], "animated": [True]}} if outputs is None else outputs
    return {"outputs": outputs, "status": {"status_str": status, "completed": status == "success", "messages": told}}


def failed(exception_type: str, message: str = "no") -> dict[str, Any]:
    told = {"node_id": "7", "node_type": "KSampler", "exception_type": exception_type, "exception_message": message}
    return entry(("execution_error", told), status="error")


def failure_of(history: dict[str, Any]) -> RenderError:
    with pytest.raises(RenderError) as failure:
        result_of(history, ["20"])
    return failure.value


def test_a_good_entry_gives_files_and_time() -> None:
    result = result_of(entry(("execution_success", {"timestamp": 3500})), ["20"])
    assert result.files["20"] == (OutputFile(filename="still_00001_.mp4", subfolder="seg", type="output"),)
    assert result.seconds == 2.5


def test_files_are_found_under_whatever_key_a_node_uses() -> None:
    outputs = {"20": {"gifs": [{"nested": [CLIP]}], "text": ["filename"]}}
    assert len(result_of(entry(outputs=outputs), ["20"]).files["20"]) == 1


@pytest.mark.parametrize("outputs", [{}, {"20": {"text": ["done"]}}, {"21": {"images": [CLIP]}}])
def test_success_without_the_expected_file_is_a_failure(outputs: Any) -> None:
    failure = failure_of(entry(outputs=outputs))
    assert (type(failure), failure.kind) == (PermanentRenderError, "bad_output")


def test_an_error_hidden_under_success_is_a_failure() -> None:
    told = {"node_id": "7", "node_type": "X", "exception_type": "RuntimeError", "exception_message": "cycle"}
    assert failure_of(entry(("execution_error", told))).node == "7 (X)"


@pytest.mark.parametrize("name", ["ValueError", "PIL.UnidentifiedImageError", "re.error", "FileNotFoundError"])
def test_what_comes_from_the_inputs_is_permanent(name: str) -> None:
    failure = failure_of(failed(name))
    assert isinstance(failure, PermanentRenderError)
    assert (failure.kind, failure.node) == ("node_error", "7 (KSampler)")


@pytest.mark.parametrize("name", ["RuntimeError", "OSError", "ConnectionError"])
def test_what_may_pass_is_transient(name: str) -> None:
    assert isinstance(failure_of(failed(name)), TransientRenderError)


@pytest.mark.parametrize(
    ("name", "message"), [("torch.OutOfMemoryError", "Allocation"), ("RuntimeError", "CUDA error: out of memory")]
)
def test_out_of_memory_is_transient_and_has_its_own_kind(name: str, message: str) -> None:
    failure = failure_of(failed(name, message))
    assert isinstance(failure, TransientRenderError)
    assert failure.kind == "out_of_memory"


def test_an_encoder_that_cannot_take_the_size_is_permanent_and_says_how_to_mend_it() -> None:
    message = "[Errno 542398533] Generic error in an external library: 'avcodec_open2(\"libx264\", {})'"
    failure = failure_of(failed("av.error.ExternalError", message))
    assert isinstance(failure, PermanentRenderError)
    assert message in failure.message and "even width and height" in failure.message


def test_an_interrupt_is_told_apart_from_an_error() -> None:
    told = {"node_id": "7", "node_type": "KSampler"}
    assert isinstance(failure_of(entry(("execution_interrupted", told), status="error")), RenderInterrupted)


def test_an_error_without_a_message_is_still_a_failure() -> None:
    assert isinstance(failure_of(entry(status="error")), TransientRenderError)


def test_waiting_prompts_are_put_in_the_order_in_which_they_run() -> None:
    answer = {"queue_running": [[0, "a", {}, {}, []]], "queue_pending": [[3, "d"], [1, "b"], [2, "c"]]}
    snapshot = snapshot_of(answer)
    assert (snapshot.running, snapshot.pending) == (("a",), ("b", "c", "d"))


def test_a_refusal_names_the_first_faulty_node() -> None:
    errors = [{"type": "value_not_in_list", "message": "Value not in list", "details": "lora_name: 'x'"}]
    answer = {
        "error": {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation"},
        "node_errors": {"3": {"class_type": "LoraLoader", "errors": errors, "dependent_outputs": ["20"]}},
    }
    refusal = refusal_of(answer)
    assert (refusal.kind, refusal.node) == ("invalid_graph", "3 (LoraLoader)")
    assert refusal.message == "Value not in list: lora_name: 'x'"


@pytest.mark.parametrize("answer", [None, "", [], {}, {"error": "plain"}, {"error": None, "node_errors": None}])
def test_a_refusal_of_any_shape_is_still_a_refusal_with_words(answer: Any) -> None:
    assert refusal_of(answer).message
