"""Reads the messages of ComfyUI's websocket. Pure."""

import json

from services.dispatch.adapters.render_server import Progress


def progress_of(text: str) -> Progress | None:
    """None for messages that tell nothing about one prompt; `progress_state` is left out: it grows with the graph."""
    try:
        message = json.loads(text)
        kind, data = message["type"], message["data"]
        prompt_id = data.get("prompt_id")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if not isinstance(prompt_id, str):
        return None
    if kind == "progress":
        most = float(data.get("max") or 1)
        return Progress(prompt_id=prompt_id, node=data.get("node"), fraction=min(1.0, float(data["value"]) / most))
    if kind == "execution_cached":
        cached = tuple(str(node) for node in data.get("nodes") or ())
        return Progress(prompt_id=prompt_id, node=None, fraction=0.0, cached=cached)
    if kind == "executing":
        node = data.get("node")
        return Progress(prompt_id=prompt_id, node=node, fraction=0.0, ended=node is None)
    if kind in ("execution_error", "execution_interrupted"):
        return Progress(prompt_id=prompt_id, node=data.get("node_id"), fraction=0.0, ended=True)
    return None
