"""Which server can render what: compared when a need is new and when a server says that it has other things."""

from collections.abc import Mapping, Sequence

from services.dispatch.domain.capabilities import missing, requirements_of, with_files
from services.dispatch.domain.environment import asset_values, bound_inputs
from services.dispatch.domain.scenes import Json
from services.dispatch.store import Store
from shared.postgres import Transaction


class Fitness:
    """Every method works inside the caller's transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def needs_of(self, tx: Transaction, *, workflow_version_id: int, assets: Sequence[Json]) -> int:
        """The needs of a workflow with these assets; new ones are compared with every server that is known."""
        files = asset_values(assets)
        known = await self._store.needs_id(tx, workflow_version_id=workflow_version_id, files=files)
        if known is not None:
            return known
        await self._store.lock_fitness(tx)
        known = await self._store.needs_id(tx, workflow_version_id=workflow_version_id, files=files)
        if known is not None:
            return known
        requirements = await self._requirements(tx, workflow_version_id, files)
        added = await self._store.add_needs(
            tx, workflow_version_id=workflow_version_id, files=files, requirements=requirements
        )
        await self._compare(tx, {added: requirements}, await self._store.capabilities(tx))
        return added

    async def learned(self, tx: Transaction, said: Mapping[str, Json], *, before: Mapping[str, Json | None]) -> None:
        """Servers have said what they have. Compared again is only one that had something else `before`."""
        await self._read_requirements(tx)
        changed = {server: has for server, has in said.items() if before.get(server) != has}
        if not changed:
            return
        for server in changed:
            await self._store.forget_unfit(tx, server)
        needs = await self._store.needs(tx)
        await self._compare(tx, {one.id: one.requirements for one in needs if one.requirements is not None}, changed)

    async def _read_requirements(self, tx: Transaction) -> None:
        """Of work that was queued before needs were written down."""
        unread = [one for one in await self._store.needs(tx) if one.requirements is None]
        read = {one.id: await self._requirements(tx, one.workflow_version_id, one.files) for one in unread}
        for needs_id, requirements in read.items():
            await self._store.set_requirements(tx, needs_id, requirements)
        if read:
            await self._compare(tx, read, await self._store.capabilities(tx))

    async def _compare(self, tx: Transaction, needs: Mapping[int, Json], servers: Mapping[str, Json | None]) -> None:
        for server, capabilities in servers.items():
            for needs_id, requirements in needs.items():
                if lacks := missing(requirements, capabilities):
                    await self._store.set_unfit(tx, server=server, needs_id=needs_id, lacks=lacks)

    async def _requirements(self, tx: Transaction, workflow_version_id: int, files: Json) -> Json:
        graph, bindings = await self._store.workflow_in(tx, workflow_version_id)
        return requirements_of(with_files(graph, bound_inputs(bindings), files))
