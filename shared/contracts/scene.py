"""Scenes: a chain of segments with one character in one kind of scene."""

from typing import ClassVar

from shared.contracts.base import Contract, Event
from shared.contracts.types import (
    CharacterId,
    LockedAsset,
    ProjectId,
    RenderParameters,
    SceneId,
    SceneTypeId,
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


class SceneDeleted(Event):
    key_field: ClassVar[str] = "scene_id"

    scene_id: SceneId
