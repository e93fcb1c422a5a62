"""Projects: the unit of settings and of permission to delete."""

from typing import ClassVar

from pydantic import Field

from shared.contracts.base import Event
from shared.contracts.types import ProjectId, ThresholdSettings


class ProjectUpdated(Event):
    """A project was created or changed; the whole of its present state."""

    key_field: ClassVar[str] = "project_id"

    project_id: ProjectId
    name: str
    regression: ThresholdSettings = Field(default_factory=ThresholdSettings)

    def establishes(self) -> tuple[str, ...]:
        return (f"project:{self.project_id}",)


class ProjectDeleted(Event):
    """A project is gone, with everything in it; its characters and scene types are deleted by events of their own."""

    key_field: ClassVar[str] = "project_id"

    project_id: ProjectId
