"""What is known of the render servers, for people to see."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.dispatch.domain.capabilities import lacking
from services.dispatch.domain.errors import NotFound, Unacceptable
from services.dispatch.domain.scenes import Json
from services.dispatch.operations.assignments import ACTOR
from services.dispatch.store import Store
from services.dispatch.store.jobs import ServerCopy
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
    capabilities: Json | None = None
    """None: not asked this time; what is known stays."""


class ServerOperations:
    def __init__(self, *, store: Store, now: Clock = utc_now) -> None:
        self._store = store
        self._now = now

    async def fitness(self, version_id: int) -> dict[str, list[str]]:
        """What each server lacks to render a workflow version, by name; an empty list: nothing that is known of.

        Raises NotFound for a version that is not here, Unacceptable for one that is no workflow.
        """
        version = await self._store.asset_version(version_id)
        if version is None:
            raise NotFound(f"there is no asset version {version_id} here")
        if version.graph is None:
            raise Unacceptable(f"asset version {version_id} is a {version.kind}; name a version of a workflow")
        graph = version.graph
        return {server.name: lacking(graph, server.capabilities) for server in await self._store.servers()}

    async def report(self, reports: Sequence[ServerReport]) -> None:
        now = self._now()
        async with self._store.transaction(Cause.begin(ACTOR)) as tx:
            await self._store.keep_servers(tx, [report.name for report in reports])
            for report in reports:
                await self._store.save_server(
                    tx,
                    ServerCopy(
                        name=report.name,
                        state="ready" if report.problem is None else "away",
                        problem=report.problem,
                        engine=report.engine,
                        device=report.device,
                        queue_length=report.queue_length,
                        checked_at=now,
                        capabilities=report.capabilities,
                    ),
                )
