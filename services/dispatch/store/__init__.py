"""Every SQL statement of dispatch's schema, and rows turned into dataclasses. Nothing here commits or decides."""

from services.dispatch.store.attempts import AttemptStore
from services.dispatch.store.facts import FactStore
from services.dispatch.store.fitness import FitnessStore
from services.dispatch.store.jobs import JobStore
from services.dispatch.store.progress import ProgressStore
from services.dispatch.store.queue import QueueStore
from services.dispatch.store.repairs import RepairStore
from services.dispatch.store.scenes import SceneStore
from services.dispatch.store.score_gates import ScoreGateStore
from services.dispatch.store.seams import SeamStore
from services.dispatch.store.servers import ServerStore
from services.dispatch.store.shots import ShotStore
from services.dispatch.store.timelines import TimelineStore
from services.dispatch.store.usage import UsageStore

__all__ = ["Store"]


class Store(
    FactStore,
    SceneStore,
    TimelineStore,
    ScoreGateStore,
    JobStore,
    AttemptStore,
    ShotStore,
    QueueStore,
    ServerStore,
    FitnessStore,
    SeamStore,
    UsageStore,
    ProgressStore,
    RepairStore,
):
    """One object for the whole schema; its statements are grouped by what they are about."""
