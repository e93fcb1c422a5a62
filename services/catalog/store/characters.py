"""SQL of characters."""

import asyncpg

from services.catalog import domain
from services.catalog.store.base import Store, unique
from shared.postgres import Transaction


class CharacterStore(Store):
    async def insert(
        self, tx: Transaction, *, project_id: domain.ProjectId, name: str, image: domain.SourceImage
    ) -> domain.Character:
        with unique("character of this project", name):
            row = await tx.connection.fetchrow(
                """
                INSERT INTO characters (project_id, name, source_image_sha256, source_image_width, source_image_height)
                VALUES ($1, $2, $3, $4, $5)
                RETURNING id, project_id, name, source_image_sha256, source_image_width, source_image_height, version,
                    created_at, updated_at
                """,
                project_id,
                name,
                image.sha256,
                image.width,
                image.height,
            )
        assert row is not None
        return _character(row)

    async def lock(self, tx: Transaction, character_id: domain.CharacterId) -> domain.Character:
        """The character, held against changes until the transaction ends. Raises NotFound."""
        row = await tx.connection.fetchrow(
            """
            SELECT id, project_id, name, source_image_sha256, source_image_width, source_image_height, version,
                created_at, updated_at
            FROM characters WHERE id = $1 FOR UPDATE
            """,
            character_id,
        )
        if row is None:
            raise domain.NotFound("character", character_id)
        return _character(row)

    async def lock_of_project(self, tx: Transaction, project_id: domain.ProjectId) -> list[domain.Character]:
        rows = await tx.connection.fetch(
            """
            SELECT id, project_id, name, source_image_sha256, source_image_width, source_image_height, version,
                created_at, updated_at
            FROM characters WHERE project_id = $1 ORDER BY id FOR UPDATE
            """,
            project_id,
        )
        return [_character(row) for row in rows]

    async def change(
        self, tx: Transaction, character_id: domain.CharacterId, *, name: str, image: domain.SourceImage
    ) -> domain.Character:
        with unique("character of this project", name):
            row = await tx.connection.fetchrow(
                """
                UPDATE characters
                SET name = $2, source_image_sha256 = $3, source_image_width = $4, source_image_height = $5,
                    version = version + 1
                WHERE id = $1
                RETURNING id, project_id, name, source_image_sha256, source_image_width, source_image_height, version,
                    created_at, updated_at
                """,
                character_id,
                name,
                image.sha256,
                image.width,
                image.height,
            )
        assert row is not None
        return _character(row)

    async def delete(self, tx: Transaction, character_id: domain.CharacterId) -> None:
        await tx.connection.execute("DELETE FROM characters WHERE id = $1", character_id)

    async def find(self, character_id: domain.CharacterId) -> domain.Character:
        """Raises NotFound."""
        row = await self._database.fetchrow(
            """
            SELECT id, project_id, name, source_image_sha256, source_image_width, source_image_height, version,
                created_at, updated_at
            FROM characters WHERE id = $1
            """,
            character_id,
        )
        if row is None:
            raise domain.NotFound("character", character_id)
        return _character(row)

    async def page(self, *, after: int, limit: int, project_id: int | None, name: str | None) -> list[domain.Character]:
        rows = await self._database.fetch(
            """
            SELECT id, project_id, name, source_image_sha256, source_image_width, source_image_height, version,
                created_at, updated_at
            FROM characters
            WHERE id > $1 AND ($3::bigint IS NULL OR project_id = $3) AND ($4::text IS NULL OR name = $4)
            ORDER BY id LIMIT $2
            """,
            after,
            limit,
            project_id,
            name,
        )
        return [_character(row) for row in rows]


def _character(row: asyncpg.Record) -> domain.Character:
    return domain.Character(
        id=row["id"],
        project_id=row["project_id"],
        name=row["name"],
        source_image=domain.SourceImage(
            sha256=row["source_image_sha256"], width=row["source_image_width"], height=row["source_image_height"]
        ),
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
