"""The render servers as this process sees them: which answer, which are free, what is heard of our prompts."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.dispatch.adapters.render_server import Progress, RenderServer, ServerUnreachable
from services.dispatch.domain.capabilities import capabilities_of
from services.dispatch.domain.fleet import ServerLoad, has_place, left_to, rivals
from services.dispatch.domain.watchdog import Pulse
from services.dispatch.metrics import SERVER_QUEUE, SERVER_READY
from services.dispatch.operations.servers import ServerOperations, ServerReport
from services.dispatch.workers.watches import Watch

logger = logging.getLogger(__name__)

CAPABILITY_SECONDS = 30.0
"""A server is asked again what it has: somebody may have given it a file. Seldom and one at a time: the answer is
large."""

REMEMBERED_PROMPTS = 1024
"""Of this process: more than are ever open at once, as a server has a handful of them."""

QUIET_SECONDS = 0.4
"""A server for which nothing was found is not asked for again so long, unless there is news."""


@dataclass(slots=True)
class _Member:
    server: RenderServer
    ready: bool = False
    draining: bool = False
    own: int = 0
    foreign: int = 0
    prompts: set[str] = field(default_factory=set)
    siblings: frozenset[str] = frozenset()
    """Prompts there that another dispatch process waits for, as of the last look."""
    asked_at: float = float("-inf")
    nothing_at: float = float("-inf")
    nothing_news: int = -1
    pulse: Pulse = field(default_factory=Pulse)
    stuck: str | None = None
    """Why nothing is expected of it although it answers."""

    @property
    def takes_work(self) -> bool:
        return self.ready and not self.draining and self.stuck is None

    def load(self) -> ServerLoad:
        return ServerLoad(name=self.server.name, ready=self.takes_work, own=self.ours, foreign=self.foreign)

    @property
    def ours(self) -> int:
        return self.own + len(self.siblings)


@dataclass(frozen=True, slots=True)
class _Seen:
    report: ServerReport
    foreign: int = 0


class Fleet:
    """Shared by the workers of one process; only the event loop's thread touches it.

    `prefetch`: prompts of ours that may wait on a server behind the one that runs. `foreign_seconds`: how long somebody
    else's prompt may run before a server counts as stuck.
    """

    def __init__(
        self,
        servers: Sequence[RenderServer],
        *,
        operations: ServerOperations,
        new_work: Callable[[], None],
        prefetch: int,
        foreign_seconds: float,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        self._prefetch = prefetch
        self._foreign_seconds = foreign_seconds
        self._quiet_seconds = quiet_seconds
        self._unfit: Mapping[int, Set[str]] = {}
        self._news = 0
        self._ask_all = False
        self._members = {server.name: _Member(server=server) for server in servers}
        self._operations = operations
        self._new_work = new_work
        self._watches: dict[str, Watch] = {}
        self._listeners: list[asyncio.Task[None]] = []
        self._taken: deque[str] = deque(maxlen=REMEMBERED_PROMPTS)
        self.leaving = False
        """This process ends: it takes nothing more, and leaves its prompts to whoever claims their jobs next."""

    @property
    def servers(self) -> Mapping[str, RenderServer]:
        return {name: member.server for name, member in self._members.items()}

    @property
    def ready(self) -> list[str]:
        return [name for name, member in self._members.items() if member.takes_work]

    @property
    def answering(self) -> list[str]:
        """Those being drained too: what is on them is still looked after. Not those that are stuck."""
        return [name for name, member in self._members.items() if member.ready and member.stuck is None]

    def add(self, server: RenderServer) -> None:
        """While running. It takes work once it has answered a check."""
        self._members[server.name] = _Member(server=server)
        self._listeners.append(asyncio.create_task(self._listen(server)))

    def drain(self, names: Collection[str]) -> None:
        """Exactly these get nothing new; what runs on them is finished, and what only waits there is recalled."""
        for name, member in self._members.items():
            back, member.draining = member.draining and name not in names, name in names
            if member.draining:
                self._recall(member.prompts)
            if back:
                self._new_work()

    def news(self) -> None:
        """There may be work where there was none."""
        self._news += 1

    def ask_again(self) -> None:
        """The next check asks every server what it has."""
        self._ask_all = True

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

    def may_ask(self, name: str) -> bool:
        """Whether it has a place, and work for it may have come since none was found."""
        member = self._members.get(name)
        if self.leaving or member is None or not has_place(member.load(), prefetch=self._prefetch):
            return False
        return member.nothing_news != self._news or time.monotonic() - member.nothing_at >= self._quiet_seconds

    def left_to(self, name: str) -> list[int] | None:
        """The needs that only this server should meet now; None: all that it can."""
        loads = [member.load() for member in self._members.values()]
        return left_to(rivals(name, loads, prefetch=self._prefetch), self._unfit)

    def found_nothing(self, name: str) -> None:
        """No job for it is queued. When it is idle, a prompt that waits elsewhere comes back for it."""
        member = self._members[name]
        member.nothing_at, member.nothing_news = time.monotonic(), self._news
        if member.load().load == 0:
            for watch in self._watches.values():
                if watch.waits and not watch.recalled and name not in self._unfit.get(watch.needs_id, ()):
                    watch.recall()
                    return

    def recall_waiting(self) -> None:
        """Everything that does not run yet."""
        self._recall(list(self._watches))

    def _recall(self, prompts: Collection[str]) -> None:
        for prompt_id in prompts:
            if (watch := self._watches.get(prompt_id)) is not None and not watch.recalled:
                watch.recall()

    @contextmanager
    def place(self, name: str) -> Iterator[None]:
        """Counts a prompt of ours on a server while it is there, or about to be."""
        member = self._members[name]
        member.own += 1
        try:
            yield
        finally:
            member.own -= 1

    def takes(self, prompt_id: str) -> None:
        """This process waits for it, or is about to send it: its place is counted already."""
        self._taken.append(prompt_id)

    def ours(self, name: str) -> int:
        """Prompts of dispatch on a server, those of its other processes included."""
        return self._members[name].ours

    @contextmanager
    def watch(
        self, name: str, prompt_id: str, *, needs_id: int, nodes: frozenset[str] = frozenset()
    ) -> Iterator[Watch]:
        """Hear of one prompt while it is waited for. `nodes`: counted to tell how far it is."""
        watch = self._watches[prompt_id] = Watch(needs_id, nodes)
        if name in self._members and not self._members[name].takes_work:
            watch.recall()
        prompts = self._members[name].prompts if name in self._members else set[str]()
        prompts.add(prompt_id)
        try:
            yield watch
        finally:
            prompts.discard(prompt_id)
            self._watches.pop(prompt_id, None)

    def does_not_stop(self, name: str, prompt_id: str) -> None:
        """It was told to stop a prompt and did not: it gets nothing until it is seen without it."""
        if (member := self._members.get(name)) is not None:
            member.pulse = member.pulse.does_not_stop(prompt_id)
            self._judge(member)

    def _judge(self, member: _Member) -> None:
        name, before = member.server.name, member.stuck
        member.stuck = member.pulse.problem(
            own=member.prompts | member.siblings, foreign_limit=self._foreign_seconds, now=time.monotonic()
        )
        if member.stuck is not None and before is None:
            logger.error("a render server is stuck", extra={"server": name, "problem": member.stuck})
            self._recall(list(member.prompts))
        if member.stuck is None and before is not None:
            logger.info("a render server works again", extra={"server": name})
            self._new_work()

    def is_away(self, name: str) -> None:
        """A call to it failed; nothing more is sent there until it answers the next check."""
        if name in self._members:
            self._members[name].ready = False

    async def check(self) -> bool:
        """Look at every server. Never finds 'work': it returns False and is called again at its beat."""
        members = list(self._members.values())
        ask = self._whom_to_ask(members)
        in_work = await self._operations.prompts_in_work()
        seen = await asyncio.gather(
            *(self._look_at(member, in_work, ask=member.server.name in ask) for member in members)
        )
        standing = await self._operations.report([one.report for one in seen])
        for member, one in zip(members, seen, strict=True):
            self._note(member, one)
            SERVER_READY.labels(member.server.name).set(member.ready and member.stuck is None)
        if standing.unfit != self._unfit:
            self._unfit = standing.unfit
            self._new_work()
        if standing.is_paused:
            self.recall_waiting()
        return False

    def _whom_to_ask(self, members: Sequence[_Member]) -> set[str]:
        """What they have: all that were away, all when something was published, else the one whose answer is oldest."""
        if self._ask_all:
            self._ask_all = False
            return {member.server.name for member in members}
        oldest = min(members, key=lambda member: member.asked_at, default=None)
        due = oldest is not None and time.monotonic() - oldest.asked_at >= CAPABILITY_SECONDS
        names = {member.server.name for member in members if not member.ready}
        return names | {oldest.server.name} if oldest is not None and due else names

    async def turned_unfit(self, name: str, *, needs_id: int) -> bool:
        """Ask a server at once what it has, and say whether it lacks something now."""
        if name not in self._members:
            return False
        self._members[name].asked_at = float("-inf")
        await self.check()
        return name in self._unfit.get(needs_id, ())

    async def problem(self) -> str | None:
        """For the readiness check."""
        if not self._members:
            return "no render server is configured; set DISPATCH_COMFYUI_URLS"
        if self.answering:
            return None
        stuck = [f"{name}: {member.stuck}" for name, member in self._members.items() if member.ready]
        return f"no render server works; {'; '.join(stuck)}" if stuck else "no render server answers"

    async def _look_at(self, member: _Member, in_work: Set[str], *, ask: bool) -> _Seen:
        """A server that does not answer is away at once; one that does is ready when its report is written down."""
        name = member.server.name
        try:
            stats = await member.server.stats()
            queue = await member.server.queue()
            capabilities = capabilities_of(await member.server.object_info()) if ask else None
        except ServerUnreachable as error:
            member.ready = False
            return _Seen(ServerReport(name=name, problem=str(error)))
        if ask:
            member.asked_at = time.monotonic()
        prompts = {*queue.running, *queue.pending}
        member.siblings = frozenset((prompts & in_work) - member.prompts - set(self._taken))
        member.pulse = member.pulse.looked(queue.running, now=time.monotonic())
        self._judge(member)
        SERVER_QUEUE.labels(name).set(len(prompts))
        report = ServerReport(
            name=name,
            draining=member.draining,
            stuck=member.stuck,
            engine=stats.engine,
            device=stats.device,
            queue_length=len(prompts),
            capabilities=capabilities,
        )
        return _Seen(report, len(prompts - member.prompts - member.siblings))

    def _note(self, member: _Member, seen: _Seen) -> None:
        """What it lacks is known before it is ready, so that it gets nothing that it would refuse."""
        if seen.report.problem is not None:
            return
        member.foreign = seen.foreign
        if not member.ready:
            logger.info("a render server is ready", extra={"server": member.server.name, "engine": seen.report.engine})
            member.ready = True
            self._new_work()

    async def _listen(self, server: RenderServer) -> None:
        async for told in server.progress():
            self._tell(told)

    def _tell(self, told: Progress) -> None:
        if (watch := self._watches.get(told.prompt_id)) is not None:
            watch.hear(told)
