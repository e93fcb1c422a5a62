"""Reads the messages of ComfyUI's websocket. Pure."""

import json
from typing import Any

from services.dispatch.adapters.render_server import Progress


def progress_of(text: str) -> Progress | None:
    """None for messages that tell nothing about one prompt, and for what custom nodes send in a shape of their own.

    `progress_state` is left out: it grows with the graph.
    """
    try:
        message = json.loads(text)
        data = message["data"]
        prompt_id = data.get("prompt_id")
        return _told(message["type"], prompt_id, data) if isinstance(prompt_id, str) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _told(kind: str, prompt_id: str, data: dict[str, Any]) -> Progress | None:
    match kind:
        case "progress":
            share = float(data["value"]) / float(data.get("max") or 1)
            return Progress(prompt_id=prompt_id, node=data.get("node"), fraction=min(1.0, max(0.0, share)))
        case "execution_cached":
            cached = tuple(str(node) for node in data.get("nodes") or ())
            return Progress(prompt_id=prompt_id, node=None, fraction=0.0, cached=cached)
        case "executing":
            node = data.get("node")
            return Progress(prompt_id=prompt_id, node=node, fraction=0.0, ended=node is None)
        case "execution_error" | "execution_interrupted":
            return Progress(prompt_id=prompt_id, node=data.get("node_id"), fraction=0.0, ended=True)
        case _:
            return None
