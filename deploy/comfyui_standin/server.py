"""The server: worker thread, queue and the state that the HTTP handlers share."""

import itertools
import threading
import time
from dataclasses import dataclass

from deploy.comfyui_standin.executor import WAIT_STEP_S, Executor
from deploy.comfyui_standin.faults import Faults
from deploy.comfyui_standin.folders import Folders
from deploy.comfyui_standin.node_types import JSON
from deploy.comfyui_standin.nodes import node_classes
from deploy.comfyui_standin.prompt_queue import PromptQueue
from deploy.comfyui_standin.sockets import Sockets


@dataclass(frozen=True)
class Options:
    """What the command line said."""

    folders: Folders
    faults: Faults
    embed_metadata: bool = True
    max_upload_bytes: int = 100 * 1024 * 1024
    argv: tuple[str, ...] = ()


class StandIn:
    """One server's whole state."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.folders, self.faults = options.folders, options.faults
        self.classes = node_classes()
        self.queue = PromptQueue()
        self.sockets = Sockets(status=self.status, running_node=self._running_node)
        self.executor = Executor(
            classes=self.classes,
            folders=self.folders,
            faults=self.faults,
            send=self._send,
            embed_metadata=options.embed_metadata,
        )
        self.numbers = itertools.count()
        self._worker: threading.Thread | None = None

    def start_worker(self) -> None:
        """The one thread that renders. An exception that nobody expected ends it, and nothing notices."""
        self._worker = threading.Thread(target=self._work, name="prompt-worker", daemon=True)
        self._worker.start()

    def status(self) -> JSON:
        """The `status` of the `status` message."""
        return {"exec_info": {"queue_remaining": self.queue.remaining()}}

    def queue_changed(self) -> None:
        """Tell everybody how long the queue is."""
        self._send("status", {"status": self.status()}, None)

    def reset(self) -> None:
        """What a restart does, without one: queue, history and cache are empty, what runs is stopped and forgotten."""
        self.queue.reset()
        self.executor.interrupt.set()
        self.queue.free_memory = True
        self.numbers = itertools.count()
        self.sockets.forget()
        if self._worker is None or not self._worker.is_alive():
            self.start_worker()

    def _keep_from_history(self) -> None:
        succeeded = time.monotonic()
        while (left := succeeded + self.faults.history_delay_s - time.monotonic()) > 0:
            time.sleep(min(WAIT_STEP_S, left))

    def _running_node(self, client_id: str) -> str | None:
        return self.executor.last_node_id if self.executor.client_id == client_id else None

    def _send(self, event: str, data: JSON, client_id: str | None) -> None:
        self.sockets.send(event, data, client_id)

    def _work(self) -> None:
        while True:
            item, generation = self.queue.get()
            self.queue_changed()
            if self.queue.free_memory:
                self.queue.free_memory = False
                self.executor.forget_results()
            if self.faults.kill_executor:
                return
            if self.faults.strikes("drop_sockets_next_prompts"):
                self.sockets.drop_all_soon()
            result = self.executor.execute(item)
            self._keep_from_history()
            self.queue.done(item, generation, result)
            self.executor.last_node_id = None
            self.queue_changed()
            data = {"node": None, "prompt_id": item[1]}
            self._send("executing", data, item[3].get("client_id"))
