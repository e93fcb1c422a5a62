"""Reads ComfyUI's queue items and history entries. Pure; shapes and oddities were measured on ComfyUI 0.3.64."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from services.dispatch.adapters.render_server import (
    OutputFile,
    PermanentRenderError,
    QueueSnapshot,
    RenderError,
    RenderInterrupted,
    RenderResult,
    TransientRenderError,
)

PERMANENT_EXCEPTIONS = frozenset(
    {
        "AssertionError",
        "AttributeError",
        "ExecutionBlocked",
        "ExternalError",
        "FileNotFoundError",
        "IndexError",
        "KeyError",
        "NotImplementedError",
        "TypeError",
        "UnidentifiedImageError",
        "ValueError",
        "re.error",
    }
)
"""What a node raises because of its inputs; the same inputs raise it again. Everything else may pass."""

MENDS = {
    "avcodec_open2": "the encoder does not take this size or rate; H.264 needs an even width and height: give the "
    "character a picture of even size, or scale in the workflow",
}
"""What a part of a node's message means for people, and how they mend it."""

MAX_MESSAGE = 600
"""Characters of a server's message that we keep."""


def snapshot_of(answer: Mapping[str, Any]) -> QueueSnapshot:
    """`/queue`: pending comes in heap order and is sorted by number here."""
    pending = sorted(answer["queue_pending"], key=lambda item: item[0])
    return QueueSnapshot(
        running=tuple(str(item[1]) for item in answer["queue_running"]),
        pending=tuple(str(item[1]) for item in pending),
    )


def result_of(entry: Mapping[str, Any], expected_nodes: Sequence[str]) -> RenderResult:
    """The verdict on a history entry; raises a RenderError.

    `status_str: "success"` is not enough: it is said also over a hidden `execution_error` (a dynamic cycle) and when an
    expected node was dropped or made nothing.
    """
    status = entry.get("status") or {}
    messages = [(str(kind), told) for kind, told in status.get("messages", [])]
    for kind, told in messages:
        if kind == "execution_interrupted":
            raise RenderInterrupted("the render was interrupted on the server", node=_node(told))
        if kind == "execution_error":
            raise _error_of(told)
    if status.get("status_str") != "success":
        raise TransientRenderError("the server reports an error and does not say which", kind="node_error")
    files = {str(node): tuple(_files(output)) for node, output in (entry.get("outputs") or {}).items()}
    for node in expected_nodes:
        if not files.get(node):
            message = "the render ended well but saved no file here; bind video_output to the node that saves the clip"
            raise PermanentRenderError(message, kind="bad_output", node=node)
    times = [told["timestamp"] for _, told in messages if isinstance(told.get("timestamp"), int | float)]
    return RenderResult(
        files=files,
        started_at=_instant(times[0]) if times else None,
        ended_at=_instant(times[-1]) if times else None,
    )


def refusal_of(answer: Any) -> PermanentRenderError:
    """From a 400 of `/prompt`, or a 200 that names nodes it will not run."""
    answer = answer if isinstance(answer, Mapping) else {}
    for node_id, problem in (answer.get("node_errors") or {}).items():
        for error in problem.get("errors", []):
            message = f"{error.get('message')}: {error.get('details')}"
            where = f"{node_id} ({problem.get('class_type')})"
            return PermanentRenderError(message[:MAX_MESSAGE], kind="invalid_graph", node=where)
    error = answer.get("error") or {}
    if not isinstance(error, Mapping):
        error = {"message": str(error)}
    message = ": ".join(str(part) for part in (error.get("message"), error.get("details")) if part)
    return PermanentRenderError(message[:MAX_MESSAGE] or "the server refuses the graph", kind="invalid_graph")


def _error_of(told: Mapping[str, Any]) -> RenderError:
    name = str(told.get("exception_type", ""))
    text = f"{name}: {str(told.get('exception_message', '')).strip()}"[:MAX_MESSAGE]
    text = "; ".join([text, *(mend for sign, mend in MENDS.items() if sign in text)])
    if "OutOfMemory" in name or "out of memory" in text.lower():
        return TransientRenderError(text, kind="out_of_memory", node=_node(told))
    if name in PERMANENT_EXCEPTIONS or name.rpartition(".")[2] in PERMANENT_EXCEPTIONS:
        return PermanentRenderError(text, kind="node_error", node=_node(told))
    return TransientRenderError(text, kind="node_error", node=_node(told))


def _node(told: Mapping[str, Any]) -> str | None:
    return f"{told['node_id']} ({told.get('node_type')})" if told.get("node_id") is not None else None


def _files(value: Any) -> Iterator[OutputFile]:
    """Each node class has its own key for files: take every object with a file name, wherever it is."""
    if isinstance(value, Mapping):
        if isinstance(value.get("filename"), str):
            subfolder, kind = str(value.get("subfolder", "")), str(value.get("type", "output"))
            yield OutputFile(filename=value["filename"], subfolder=subfolder, type=kind)
            return
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _files(each)


def _instant(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
