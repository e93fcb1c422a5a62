"""Keeps the fleet as people want it: servers that they add are used, those that they drain get nothing new."""

from collections.abc import Callable

from services.dispatch.adapters.render_server import RenderServer
from services.dispatch.operations.servers import ServerOperations
from services.dispatch.workers.fleet import Fleet


class ServerKeeper:
    """`connect` makes a client of a name and an address, `begin` starts the work on a server of this name."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        operations: ServerOperations,
        connect: Callable[[str, str], RenderServer],
        begin: Callable[[str], None],
    ) -> None:
        self._fleet = fleet
        self._operations = operations
        self._connect = connect
        self._begin = begin

    async def step(self) -> bool:
        """Never finds 'work': what people decide is read at its beat, so that every process hears of it."""
        wishes = await self._operations.wishes()
        added = [wish for wish in wishes if wish.url is not None and wish.name not in self._fleet.servers]
        for wish in added:
            assert wish.url is not None
            self._fleet.add(self._connect(wish.name, wish.url))
            self._begin(wish.name)
        self._fleet.drain({wish.name for wish in wishes if wish.is_draining})
        if added:
            await self._fleet.check()
        return False
