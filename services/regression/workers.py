"""The sweeper: ends waits whose answer never came."""

from services.regression.operations.deadlines import Deadlines


class Sweeper:
    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines

    async def step(self) -> bool:
        return await self._deadlines.end_one()
