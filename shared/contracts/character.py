"""Characters: who is on screen, and the source photograph that says what they look like."""

from typing import ClassVar

from shared.contracts.base import Event
from shared.contracts.types import CharacterId, ProjectId, Sha256


class CharacterUpdated(Event):
    """A character was created or changed; the whole of its present state."""

    key_field: ClassVar[str] = "character_id"

    character_id: CharacterId
    project_id: ProjectId
    name: str
    source_image_sha256: Sha256

    def establishes(self) -> tuple[str, ...]:
        return (f"character:{self.character_id}",)


class CharacterDeleted(Event):
    """A character is gone; whoever holds faces, references or queued work of it deletes them."""

    key_field: ClassVar[str] = "character_id"

    character_id: CharacterId
    project_id: ProjectId
