"""Goes on with repairs of seams: makes candidates of their clips, and decides on them when the scores are there."""

from services.dispatch.domain.repairs import Repair, RepairState
from services.dispatch.operations.repairs import RepairOperations
from shared.media import MediaStore


class RepairWorker:
    def __init__(self, *, operations: RepairOperations, media: MediaStore) -> None:
        self._operations = operations
        self._media = media

    async def step(self) -> bool:
        repair = await self._operations.take()
        if repair is None:
            return False
        if repair.state is RepairState.SCORING:
            await self._operations.decide(repair)
        elif missing := await self._missing(repair):
            await self._operations.refuse(repair.id, f"{missing} is not in the media store", repair.correlation_id)
        else:
            await self._operations.propose(repair)
        return True

    async def _missing(self, repair: Repair) -> str:
        for repaired in repair.clips:
            if not await self._media.exists(repaired.clip.sha256):
                return f"the repaired clip {repaired.clip.sha256}"
            if not await self._media.exists(repaired.clip.last_frame_sha256):
                return f"the last frame {repaired.clip.last_frame_sha256} of a repaired clip"
        return ""
