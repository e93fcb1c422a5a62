"""What dispatch needs of a render server, and how a render can go wrong. Knows no engine."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

FailureKind = Literal["invalid_graph", "node_error", "out_of_memory", "timeout", "bad_output", "lost", "cancelled"]
Graph = Mapping[str, Any]


class RenderError(Exception):
    """A render did not happen. `node` is "id (class)" where the engine names one."""

    permanent = False

    def __init__(self, message: str, *, kind: FailureKind, node: str | None = None) -> None:
        super().__init__(message)
        self.message, self.kind, self.node = message, kind, node


class PermanentRenderError(RenderError):
    """Another attempt would end the same."""

    permanent = True


class TransientRenderError(RenderError):
    """Another attempt may succeed."""


class RenderLost(TransientRenderError):
    """The server does not know the prompt, or not its file: it restarted, or somebody removed it."""

    def __init__(self, message: str, *, node: str | None = None) -> None:
        super().__init__(message, kind="lost", node=node)


class RenderInterrupted(TransientRenderError):
    """Somebody stopped it: we, or another client's interrupt for everybody."""

    def __init__(self, message: str, *, node: str | None = None) -> None:
        super().__init__(message, kind="cancelled", node=node)


class ServerUnreachable(Exception):
    """No answer, or none that can be used. Says nothing about the prompts on it: look them up when it is back."""


class SubmissionUnknown(ServerUnreachable):
    """A prompt was sent, no answer came, and it isn't known there now. It may still arrive: wait `settle_s` and look
    again before sending it a second time."""

    def __init__(self, message: str, *, settle_s: float) -> None:
        super().__init__(message)
        self.settle_s = settle_s


class ServerStuck(Exception):
    """A prompt can neither be stopped nor does it end: the server process has to be restarted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStats:
    """The environment a render depends on, as far as the engine tells."""

    engine: str
    python: str | None
    torch: str | None
    device: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSnapshot:
    """Prompt ids on a server, ours and other people's; `pending` in the order in which they will run."""

    running: tuple[str, ...]
    pending: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Queued:
    """Waits; `ahead` counts the prompts that run or wait before it."""

    ahead: int


@dataclass(frozen=True, slots=True)
class Running:
    """Is being rendered."""


@dataclass(frozen=True, slots=True)
class Finished:
    """Has ended, well or badly; `RenderServer.result` tells."""

    entry: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Absent:
    """Never accepted, removed, or lost in a restart."""


Location = Queued | Running | Finished | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """A file on the server."""

    filename: str
    subfolder: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderResult:
    """A render that went well: files by node id, at least one for each node that was expected to have some."""

    files: Mapping[str, tuple[OutputFile, ...]]
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def seconds(self) -> float | None:
        """Time spent rendering, without the wait in the queue."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A hint. `fraction` is the share of the node that runs now, in 0..1; `cached`: nodes that need not run; `ended`: a
    look-up will tell how it went.
    """

    prompt_id: str
    node: str | None
    fraction: float
    cached: tuple[str, ...] = ()
    ended: bool = False


class RenderServer(Protocol):
    """One render server. Every call but `result` may raise ServerUnreachable."""

    @property
    def name(self) -> str:
        """How people and job rows know it."""
        ...

    async def stats(self) -> ServerStats:
        """Readiness and environment."""
        ...

    async def object_info(self) -> Mapping[str, Any]:
        """Every node class with its inputs and their choices."""
        ...

    async def queue(self) -> QueueSnapshot:
        """What it has to do."""
        ...

    async def upload_image(self, *, sha256: str, content: bytes, extension: str = "png", salt: str = "") -> str:
        """Put a picture there and return the name for the graph. The same content twice is one file.

        A `salt` makes a name of its own for the same content: whatever depends on the picture is then really rendered
        again, and not taken from the engine's result cache.
        """
        ...

    async def submit(
        self, *, prompt_id: str, graph: Graph, labels: Mapping[str, str] | None = None, is_new: bool = False
    ) -> None:
        """Have a graph rendered. Returns when the server has it; does nothing when the id is already known there.
        `is_new`: it was never sent before, so that nobody needs to ask.

        Raises PermanentRenderError when the server refuses the graph or any part of it, SubmissionUnknown, or
        TransientRenderError.
        """
        ...

    async def locate(self, prompt_id: str, *, ended: bool = False) -> Location:
        """Where a prompt is. `ended`: it was said to have ended, which is no proof."""
        ...

    def result(self, found: Finished, expected_nodes: Sequence[str]) -> RenderResult:
        """How a finished prompt went; raises a RenderError when it went badly. No I/O."""
        ...

    async def download(self, file: OutputFile, target: Path, *, max_bytes: int) -> int:
        """Fetch a file completely and return its size; `target` exists only if that succeeded.

        Raises RenderLost when it isn't there and PermanentRenderError when it is larger than `max_bytes`.
        """
        ...

    async def cancel(self, prompt_id: str) -> Finished | Absent:
        """Stop a prompt wherever it is and return what became of it. Raises ServerStuck when it will not stop."""
        ...

    async def withdraw(self, prompt_id: str) -> Location:
        """Take a prompt back if it only waits, and return where it is then. What runs is left alone."""
        ...

    def progress(self) -> AsyncIterator[Progress]:
        """News of what was submitted meanwhile, for ever, over lost connections. Messages may be lost or late."""
        ...

    async def close(self) -> None:
        """Let go of all connections."""
        ...
