"""Characters and their source photographs."""

from typing import Protocol

from services.catalog import domain, metrics
from services.catalog.store import CharacterStore, ProjectStore
from shared.cause import Cause
from shared.contracts import topics, types
from shared.contracts.character import CharacterDeleted, CharacterUpdated
from shared.media import MediaStore
from shared.postgres import Transaction


class ImageDecoder(Protocol):
    async def normalise(self, data: bytes) -> domain.DecodedImage:
        """Raises TooLarge, UnsupportedMedia or Refused for bytes that are no usable photograph."""


class CharacterOperations:
    def __init__(
        self, *, store: CharacterStore, projects: ProjectStore, decoder: ImageDecoder, media: MediaStore
    ) -> None:
        self._store = store
        self._projects = projects
        self._decoder = decoder
        self._media = media

    async def create(self, cause: Cause, *, project_id: domain.ProjectId, name: str, image: bytes) -> domain.Character:
        """Raises NotFound for the project, Conflict for a name that is taken, and what the decoder refuses."""
        await self._projects.find(project_id)
        stored = await self._keep(image)
        async with self._store.transaction(cause) as tx:
            await self._projects.hold(tx, project_id)
            character = await self._store.insert(tx, project_id=project_id, name=name, image=stored)
            await tx.emit(_updated(character))
        return character

    async def change(
        self, cause: Cause, character_id: domain.CharacterId, *, name: str | None, image: bytes | None
    ) -> domain.Character:
        """None leaves a part as it is; a change that changes nothing says nothing."""
        await self._store.find(character_id)
        stored = None if image is None else await self._keep(image)
        async with self._store.transaction(cause) as tx:
            before = await self._store.lock(tx, character_id)
            wanted = (name or before.name, stored or before.source_image)
            if wanted == (before.name, before.source_image):
                return before
            character = await self._store.change(tx, character_id, name=wanted[0], image=wanted[1])
            await tx.emit(_updated(character))
        return character

    async def delete(self, cause: Cause, character_id: domain.CharacterId) -> None:
        async with self._store.transaction(cause) as tx:
            character = await self._store.lock(tx, character_id)
            await self._store.delete(tx, character_id)
            await say_deleted(tx, character)

    async def _keep(self, data: bytes) -> domain.SourceImage:
        """Stored before the transaction: should that fail, an object is left that nothing refers to."""
        try:
            decoded = await self._decoder.normalise(data)
        except domain.CatalogError as error:
            metrics.UPLOADS_REFUSED.labels(type(error).__name__).inc()
            raise
        sha256 = await self._media.put_bytes(decoded.png)
        return domain.SourceImage(sha256=sha256, width=decoded.width, height=decoded.height)


async def say_deleted(tx: Transaction, character: domain.Character) -> None:
    deleted = CharacterDeleted(
        sequence=character.version + 1,
        character_id=types.CharacterId(character.id),
        project_id=types.ProjectId(character.project_id),
    )
    await tx.emit(deleted)
    await tx.retire(topics.CHARACTER_UPDATED, deleted.key)


def _updated(character: domain.Character) -> CharacterUpdated:
    return CharacterUpdated(
        sequence=character.version,
        character_id=types.CharacterId(character.id),
        project_id=types.ProjectId(character.project_id),
        name=character.name,
        source_image_sha256=character.source_image.sha256,
    )
