"""SQL of assets, their versions and which of these was active when."""

from datetime import datetime
from typing import Any

import asyncpg

from services.catalog import domain
from services.catalog.store.base import Store, unique
from shared.postgres import Transaction


class AssetStore(Store):
    async def insert(self, tx: Transaction, *, kind: domain.AssetKind, name: str, created_by: str) -> domain.Asset:
        with unique(kind, name):
            row = await tx.connection.fetchrow(
                """
                INSERT INTO assets (kind, name, created_by) VALUES ($1, $2, $3)
                RETURNING id, kind, name, active_version_id, version_count, activation_count, created_by, created_at,
                    updated_at
                """,
                kind,
                name,
                created_by,
            )
        assert row is not None
        return _asset(row)

    async def lock(self, tx: Transaction, asset_id: domain.AssetId) -> domain.Asset | None:
        """The asset, held against changes until the transaction ends: that keeps its activations in one order."""
        row = await tx.connection.fetchrow(
            """
            SELECT id, kind, name, active_version_id, version_count, activation_count, created_by, created_at,
                updated_at
            FROM assets WHERE id = $1 FOR UPDATE
            """,
            asset_id,
        )
        return None if row is None else _asset(row)

    async def find(self, asset_id: domain.AssetId) -> domain.Asset:
        """Raises NotFound."""
        row = await self._database.fetchrow(
            """
            SELECT id, kind, name, active_version_id, version_count, activation_count, created_by, created_at,
                updated_at
            FROM assets WHERE id = $1
            """,
            asset_id,
        )
        if row is None:
            raise domain.NotFound("asset", asset_id)
        return _asset(row)

    async def page(
        self, *, after: int, limit: int, kind: domain.AssetKind | None, name: str | None
    ) -> list[domain.Asset]:
        rows = await self._database.fetch(
            """
            SELECT id, kind, name, active_version_id, version_count, activation_count, created_by, created_at,
                updated_at
            FROM assets
            WHERE id > $1 AND ($3::text IS NULL OR kind = $3) AND ($4::text IS NULL OR name = $4)
            ORDER BY id LIMIT $2
            """,
            after,
            limit,
            kind,
            name,
        )
        return [_asset(row) for row in rows]

    async def insert_version(
        self,
        tx: Transaction,
        asset: domain.Asset,
        content: domain.Content,
        *,
        note: str,
        published_by: str,
        published_at: datetime,
    ) -> domain.AssetVersion | None:
        """The asset's next version; None when its file name is taken. The asset must be locked."""
        row = await tx.connection.fetchrow(
            """
            INSERT INTO asset_versions
                (asset_id, kind, version, checksum, file_name, graph, bindings, note, published_by, published_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            ON CONFLICT ON CONSTRAINT asset_versions_kind_file_name_key DO NOTHING
            RETURNING id, asset_id, kind, version, checksum, file_name, graph, bindings, note, published_by,
                published_at
            """,
            asset.id,
            asset.kind,
            asset.version_count + 1,
            content.checksum,
            content.file_name,
            content.graph,
            content.bindings,
            note,
            published_by,
            published_at,
        )
        return None if row is None else _version(row)

    async def version_with_file(self, tx: Transaction, kind: domain.AssetKind, file_name: str) -> domain.AssetVersion:
        row = await tx.connection.fetchrow(
            """
            SELECT id, asset_id, kind, version, checksum, file_name, graph, bindings, note, published_by, published_at
            FROM asset_versions WHERE kind = $1 AND file_name = $2
            """,
            kind,
            file_name,
        )
        assert row is not None
        return _version(row)

    async def version_of(
        self, tx: Transaction, asset_id: domain.AssetId, version_id: domain.VersionId
    ) -> domain.AssetVersion | None:
        row = await tx.connection.fetchrow(
            """
            SELECT id, asset_id, kind, version, checksum, file_name, graph, bindings, note, published_by, published_at
            FROM asset_versions WHERE asset_id = $1 AND id = $2
            """,
            asset_id,
            version_id,
        )
        return None if row is None else _version(row)

    async def find_version(self, version_id: domain.VersionId) -> domain.AssetVersion:
        """Raises NotFound."""
        row = await self._database.fetchrow(
            """
            SELECT id, asset_id, kind, version, checksum, file_name, graph, bindings, note, published_by, published_at
            FROM asset_versions WHERE id = $1
            """,
            version_id,
        )
        if row is None:
            raise domain.NotFound("asset version", version_id)
        return _version(row)

    async def headers_of_versions(self, version_ids: list[domain.VersionId]) -> list[domain.AssetVersion]:
        """These versions without their graphs, which are large."""
        rows = await self._database.fetch(
            """
            SELECT id, asset_id, kind, version, checksum, file_name, NULL::json AS graph, NULL::jsonb AS bindings, note,
                published_by, published_at
            FROM asset_versions WHERE id = ANY($1::bigint[])
            """,
            version_ids,
        )
        return [_version(row) for row in rows]

    async def page_of_versions(self, asset_id: domain.AssetId, *, after: int, limit: int) -> list[domain.AssetVersion]:
        """Oldest first, without their graphs."""
        rows = await self._database.fetch(
            """
            SELECT id, asset_id, kind, version, checksum, file_name, NULL::json AS graph, NULL::jsonb AS bindings, note,
                published_by, published_at
            FROM asset_versions WHERE asset_id = $1 AND version > $2 ORDER BY version LIMIT $3
            """,
            asset_id,
            after,
            limit,
        )
        return [_version(row) for row in rows]

    async def activate(
        self,
        tx: Transaction,
        asset: domain.Asset,
        version: domain.AssetVersion,
        *,
        cause: domain.ActivationCause,
        run_id: int | None,
        activated_by: str,
        activated_at: datetime,
    ) -> domain.Activation:
        """Make a version the active one and remember that it became so. The asset must be locked."""
        await tx.connection.execute(
            """
            UPDATE assets
            SET active_version_id = $2, activation_count = $3, version_count = greatest(version_count, $4)
            WHERE id = $1
            """,
            asset.id,
            version.id,
            asset.activation_count + 1,
            version.version,
        )
        row = await tx.connection.fetchrow(
            """
            INSERT INTO asset_activations
                (asset_id, sequence, version_id, previous_version_id, cause, run_id, activated_by, activated_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            RETURNING asset_id, sequence, version_id, previous_version_id, cause, run_id, activated_by, activated_at
            """,
            asset.id,
            asset.activation_count + 1,
            version.id,
            asset.active_version_id,
            cause,
            run_id,
            activated_by,
            activated_at,
        )
        assert row is not None
        return _activation(row)

    async def last_activation(self, tx: Transaction, asset_id: domain.AssetId) -> domain.Activation | None:
        row = await tx.connection.fetchrow(
            """
            SELECT asset_id, sequence, version_id, previous_version_id, cause, run_id, activated_by, activated_at
            FROM asset_activations WHERE asset_id = $1 ORDER BY sequence DESC LIMIT 1
            """,
            asset_id,
        )
        return None if row is None else _activation(row)

    async def page_of_activations(self, asset_id: domain.AssetId, *, after: int, limit: int) -> list[domain.Activation]:
        """Oldest first."""
        rows = await self._database.fetch(
            """
            SELECT asset_id, sequence, version_id, previous_version_id, cause, run_id, activated_by, activated_at
            FROM asset_activations WHERE asset_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3
            """,
            asset_id,
            after,
            limit,
        )
        return [_activation(row) for row in rows]


def _asset(row: asyncpg.Record) -> domain.Asset:
    fields: dict[str, Any] = dict(row)
    return domain.Asset(**fields | {"kind": domain.AssetKind(row["kind"])})


def _version(row: asyncpg.Record) -> domain.AssetVersion:
    fields: dict[str, Any] = dict(row)
    return domain.AssetVersion(**fields | {"kind": domain.AssetKind(row["kind"])})


def _activation(row: asyncpg.Record) -> domain.Activation:
    fields: dict[str, Any] = dict(row)
    return domain.Activation(**fields | {"cause": domain.ActivationCause(row["cause"])})
