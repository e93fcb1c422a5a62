"""Copies of other services' facts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from services.dispatch.domain.scenes import Json
from services.dispatch.store.base import BaseStore
from shared.postgres import Transaction

FactKind = Literal["project", "character", "scene_type"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CharacterCopy:
    id: int
    project_id: int
    name: str
    source_image_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneTypeCopy:
    id: int
    project_id: int
    name: str
    segment_count: int
    parameters: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetVersionCopy:
    """`graph` and `bindings` are set for workflows only."""

    id: int
    asset_id: int
    kind: str
    name: str
    version: int
    checksum: str
    file_name: str | None
    graph: Json | None
    bindings: Json | None


class FactStore(BaseStore):
    async def lock_fact(self, tx: Transaction, kind: FactKind, fact_id: int) -> None:
        """Nobody else changes or uses this fact until the transaction ends."""
        await tx.connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1 || ':' || $2::text, 0))", kind, str(fact_id)
        )

    async def share_fact(self, tx: Transaction, kind: FactKind, fact_id: int) -> None:
        """Nobody deletes this fact until the transaction ends; others may use it too."""
        await tx.connection.execute(
            "SELECT pg_advisory_xact_lock_shared(hashtextextended($1 || ':' || $2::text, 0))", kind, str(fact_id)
        )

    async def is_deleted(self, tx: Transaction, kind: FactKind, fact_id: int) -> bool:
        found = await tx.connection.fetchval("SELECT 1 FROM tombstones WHERE kind = $1 AND id = $2", kind, fact_id)
        return found is not None

    async def bury(self, tx: Transaction, kind: FactKind, fact_id: int) -> None:
        await tx.connection.execute(
            "INSERT INTO tombstones (kind, id) VALUES ($1, $2) ON CONFLICT DO NOTHING", kind, fact_id
        )

    async def save_project(self, tx: Transaction, *, project_id: int, name: str, sequence: int) -> None:
        await tx.connection.execute(
            """
            INSERT INTO projects AS known (id, name, sequence) VALUES ($1, $2, $3)
            ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, sequence = EXCLUDED.sequence
            WHERE known.sequence <= EXCLUDED.sequence
            """,
            project_id,
            name,
            sequence,
        )

    async def save_character(self, tx: Transaction, character: CharacterCopy, *, sequence: int) -> None:
        await tx.connection.execute(
            """
            INSERT INTO characters AS known (id, project_id, name, source_image_sha256, sequence)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (id) DO UPDATE
            SET project_id = EXCLUDED.project_id, name = EXCLUDED.name,
                source_image_sha256 = EXCLUDED.source_image_sha256, sequence = EXCLUDED.sequence
            WHERE known.sequence <= EXCLUDED.sequence
            """,
            character.id,
            character.project_id,
            character.name,
            character.source_image_sha256,
            sequence,
        )

    async def save_scene_type(self, tx: Transaction, scene_type: SceneTypeCopy, *, sequence: int) -> None:
        await tx.connection.execute(
            """
            INSERT INTO scene_types AS known (id, project_id, name, segment_count, parameters, sequence)
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (id) DO UPDATE
            SET project_id = EXCLUDED.project_id, name = EXCLUDED.name, segment_count = EXCLUDED.segment_count,
                parameters = EXCLUDED.parameters, sequence = EXCLUDED.sequence
            WHERE known.sequence <= EXCLUDED.sequence
            """,
            scene_type.id,
            scene_type.project_id,
            scene_type.name,
            scene_type.segment_count,
            scene_type.parameters,
            sequence,
        )

    async def forget_project(self, tx: Transaction, project_id: int) -> None:
        await tx.connection.execute("DELETE FROM projects WHERE id = $1", project_id)

    async def forget_character(self, tx: Transaction, character_id: int) -> None:
        await tx.connection.execute("DELETE FROM characters WHERE id = $1", character_id)

    async def forget_scene_type(self, tx: Transaction, scene_type_id: int) -> None:
        await tx.connection.execute("DELETE FROM scene_types WHERE id = $1", scene_type_id)

    async def save_asset_version(self, tx: Transaction, version: AssetVersionCopy) -> None:
        """Versions never change, so the first copy stands."""
        await tx.connection.execute(
            """
            INSERT INTO asset_versions (id, asset_id, kind, name, version, checksum, file_name, graph, bindings)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT (id) DO NOTHING
            """,
            version.id,
            version.asset_id,
            version.kind,
            version.name,
            version.version,
            version.checksum,
            version.file_name,
            version.graph,
            version.bindings,
        )

    async def activate_asset(
        self, tx: Transaction, *, asset_id: int, kind: str, name: str, version_id: int, sequence: int
    ) -> None:
        await tx.connection.execute(
            """
            INSERT INTO active_assets AS known (asset_id, kind, name, version_id, sequence)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (asset_id) DO UPDATE
            SET kind = EXCLUDED.kind, name = EXCLUDED.name, version_id = EXCLUDED.version_id,
                sequence = EXCLUDED.sequence
            WHERE known.sequence <= EXCLUDED.sequence
            """,
            asset_id,
            kind,
            name,
            version_id,
            sequence,
        )

    async def character(self, character_id: int) -> CharacterCopy | None:
        row = await self._database.fetchrow(
            "SELECT id, project_id, name, source_image_sha256 FROM characters WHERE id = $1", character_id
        )
        return CharacterCopy(**row) if row else None

    async def scene_type(self, scene_type_id: int) -> SceneTypeCopy | None:
        row = await self._database.fetchrow(
            "SELECT id, project_id, name, segment_count, parameters FROM scene_types WHERE id = $1", scene_type_id
        )
        return SceneTypeCopy(**row) if row else None

    async def asset_version(self, version_id: int) -> AssetVersionCopy | None:
        row = await self._database.fetchrow(
            """
            SELECT id, asset_id, kind, name, version, checksum, file_name, graph, bindings
            FROM asset_versions WHERE id = $1
            """,
            version_id,
        )
        return AssetVersionCopy(**row) if row else None

    async def active_versions(self, asset_ids: Sequence[int]) -> list[AssetVersionCopy]:
        """The active version of each asset of which both facts are here: that it is active, and what it is."""
        rows = await self._database.fetch(
            """
            SELECT v.id, v.asset_id, v.kind, v.name, v.version, v.checksum, v.file_name, v.graph, v.bindings
            FROM active_assets a JOIN asset_versions v ON v.id = a.version_id
            WHERE a.asset_id = ANY($1::bigint[])
            """,
            list(asset_ids),
        )
        return [AssetVersionCopy(**row) for row in rows]

    async def lock_request(self, tx: Transaction, request_id: UUID) -> None:
        """A request and its cancellation come on two topics; one waits for the other."""
        await tx.connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('request:' || $1::text, 0))", str(request_id)
        )

    async def save_cancelled_request(self, tx: Transaction, request_id: UUID, reason: str) -> None:
        await tx.connection.execute(
            "INSERT INTO cancelled_requests (request_id, reason) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            request_id,
            reason,
        )

    async def cancelled_request(self, tx: Transaction, request_id: UUID) -> str | None:
        reason: str | None = await tx.connection.fetchval(
            "SELECT reason FROM cancelled_requests WHERE request_id = $1", request_id
        )
        return reason
