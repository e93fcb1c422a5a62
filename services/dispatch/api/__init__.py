"""HTTP in: one router per noun, put together here."""

from fastapi import APIRouter

from services.dispatch.api import batches, jobs, progress, queue, regenerations, repairs, scenes, segments, shots, usage
from services.dispatch.operations.batches import BatchOperations
from services.dispatch.operations.progress import ProgressOperations
from services.dispatch.operations.queue import QueueOperations
from services.dispatch.operations.regenerations import RegenerationOperations
from services.dispatch.operations.reviews import ReviewOperations
from services.dispatch.operations.scenes import SceneOperations
from services.dispatch.operations.servers import ServerOperations
from services.dispatch.operations.shots import ShotOperations
from services.dispatch.operations.undoing import UndoOperations
from services.dispatch.operations.usage import UsageOperations
from services.dispatch.store import Store


def build_routers(
    *,
    scenes_: SceneOperations,
    reviews_: ReviewOperations,
    regenerations_: RegenerationOperations,
    undoing_: UndoOperations,
    shots_: ShotOperations,
    batches_: BatchOperations,
    servers_: ServerOperations,
    queue_: QueueOperations,
    usage_: UsageOperations,
    progress_: ProgressOperations,
    store: Store,
) -> list[APIRouter]:
    return [
        scenes.build_router(operations=scenes_, store=store),
        segments.build_router(operations=reviews_, store=store),
        regenerations.build_router(operations=regenerations_, store=store),
        repairs.build_router(operations=undoing_),
        batches.build_router(operations=batches_),
        shots.build_router(operations=shots_, store=store),
        queue.build_router(operations=queue_),
        usage.build_router(operations=usage_),
        progress.build_router(operations=progress_),
        jobs.build_router(servers_=servers_, store=store),
    ]
