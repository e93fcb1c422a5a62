"""Scenes: a chain of segments with one character in one kind of scene."""

from typing import ClassVar

from pydantic import Field

from shared.contracts.base import Contract, Event
from shared.contracts.types import (
    CharacterId,
    Instant,
    LockedAsset,
    ProjectId,
    RenderParameters,
    SceneId,
    SceneTypeId,
    SegmentId,
    Sha256,
    Tier,
)


class PlannedSegment(Contract):
    position: int
    parameters: RenderParameters


class SceneConfigured(Event):
    """A person's scene was planned: all that is needed to render it again. Not said for services' renders.

    Said again, as a whole and with a higher sequence, when a segment made with other parameters becomes current: a
    promoted test shot, a regeneration, an earlier version.
    """

    key_field: ClassVar[str] = "scene_id"

    scene_id: SceneId
    project_id: ProjectId
    character_id: CharacterId
    scene_type_id: SceneTypeId
    name: str
    tier: Tier
    seed_image_sha256: Sha256
    source_image_sha256: Sha256
    assets: tuple[LockedAsset, ...]
    segments: tuple[PlannedSegment, ...]

    def establishes(self) -> tuple[str, ...]:
        return (f"scene:{self.scene_id}",)


class ScenePaused(Event):
    """A scene's score gate has stopped its chain: it goes on when a person says how. Not said of a person's pause."""

    key_field: ClassVar[str] = "scene_id"

    scene_id: SceneId
    project_id: ProjectId
    name: str
    segment_id: SegmentId
    position: int = Field(ge=1, description="the chain goes on from it")
    reason: str
    paused_at: Instant


class SceneDeleted(Event):
    key_field: ClassVar[str] = "scene_id"

    scene_id: SceneId
