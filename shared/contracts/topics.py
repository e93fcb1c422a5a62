"""The one registry of topics: who says what, who hears it, how it is kept.

It creates the topics, draws the flowchart in ARCHITECTURE.md and drives the contract tests. A service never names a
topic as text; it names a member of this module.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar

from shared.contracts.asset import AssetRollbackRejected, AssetRollbackRequested, AssetUpdated, AssetVersionPublished
from shared.contracts.base import Event
from shared.contracts.boundary import BoundaryChecked, BoundaryRepairRejected, BoundarySmoothed
from shared.contracts.character import CharacterDeleted, CharacterUpdated
from shared.contracts.dead_letter import DeadLettered
from shared.contracts.generation import GenerationCancelRequested, GenerationProgressed, GenerationRequested
from shared.contracts.project import ProjectDeleted, ProjectUpdated
from shared.contracts.regression import RegressionCompleted, RegressionProgressed
from shared.contracts.scene import SceneConfigured, SceneDeleted, ScenePaused
from shared.contracts.scene_type import SceneTypeDeleted, SceneTypeUpdated
from shared.contracts.scoring import ScoringRequested, SegmentScored
from shared.contracts.segment import (
    SegmentActivated,
    SegmentFailed,
    SegmentGenerated,
    SegmentReviewed,
    SegmentStaled,
)
from shared.contracts.token import TokenRevoked

E = TypeVar("E", bound=Event)

SERVICES = ("catalog", "dispatch", "scoring", "smoothing", "regression", "studio")

MONTH = timedelta(days=30)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Topic(Generic[E]):
    """One topic. Compacted topics keep the newest event per key for ever; the others keep events for `retention`."""

    name: str
    event: type[E]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    description: str
    partitions: int = 3
    retention: timedelta = field(default=MONTH)
    compacted: bool = False


PROJECT_UPDATED = Topic(
    name="project.updated",
    event=ProjectUpdated,
    producers=("catalog",),
    consumers=("dispatch", "regression", "smoothing"),
    description="a project's name and judging rules",
    compacted=True,
)

PROJECT_DELETED = Topic(
    name="project.deleted",
    event=ProjectDeleted,
    producers=("catalog",),
    consumers=("dispatch", "scoring", "smoothing", "regression"),
    description="a project and all in it is gone",
)

CHARACTER_UPDATED = Topic(
    name="character.updated",
    event=CharacterUpdated,
    producers=("catalog",),
    consumers=("dispatch", "scoring", "regression"),
    description="a character's name and source photograph",
    compacted=True,
)

CHARACTER_DELETED = Topic(
    name="character.deleted",
    event=CharacterDeleted,
    producers=("catalog",),
    consumers=("dispatch", "scoring", "smoothing", "regression"),
    description="a character is gone, its face data too",
)

SCENE_TYPE_UPDATED = Topic(
    name="scene_type.updated",
    event=SceneTypeUpdated,
    producers=("catalog",),
    consumers=("dispatch", "regression"),
    description="what a kind of scene asks for by default",
    compacted=True,
)

SCENE_TYPE_DELETED = Topic(
    name="scene_type.deleted",
    event=SceneTypeDeleted,
    producers=("catalog",),
    consumers=("dispatch", "scoring", "smoothing", "regression"),
    description="a scene type is gone",
)

ASSET_VERSION_PUBLISHED = Topic(
    name="asset.version_published",
    event=AssetVersionPublished,
    producers=("catalog",),
    consumers=("dispatch", "regression"),
    description="an immutable version: graph, bindings, file name, checksum",
    compacted=True,
)

ASSET_UPDATED = Topic(
    name="asset.updated",
    event=AssetUpdated,
    producers=("catalog",),
    consumers=("dispatch", "regression"),
    description="another version became active, by release or rollback",
)

ASSET_ROLLBACK_REQUESTED = Topic(
    name="asset.rollback_requested",
    event=AssetRollbackRequested,
    producers=("regression",),
    consumers=("catalog",),
    description="undo one version, unless a newer one is active",
)

ASSET_ROLLBACK_REJECTED = Topic(
    name="asset.rollback_rejected",
    event=AssetRollbackRejected,
    producers=("catalog",),
    consumers=("regression",),
    description="the rollback would have undone a newer version",
)

TOKEN_REVOKED = Topic(
    name="token.revoked",
    event=TokenRevoked,
    producers=("catalog",),
    consumers=("studio",),
    description="an access token must not be accepted any more",
)

GENERATION_REQUESTED = Topic(
    name="generation.requested",
    event=GenerationRequested,
    producers=("regression",),
    consumers=("dispatch",),
    description="render a chain of segments",
)

GENERATION_CANCEL_REQUESTED = Topic(
    name="generation.cancel_requested",
    event=GenerationCancelRequested,
    producers=("regression",),
    consumers=("dispatch",),
    description="stop what is not finished of a request",
)

GENERATION_PROGRESSED = Topic(
    name="generation.progressed",
    event=GenerationProgressed,
    producers=("dispatch",),
    consumers=("studio",),
    description="how far a render is; may be lost",
    retention=HOUR,
)

SCENE_CONFIGURED = Topic(
    name="scene.configured",
    event=SceneConfigured,
    producers=("dispatch",),
    consumers=("regression",),
    description="a scene was planned, or is made with something else now: all that is needed to render it again",
)

SCENE_PAUSED = Topic(
    name="scene.paused",
    event=ScenePaused,
    producers=("dispatch",),
    consumers=("studio",),
    description="a scene waits for a person: its score gate let a segment not pass",
)

SCENE_DELETED = Topic(
    name="scene.deleted",
    event=SceneDeleted,
    producers=("dispatch",),
    consumers=("scoring", "smoothing", "regression"),
    description="a scene is gone",
)

SEGMENT_GENERATED = Topic(
    name="segment.generated",
    event=SegmentGenerated,
    producers=("dispatch",),
    consumers=("scoring", "smoothing", "regression"),
    description="a clip is decoded and stored",
)

SEGMENT_FAILED = Topic(
    name="segment.failed",
    event=SegmentFailed,
    producers=("dispatch",),
    consumers=("regression", "studio"),
    description="a render that will not happen, and why",
)

SEGMENT_ACTIVATED = Topic(
    name="segment.activated",
    event=SegmentActivated,
    producers=("dispatch",),
    consumers=("scoring", "smoothing"),
    description="another version of a position is current",
)

SEGMENT_STALED = Topic(
    name="segment.staled",
    event=SegmentStaled,
    producers=("dispatch",),
    consumers=("studio",),
    description="segments that no longer continue what is before them, or do again",
)

SEGMENT_REVIEWED = Topic(
    name="segment.reviewed",
    event=SegmentReviewed,
    producers=("dispatch",),
    consumers=("scoring",),
    description="a person approved or rejected a segment",
)

SCORING_REQUESTED = Topic(
    name="scoring.requested",
    event=ScoringRequested,
    producers=("regression", "scoring"),
    consumers=("scoring",),
    description="measure a stored clip again",
)

SEGMENT_SCORED = Topic(
    name="segment.scored",
    event=SegmentScored,
    producers=("scoring",),
    consumers=("dispatch", "regression"),
    description="metrics, gates and comparison of a clip, or why there are none",
)

BOUNDARY_CHECKED = Topic(
    name="boundary.checked",
    event=BoundaryChecked,
    producers=("smoothing",),
    consumers=("dispatch", "studio"),
    description="the seam between two current versions was measured",
)

BOUNDARY_SMOOTHED = Topic(
    name="boundary.smoothed",
    event=BoundarySmoothed,
    producers=("smoothing",),
    consumers=("dispatch",),
    description="a repair was made: one or two candidate clips",
)

BOUNDARY_REPAIR_REJECTED = Topic(
    name="boundary.repair_rejected",
    event=BoundaryRepairRejected,
    producers=("smoothing", "dispatch"),
    consumers=("smoothing", "studio"),
    description="a repair that will not become current, and why",
)

REGRESSION_PROGRESSED = Topic(
    name="regression.progressed",
    event=RegressionProgressed,
    producers=("regression",),
    consumers=("studio",),
    description="how far a run is",
    retention=HOUR,
)

REGRESSION_COMPLETED = Topic(
    name="regression.completed",
    event=RegressionCompleted,
    producers=("regression",),
    consumers=("studio",),
    description="how a run ended",
)


def dead_letter_topic(service: str) -> Topic[DeadLettered]:
    """Each service's own dead letters; read by operators through the `rushes` command."""
    return Topic(
        name=f"{service}.dead_letter",
        event=DeadLettered,
        producers=(service,),
        consumers=(),
        description=f"what {service} could not handle",
        partitions=1,
    )


TOPICS: tuple[Topic[Any], ...] = tuple(value for value in list(globals().values()) if isinstance(value, Topic))
DEAD_LETTER_TOPICS: tuple[Topic[DeadLettered], ...] = tuple(dead_letter_topic(service) for service in SERVICES)

_BY_EVENT: dict[type[Event], Topic[Any]] = {topic.event: topic for topic in TOPICS}
_BY_NAME: dict[str, Topic[Any]] = {topic.name: topic for topic in TOPICS}


def topic_of(event: Event) -> Topic[Any]:
    """The topic an event is said on. Raises KeyError for an event that is not in the registry."""
    return _BY_EVENT[type(event)]


def topic_named(name: str) -> Topic[Any]:
    return _BY_NAME[name]
