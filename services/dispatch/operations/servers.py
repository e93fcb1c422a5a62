"""What is known of the render servers, for people to see."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from services.dispatch.domain.capabilities import lacking, lacking_file
from services.dispatch.domain.errors import Conflict, NotFound, Unacceptable
from services.dispatch.domain.scenes import Json
from services.dispatch.operations.assignments import ACTOR
from services.dispatch.operations.fitness import Fitness
from services.dispatch.store import Store
from services.dispatch.store.facts import AssetVersionCopy
from services.dispatch.store.servers import ServerCopy, ServerWish
from shared.cause import Cause
from shared.clock import Clock, utc_now


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReport:
    """One look at one server. `problem` is set when it did not answer."""

    name: str
    problem: str | None = None
    engine: str | None = None
    device: str | None = None
    queue_length: int = 0
    draining: bool = False
    stuck: str | None = None
    """Why it gets no work although it answers."""
    capabilities: Json | None = None
    """None: not asked this time; what is known stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What workers go by. `unfit`: the servers that are known to lack something, by needs."""

    unfit: Mapping[int, frozenset[str]]
    is_paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFitness:
    """`is_known`: the server has said what it has; without that `lacks` is empty and means nothing."""

    server: str
    state: str
    is_known: bool
    lacks: list[str]


class ServerOperations:
    """`changed` is called when people decided something about a server."""

    def __init__(self, *, store: Store, changed: Callable[[], None] = lambda: None, now: Clock = utc_now) -> None:
        self._store = store
        self._fitness = Fitness(store)
        self._changed = changed
        self._now = now

    async def fitness(self, version_id: int) -> list[ServerFitness]:
        """Of each server, for a workflow or the file of a LoRA or model. Raises NotFound while it is not here."""
        version = await self._store.asset_version(version_id)
        if version is None:
            raise NotFound(f"there is no asset version {version_id} here")
        return [
            ServerFitness(
                server=server.name,
                state=server.state,
                is_known=bool(server.capabilities and server.capabilities["node_classes"]),
                lacks=_lacking(version, server.capabilities),
            )
            for server in await self._store.servers()
        ]

    async def prompts_in_work(self) -> frozenset[str]:
        """On whichever server, of every dispatch process."""
        return await self._store.prompts_in_work()

    async def wishes(self) -> list[ServerWish]:
        return await self._store.server_wishes()

    async def add(self, url: str, cause: Cause) -> ServerWish:
        """Use another server from now on, and after every restart. Raises Conflict for one that is known already."""
        name = name_of(url)
        if any(server.name == name for server in await self._store.servers()):
            raise Conflict(f"render server {name} is known already; end its draining if it is to take work again")
        async with self._store.transaction(cause) as tx:
            await self._store.add_server(tx, name=name, url=url, by=cause.actor)
        self._changed()
        return ServerWish(name=name, url=url, is_draining=False, requested_by=cause.actor)

    async def drain(self, name: str, cause: Cause, *, drain: bool) -> ServerWish:
        """Give a server nothing new, or work again. What runs on it is finished."""
        if all(server.name != name for server in await self._store.servers()):
            raise NotFound(f"there is no render server {name!r}; GET /api/render-servers lists them")
        async with self._store.transaction(cause) as tx:
            await self._store.drain_server(tx, name=name, drain=drain, by=cause.actor)
        self._changed()
        return next(wish for wish in await self._store.server_wishes() if wish.name == name)

    async def report(self, reports: Sequence[ServerReport]) -> Standing:
        """Keep what was seen, and compare with all needs what the servers said they have."""
        now = self._now()
        said = {report.name: report.capabilities for report in reports if report.capabilities is not None}
        async with self._store.transaction(Cause.begin(ACTOR)) as tx:
            await self._store.lock_fitness(tx)
            before = await self._store.capabilities(tx) if said else {}
            await self._store.keep_servers(tx, [report.name for report in reports])
            for report in reports:
                await self._store.save_server(
                    tx,
                    ServerCopy(
                        name=report.name,
                        state=_state(report),
                        problem=report.problem or report.stuck,
                        engine=report.engine,
                        device=report.device,
                        queue_length=report.queue_length,
                        checked_at=now,
                        capabilities=report.capabilities,
                    ),
                )
            if said:
                await self._fitness.learned(tx, said, before=before)
        unfit = await self._store.unfit()
        return Standing(
            unfit={needs: frozenset(servers) for needs, servers in unfit.items()},
            is_paused=(await self._store.queue_control()).is_paused,
        )


def name_of(url: str) -> str:
    """Host and port, without whatever signs in. Raises Unacceptable for what is no server's address."""
    parts = urlsplit(url)
    try:
        known = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    if not known or parts.query or parts.fragment:
        raise Unacceptable(f"{url!r} is no address of a render server; write for example http://127.0.0.1:8188")
    return parts.netloc.rpartition("@")[2]


def _lacking(version: AssetVersionCopy, capabilities: Json | None) -> list[str]:
    if version.graph is not None:
        return lacking(version.graph, capabilities)
    return lacking_file(version.file_name or "", capabilities)


def _state(report: ServerReport) -> str:
    if report.problem is not None:
        return "away"
    if report.stuck is not None:
        return "stuck"
    return "draining" if report.draining else "ready"
