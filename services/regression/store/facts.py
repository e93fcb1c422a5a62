"""Copies of other services' facts."""

from typing import Any

from services.regression.store.base import BaseStore
from services.regression.store.rows import AssetRow, AssetVersionRow, Json, Names, SceneRow
from shared.postgres import Transaction


class FactStore(BaseStore):
    async def is_deleted(self, tx: Transaction, kind: str, *ids: int) -> bool:
        found = await tx.connection.fetchval(
            "SELECT 1 FROM tombstones WHERE kind = $1 AND id = ANY($2::bigint[]) LIMIT 1", kind, list(ids)
        )
        return found is not None

    async def add_tombstone(self, tx: Transaction, kind: str, id: int) -> None:
        await tx.connection.execute(
            "INSERT INTO tombstones (kind, id) VALUES ($1, $2) ON CONFLICT DO NOTHING", kind, id
        )

    async def save_project(self, tx: Transaction, *, id: int, name: str, regression: Json, sequence: int) -> None:
        await tx.connection.execute(
            """
            INSERT INTO projects (id, name, regression, sequence) VALUES ($1, $2, $3, $4)
            ON CONFLICT (id) DO UPDATE
            SET name = excluded.name, regression = excluded.regression, sequence = excluded.sequence
            WHERE projects.sequence <= excluded.sequence
            """,
            id,
            name,
            regression,
            sequence,
        )

    async def save_character(self, tx: Transaction, *, id: int, project_id: int, name: str, sequence: int) -> None:
        await tx.connection.execute(
            """
            INSERT INTO characters (id, project_id, name, sequence) VALUES ($1, $2, $3, $4)
            ON CONFLICT (id) DO UPDATE SET name = excluded.name, sequence = excluded.sequence
            WHERE characters.sequence <= excluded.sequence
            """,
            id,
            project_id,
            name,
            sequence,
        )

    async def save_scene_type(self, tx: Transaction, *, id: int, project_id: int, name: str, sequence: int) -> None:
        await tx.connection.execute(
            """
            INSERT INTO scene_types (id, project_id, name, sequence) VALUES ($1, $2, $3, $4)
            ON CONFLICT (id) DO UPDATE SET name = excluded.name, sequence = excluded.sequence
            WHERE scene_types.sequence <= excluded.sequence
            """,
            id,
            project_id,
            name,
            sequence,
        )

    async def save_asset_version(self, tx: Transaction, version: AssetVersionRow) -> None:
        await tx.connection.execute(
            """
            INSERT INTO asset_versions (id, asset_id, kind, name, version, checksum, file_name)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (id) DO NOTHING
            """,
            version.id,
            version.asset_id,
            version.kind,
            version.name,
            version.version,
            version.checksum,
            version.file_name,
        )

    async def asset_version(self, id: int, tx: Transaction | None = None) -> AssetVersionRow | None:
        row = await self._reader(tx).fetchrow(
            "SELECT id, asset_id, kind, name, version, checksum, file_name FROM asset_versions WHERE id = $1", id
        )
        return AssetVersionRow(**row) if row else None

    async def asset_versions(self, ids: list[int]) -> dict[int, AssetVersionRow]:
        rows = await self._database.fetch(
            """
            SELECT id, asset_id, kind, name, version, checksum, file_name FROM asset_versions
            WHERE id = ANY($1::bigint[])
            """,
            ids,
        )
        return {row["id"]: AssetVersionRow(**row) for row in rows}

    async def save_asset(self, tx: Transaction, asset: AssetRow) -> AssetRow:
        """Keep the newest activation; returns what is kept, which is another one when `asset` came late."""
        await tx.connection.execute(
            """
            INSERT INTO assets (id, kind, name, active_version_id, previous_version_id, sequence)
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (id) DO UPDATE
            SET active_version_id = excluded.active_version_id, previous_version_id = excluded.previous_version_id,
                sequence = excluded.sequence
            WHERE assets.sequence <= excluded.sequence
            """,
            asset.id,
            asset.kind,
            asset.name,
            asset.active_version_id,
            asset.previous_version_id,
            asset.sequence,
        )
        kept = await self.asset(asset.id, tx)
        assert kept is not None
        return kept

    async def asset(self, id: int, tx: Transaction | None = None) -> AssetRow | None:
        row = await self._reader(tx).fetchrow(
            "SELECT id, kind, name, active_version_id, previous_version_id, sequence FROM assets WHERE id = $1", id
        )
        return AssetRow(**row) if row else None

    async def save_scene(self, tx: Transaction, scene: SceneRow, *, sequence: int) -> None:
        await tx.connection.execute(
            """
            INSERT INTO scenes (id, project_id, character_id, scene_type_id, name, seed_image_sha256,
                                source_image_sha256, assets, segments, sequence)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            ON CONFLICT (id) DO UPDATE
            SET seed_image_sha256 = excluded.seed_image_sha256, assets = excluded.assets,
                segments = excluded.segments, sequence = excluded.sequence
            WHERE scenes.sequence < excluded.sequence
            """,
            scene.id,
            scene.project_id,
            scene.character_id,
            scene.scene_type_id,
            scene.name,
            scene.seed_image_sha256,
            scene.source_image_sha256,
            scene.assets,
            scene.segments,
            sequence,
        )

    async def scene(self, tx: Transaction, id: int) -> SceneRow | None:
        row = await tx.connection.fetchrow(
            """
            SELECT id, project_id, character_id, scene_type_id, name, seed_image_sha256, source_image_sha256, assets,
                   segments
            FROM scenes WHERE id = $1
            """,
            id,
        )
        return SceneRow(**row) if row else None

    async def note_scene_segment(self, tx: Transaction, scene_id: int, position: int) -> None:
        await tx.connection.execute(
            "INSERT INTO scene_segments (scene_id, position) VALUES ($1, $2) ON CONFLICT DO NOTHING", scene_id, position
        )

    async def rendered_positions(self, tx: Transaction, scene_id: int) -> list[int]:
        rows = await tx.connection.fetch("SELECT position FROM scene_segments WHERE scene_id = $1", scene_id)
        return [row["position"] for row in rows]

    async def forget_project(self, tx: Transaction, id: int) -> None:
        await tx.connection.execute(
            "DELETE FROM scene_segments WHERE scene_id IN (SELECT id FROM scenes WHERE project_id = $1)", id
        )
        await tx.connection.execute("DELETE FROM scenes WHERE project_id = $1", id)
        await tx.connection.execute("DELETE FROM characters WHERE project_id = $1", id)
        await tx.connection.execute("DELETE FROM scene_types WHERE project_id = $1", id)
        await tx.connection.execute("DELETE FROM projects WHERE id = $1", id)

    async def forget_character(self, tx: Transaction, id: int) -> None:
        await tx.connection.execute(
            "DELETE FROM scene_segments WHERE scene_id IN (SELECT id FROM scenes WHERE character_id = $1)", id
        )
        await tx.connection.execute("DELETE FROM scenes WHERE character_id = $1", id)
        await tx.connection.execute("DELETE FROM characters WHERE id = $1", id)

    async def forget_scene_type(self, tx: Transaction, id: int) -> None:
        await tx.connection.execute(
            "DELETE FROM scene_segments WHERE scene_id IN (SELECT id FROM scenes WHERE scene_type_id = $1)", id
        )
        await tx.connection.execute("DELETE FROM scenes WHERE scene_type_id = $1", id)
        await tx.connection.execute("DELETE FROM scene_types WHERE id = $1", id)

    async def forget_scene(self, tx: Transaction, id: int) -> None:
        await tx.connection.execute("DELETE FROM scene_segments WHERE scene_id = $1", id)
        await tx.connection.execute("DELETE FROM scenes WHERE id = $1", id)

    async def project_thresholds(self, tx: Transaction, project_id: int) -> Json:
        found: Any = await tx.connection.fetchval("SELECT regression FROM projects WHERE id = $1", project_id)
        return found or {}

    async def names(
        self, *, character_id: int, scene_type_id: int, scene_id: int, tx: Transaction | None = None
    ) -> Names:
        row = await self._reader(tx).fetchrow(
            """
            SELECT (SELECT name FROM characters WHERE id = $1) AS character,
                   (SELECT name FROM scene_types WHERE id = $2) AS scene_type,
                   (SELECT name FROM scenes WHERE id = $3) AS scene
            """,
            character_id,
            scene_type_id,
            scene_id,
        )
        return Names(**row)
