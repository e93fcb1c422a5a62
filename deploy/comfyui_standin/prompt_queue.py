"""The queue and the history: both in memory only, both gone with the process."""

import copy
import heapq
import threading
from typing import Any

from deploy.comfyui_standin.node_types import JSON

Item = tuple[float, str, JSON, JSON, list[str]]
"""number, prompt id, graph, extra data, output nodes to run."""

HISTORY_LIMIT = 10_000


class PromptQueue:
    """Shared by the HTTP handlers and the one worker thread. `closed` ends the worker's wait."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pending: list[Item] = []
        self._running: Item | None = None
        self._history: dict[str, JSON] = {}
        self._generation = 0
        self.free_memory = False

    def put(self, item: Item) -> None:
        """Raises TypeError for an equal number and id with another graph; the item is queued all the same."""
        with self._changed:
            try:
                heapq.heappush(self._pending, item)
            finally:
                self._changed.notify()

    def get(self) -> tuple[Item, int]:
        """Wait for the next item; it is the running one until `done`. The number tells one generation from another."""
        with self._changed:
            while not self._pending:
                self._changed.wait()
            self._running = heapq.heappop(self._pending)
            return self._running, self._generation

    def done(self, item: Item, generation: int, result: JSON) -> None:
        """From running to history, in one step. After a reset in between, the result is forgotten."""
        with self._changed:
            if generation != self._generation:
                return
            self._running = None
            while len(self._history) >= HISTORY_LIMIT:
                del self._history[next(iter(self._history))]
            self._history[item[1]] = {"prompt": item, **result}

    def running_id(self) -> str | None:
        """The id of the prompt that is running."""
        with self._changed:
            return self._running[1] if self._running else None

    def shown(self) -> JSON:
        """As `/queue` answers: pending in heap order."""
        with self._changed:
            running = [self._running] if self._running else []
            return {"queue_running": running, "queue_pending": list(self._pending)}

    def remaining(self) -> int:
        """Pending and running."""
        with self._changed:
            return len(self._pending) + (self._running is not None)

    def delete(self, ids: list[Any] | None) -> None:
        """Take these out of the waiting line; None takes out all."""
        with self._changed:
            kept = [] if ids is None else [item for item in self._pending if item[1] not in ids]
            heapq.heapify(kept)
            self._pending = kept

    def history(self, prompt_id: str | None = None, max_items: int | None = None, offset: int = -1) -> JSON:
        """As `/history` answers."""
        with self._changed:
            if prompt_id is not None:
                found = self._history.get(prompt_id)
                return {prompt_id: copy.deepcopy(found)} if found else {}
            ids = list(self._history)
            if offset < 0 and max_items is not None:
                offset = max(0, len(ids) - max_items)
            first = max(0, offset)
            chosen = ids[first:] if max_items is None else ids[first : first + max_items]
            return {each: self._history[each] for each in chosen}

    def forget(self, ids: list[Any] | None) -> None:
        """Take these out of the history; None takes out all."""
        with self._changed:
            for each in list(self._history) if ids is None else ids:
                self._history.pop(str(each), None)

    def reset(self) -> None:
        """What a restart does: nothing waits, nothing runs, nothing is remembered."""
        with self._changed:
            self._pending, self._history, self._running = [], {}, None
            self._generation += 1
