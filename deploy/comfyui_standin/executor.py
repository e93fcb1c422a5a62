"""Runs one prompt: order, cache, messages, failures. Called from the one worker thread."""

import hashlib
import json
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy.comfyui_standin.faults import Faults, InjectedFailure
from deploy.comfyui_standin.folders import Folders
from deploy.comfyui_standin.node_types import JSON, Interrupted, NodeClass, NodeResult, Running
from deploy.comfyui_standin.nodes import metadata_of
from deploy.comfyui_standin.prompt_queue import Item

Send = Callable[[str, JSON, str | None], None]
"""event, data, client id (None: everybody)."""

WAIT_STEP_S = 0.05
"""How often a made-up delay looks for an interrupt."""


@dataclass
class Run:
    """What is known about the prompt that is running."""

    prompt_id: str
    client_id: str | None
    messages: list[tuple[str, JSON]] = field(default_factory=list)
    outputs: dict[str, JSON] = field(default_factory=dict)
    meta: dict[str, JSON] = field(default_factory=dict)
    executed: list[str] = field(default_factory=list)
    states: dict[str, JSON] = field(default_factory=dict)
    success: bool = True


class Executor:
    """Holds the result cache of the previous prompt. `interrupt` may be set from any thread.

    Like the real one, it leaves cached outputs out of the history of a prompt that came without a client id.
    """

    def __init__(
        self, *, classes: Mapping[str, NodeClass], folders: Folders, faults: Faults, send: Send, embed_metadata: bool
    ) -> None:
        self._classes, self._folders, self._faults, self._send = classes, folders, faults, send
        self._embed_metadata = embed_metadata
        self._cache: dict[str, NodeResult] = {}
        self.interrupt = threading.Event()
        self.client_id: str | None = None
        self.last_node_id: str | None = None

    def forget_results(self) -> None:
        """Empty the cache, as `/free` with `free_memory` does."""
        self._cache = {}

    def execute(self, item: Item) -> JSON:
        """The history entry without its `prompt`. Raises KeyError for a node without inputs: nobody catches that."""
        _, prompt_id, graph, extra_data, outputs = item
        began = time.monotonic()
        self.interrupt.clear()
        run = Run(prompt_id, extra_data.get("client_id"))
        self.client_id, self.last_node_id = run.client_id, None
        keys = self._cache_keys(graph)
        self._cache = {key: result for key, result in self._cache.items() if key in keys.values()}
        self._message(run, "execution_start")
        needed = _needed(graph, outputs)
        cached = [node_id for node_id in needed if keys[node_id] in self._cache]
        self._message(run, "execution_cached", nodes=cached)
        self._run_nodes(run, item, needed, keys, began)
        if run.success:
            self._message(run, "execution_success")
        status = {"status_str": "success" if run.success else "error", "completed": run.success}
        return {"outputs": run.outputs, "status": {**status, "messages": run.messages}, "meta": run.meta}

    def _cache_keys(self, graph: JSON) -> dict[str, str]:
        """Class, constants, file contents and the keys of what is linked: equal keys, equal results."""
        keys: dict[str, str] = {}
        for node_id in graph:
            self._cache_key(graph, node_id, keys)
        return keys

    def _cache_key(self, graph: JSON, node_id: str, keys: dict[str, str]) -> str:
        if node_id in keys:
            return keys[node_id]
        keys[node_id] = ""
        node = graph[node_id]
        parts: list[Any] = [node["class_type"]]
        for name, value in sorted(node["inputs"].items()):
            source = _source(graph, value)
            parts.append([name, value if source is None else [self._cache_key(graph, source, keys), value[1]]])
        fingerprint = self._classes[node["class_type"]].fingerprint
        if fingerprint:
            try:
                parts.append(fingerprint(self._folders, node["inputs"]))
            except (OSError, KeyError):
                parts.append(time.time_ns())
        keys[node_id] = hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()
        return keys[node_id]

    def _run_nodes(self, run: Run, item: Item, needed: list[str], keys: dict[str, str], began: float) -> None:
        graph = item[2]
        node_id = needed[0] if needed else ""
        results: dict[str, NodeResult] = {}
        try:
            failing = self._faults.strikes("fail_next_prompts")
            for node_id in needed:
                if keys[node_id] in self._cache:
                    results[node_id] = self._cache[keys[node_id]]
                    if run.client_id is not None:
                        self._show(run, node_id, results[node_id])
                    continue
                results[node_id] = self._run_node(run, item, node_id, results, failing)
                self._cache[keys[node_id]] = results[node_id]
            self._hold(began)
        except Exception as problem:  # noqa: BLE001 a node may raise anything; that is the prompt's failure
            self._failed(run, graph, node_id, results, problem)

    def _run_node(
        self, run: Run, item: Item, node_id: str, results: dict[str, NodeResult], failing: bool
    ) -> NodeResult:
        graph = item[2]
        node = self._classes[graph[node_id]["class_type"]]
        self.last_node_id = node_id
        self._check_interrupt()
        self._state(run, node_id, 0.0, 1.0, "running")
        self._send("executing", {"node": node_id, "display_node": node_id, "prompt_id": run.prompt_id}, run.client_id)
        if failing and self._faults.fail_class in ("", node.name):
            raise InjectedFailure(self._faults.fail_kind)
        running = Running(
            folders=self._folders,
            progress=lambda value, most: self._progress(run, node_id, value, most),
            metadata=metadata_of(graph, item[3]) if self._embed_metadata else {},
            quick=self._faults.constant_render_s is not None,
        )
        result = node.run(running, _arguments(graph, node_id, results))
        self._state(run, node_id, 1.0, 1.0, "finished")
        run.executed.append(node_id)
        self._show(run, node_id, result)
        return result

    def _hold(self, began: float) -> None:
        """The slow-render faults: wait, open to interrupts and to a change of the faults, before it may finish."""
        rendered = time.monotonic()
        while (left := self._faults.ends_at(began=began, rendered=rendered) - time.monotonic()) > 0:
            self._check_interrupt()
            time.sleep(min(WAIT_STEP_S, left))
        self._check_interrupt()

    def _check_interrupt(self) -> None:
        if self.interrupt.is_set():
            self.interrupt.clear()
            raise Interrupted

    def _progress(self, run: Run, node_id: str, value: int, most: int) -> None:
        self._check_interrupt()
        if run.states[node_id]["value"] == value:
            return
        self._state(run, node_id, float(value), float(most), "running")
        data = {"value": value, "max": most, "prompt_id": run.prompt_id, "node": node_id}
        self._send("progress", data, run.client_id)

    def _state(self, run: Run, node_id: str, value: float, most: float, state: str) -> None:
        same = {"node_id": node_id, "display_node_id": node_id, "parent_node_id": None, "real_node_id": node_id}
        run.states[node_id] = {"value": value, "max": most, "state": state, "prompt_id": run.prompt_id, **same}
        nodes = {key: dict(each) for key, each in run.states.items()}
        self._send("progress_state", {"prompt_id": run.prompt_id, "nodes": nodes}, run.client_id)

    def _show(self, run: Run, node_id: str, result: NodeResult) -> None:
        if result.ui is None:
            return
        run.outputs[node_id] = result.ui
        same = {"node_id": node_id, "display_node": node_id, "parent_node": None, "real_node_id": node_id}
        run.meta[node_id] = same
        if run.client_id is not None:
            data = {"node": node_id, "display_node": node_id, "output": result.ui, "prompt_id": run.prompt_id}
            self._send("executed", data, run.client_id)

    def _message(self, run: Run, event: str, *, broadcast: bool = False, **data: Any) -> None:
        told = {"prompt_id": run.prompt_id, **data, "timestamp": int(time.time() * 1000)}
        run.messages.append((event, told))
        if run.client_id is not None or broadcast:
            self._send(event, told, run.client_id)

    def _failed(self, run: Run, graph: JSON, node_id: str, results: dict[str, NodeResult], problem: Exception) -> None:
        run.success = False
        where = {"node_id": node_id, "node_type": graph[node_id]["class_type"], "executed": run.executed}
        if isinstance(problem, Interrupted):
            self._message(run, "execution_interrupted", broadcast=True, **where)
            return
        self._message(
            run,
            "execution_error",
            **where,
            exception_message=f"{problem}\n",
            exception_type=_type_name(problem),
            traceback=traceback.format_tb(problem.__traceback__),
            current_inputs={name: [str(value)] for name, value in graph[node_id]["inputs"].items()},
            current_outputs=list(results),
        )


def _type_name(problem: Exception) -> str:
    reported = getattr(problem, "reported_type", None)
    if isinstance(reported, str):
        return reported
    kind = type(problem)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _source(graph: JSON, value: Any) -> str | None:
    """The node a link points to; None for a constant."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and value[0] in graph:
        return value[0]
    return None


def _needed(graph: JSON, outputs: list[str]) -> list[str]:
    """The nodes to run, each after those it needs."""
    order: dict[str, None] = {}

    def visit(node_id: str) -> None:
        if node_id in order:
            return
        for value in graph[node_id]["inputs"].values():
            source = _source(graph, value)
            if source is not None:
                visit(source)
        order[node_id] = None

    for output in outputs:
        visit(output)
    return list(order)


def _arguments(graph: JSON, node_id: str, results: dict[str, NodeResult]) -> JSON:
    arguments = {}
    for name, value in graph[node_id]["inputs"].items():
        source = _source(graph, value)
        arguments[name] = value if source is None else results[source].values[value[1]]
    return arguments
