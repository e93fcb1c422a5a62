"""The render servers as this process sees them: which answer, which are free, what is heard of our prompts."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.dispatch.adapters.render_server import Progress, RenderServer, ServerUnreachable
from services.dispatch.domain.capabilities import capabilities_of
from services.dispatch.domain.fleet import ServerLoad, may_take
from services.dispatch.metrics import SERVER_QUEUE, SERVER_READY
from services.dispatch.operations.servers import ServerOperations, ServerReport

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Watch:
    """What the socket says of one prompt. A hint: silence means nothing."""

    fraction: float = 0.0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, seconds: float) -> None:
        """Until the prompt is said to have ended, at most so long."""
        try:
            await asyncio.wait_for(self.news.wait(), timeout=seconds)
        except TimeoutError:
            return
        self.news.clear()


@dataclass(slots=True)
class _Member:
    server: RenderServer
    ready: bool = False
    draining: bool = False
    own: int = 0
    foreign: int = 0
    prompts: set[str] = field(default_factory=set)


class Fleet:
    """Shared by the workers of one process; only the event loop's thread touches it."""

    def __init__(
        self, servers: Sequence[RenderServer], *, operations: ServerOperations, new_work: Callable[[], None]
    ) -> None:
        self._members = {server.name: _Member(server=server) for server in servers}
        self._operations = operations
        self._new_work = new_work
        self._watches: dict[str, Watch] = {}
        self._listeners: list[asyncio.Task[None]] = []
        self.leaving = False
        """This process ends: it takes nothing more, and leaves its prompts to whoever claims their jobs next."""

    @property
    def servers(self) -> Mapping[str, RenderServer]:
        return {name: member.server for name, member in self._members.items()}

    @property
    def ready(self) -> list[str]:
        return [name for name, member in self._members.items() if member.ready and not member.draining]

    @property
    def answering(self) -> list[str]:
        """Those being drained too: what is on them is still looked after."""
        return [name for name, member in self._members.items() if member.ready]

    def add(self, server: RenderServer) -> None:
        """While running. It takes work once it has answered a check."""
        self._members[server.name] = _Member(server=server)
        self._listeners.append(asyncio.create_task(self._listen(server)))

    def drain(self, names: Collection[str]) -> None:
        """Exactly these get nothing new; what runs on them is finished."""
        for name, member in self._members.items():
            back, member.draining = member.draining and name not in names, name in names
            if back:
                self._new_work()

    async def start(self) -> None:
        """Listen to every server's socket until `stop`."""
        self._listeners = [asyncio.create_task(self._listen(member.server)) for member in self._members.values()]

    async def stop(self) -> None:
        for listener in self._listeners:
            listener.cancel()
        await asyncio.gather(*self._listeners, return_exceptions=True)
        for member in self._members.values():
            await member.server.close()

    def leave(self) -> None:
        self.leaving = True

    def may_take(self, name: str) -> bool:
        if self.leaving:
            return False
        loads = [
            ServerLoad(name=other, ready=member.ready and not member.draining, own=member.own, foreign=member.foreign)
            for other, member in self._members.items()
        ]
        return may_take(name, loads)

    @contextmanager
    def place(self, name: str) -> Iterator[None]:
        """Counts a prompt of ours on a server while it is there, or about to be."""
        member = self._members[name]
        member.own += 1
        try:
            yield
        finally:
            member.own -= 1

    def own(self, name: str) -> int:
        return self._members[name].own

    @contextmanager
    def watch(self, name: str, prompt_id: str) -> Iterator[Watch]:
        """Hear of one prompt while it is waited for."""
        watch = self._watches[prompt_id] = Watch()
        prompts = self._members[name].prompts if name in self._members else set[str]()
        prompts.add(prompt_id)
        try:
            yield watch
        finally:
            prompts.discard(prompt_id)
            self._watches.pop(prompt_id, None)

    def is_away(self, name: str) -> None:
        """A call to it failed; nothing more is sent there until it answers the next check."""
        if name in self._members:
            self._members[name].ready = False

    async def check(self) -> bool:
        """Look at every server. Never finds 'work': it returns False and is called again at its beat."""
        reports = await asyncio.gather(*(self._check(name, member) for name, member in self._members.items()))
        await self._operations.report(reports)
        return False

    async def problem(self) -> str | None:
        """For the readiness check."""
        if not self._members:
            return "no render server is configured; set DISPATCH_COMFYUI_URLS"
        return None if self.answering else "no render server answers"

    async def _check(self, name: str, member: _Member) -> ServerReport:
        try:
            stats = await member.server.stats()
            queue = await member.server.queue()
            capabilities = None if member.ready else capabilities_of(await member.server.object_info())
        except ServerUnreachable as error:
            member.ready = False
            SERVER_READY.labels(name).set(0)
            return ServerReport(name=name, problem=str(error))
        prompts = (*queue.running, *queue.pending)
        member.foreign = sum(1 for prompt in prompts if prompt not in member.prompts)
        SERVER_READY.labels(name).set(1)
        SERVER_QUEUE.labels(name).set(len(prompts))
        if not member.ready:
            logger.info("a render server is ready", extra={"server": name, "engine": stats.engine})
            member.ready = True
            self._new_work()
        return ServerReport(
            name=name,
            draining=member.draining,
            engine=stats.engine,
            device=stats.device,
            queue_length=len(prompts),
            capabilities=capabilities,
        )

    async def _listen(self, server: RenderServer) -> None:
        async for told in server.progress():
            self._tell(told)

    def _tell(self, told: Progress) -> None:
        watch = self._watches.get(told.prompt_id)
        if watch is not None:
            watch.fraction = max(watch.fraction, told.fraction)
            if told.ended:
                watch.news.set()
