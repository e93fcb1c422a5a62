"""Scene types: what a kind of scene asks of the renderer by default."""

from typing import ClassVar

from pydantic import Field

from shared.contracts.base import Event
from shared.contracts.types import ProjectId, RenderParameters, SceneTypeId


class SceneTypeUpdated(Event):
    """A scene type was created or changed; the whole of its present state."""

    key_field: ClassVar[str] = "scene_type_id"

    scene_type_id: SceneTypeId
    project_id: ProjectId
    name: str
    segment_count: int = Field(ge=1, le=100)
    parameters: RenderParameters

    def establishes(self) -> tuple[str, ...]:
        return (f"scene_type:{self.scene_type_id}",)


class SceneTypeDeleted(Event):
    """A scene type is gone; references and queued work of it go too."""

    key_field: ClassVar[str] = "scene_type_id"

    scene_type_id: SceneTypeId
    project_id: ProjectId
