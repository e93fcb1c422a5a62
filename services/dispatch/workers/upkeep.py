"""Small periodic work: leases of dead workers, deadlines, prompts nobody waits for."""

import asyncio
import logging

from services.dispatch.adapters.render_server import ServerStuck, ServerUnreachable
from services.dispatch.operations.assignments import AssignmentOperations
from services.dispatch.operations.score_gates import ScoreGates
from services.dispatch.workers.fleet import Fleet

logger = logging.getLogger(__name__)


class UpkeepWorker:
    def __init__(self, *, assignments: AssignmentOperations, gates: ScoreGates, fleet: Fleet) -> None:
        self._assignments = assignments
        self._gates = gates
        self._fleet = fleet

    async def leases(self) -> bool:
        """Take back expired leases and end what is overdue."""
        reclaimed = await self._assignments.reclaim_expired()
        overdue = await self._assignments.fail_overdue()
        return bool(reclaimed or overdue)

    async def scores(self) -> bool:
        """Pause the scenes whose score did not come in time."""
        return bool(await self._gates.pause_overdue())

    async def abandoned(self) -> bool:
        """Cancel abandoned prompts. One whose server does not answer, or is stuck, is tried again after a pause."""
        prompts = await self._assignments.take_abandoned(servers=self._fleet.answering)
        stopped = await asyncio.gather(*(self._stop(prompt.server, str(prompt.prompt_id)) for prompt in prompts))
        for prompt, is_stopped in zip(prompts, stopped, strict=True):
            if is_stopped:
                await self._assignments.forget_abandoned(prompt)
        return bool(prompts)

    async def _stop(self, server: str, prompt_id: str) -> bool:
        try:
            await self._fleet.servers[server].cancel(prompt_id)
        except ServerUnreachable as error:
            logger.warning("a prompt was not cancelled", extra={"server": server, "error": str(error)})
            return False
        except ServerStuck:
            self._fleet.does_not_stop(server, prompt_id)
            return False
        return True
