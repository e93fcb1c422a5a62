"""/api/assets, /api/asset-versions"""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, status
from pydantic import Field

from services.catalog import domain
from services.catalog.api.fields import BindingsRequest, Creator, Name, NameFilter, PathId, RequestCause, Text, Viewer
from services.catalog.operations import AssetOperations
from services.catalog.operations.assets import Submission
from services.catalog.store import AssetStore
from shared.contracts.types import Sha256
from shared.contracts.workflow import Bindings
from shared.http import Page, PageQuery, RequestModel, ResponseModel


class NewAsset(RequestModel):
    kind: domain.AssetKind
    name: Name


class NewVersion(RequestModel):
    """A workflow needs `graph` and `bindings`; a LoRA or model needs `file_name` and `checksum`."""

    file_name: Annotated[str, Field(description="as the render engine knows it; its own for each version")] | None = (
        None
    )
    checksum: Annotated[Sha256, Field(description="SHA-256 of the file")] | None = None
    graph: Annotated[dict[str, Any], Field(description="the workflow in ComfyUI's API format")] | None = None
    bindings: BindingsRequest | None = None
    note: Text = ""


class VersionResponse(ResponseModel):
    """A version without its graph."""

    id: int
    asset_id: int
    kind: domain.AssetKind
    version: int
    checksum: str
    file_name: str | None
    note: str
    published_by: str
    published_at: datetime
    active: bool


class VersionDetailResponse(VersionResponse):
    asset_name: str
    graph: dict[str, Any] | None
    bindings: Bindings | None


class AssetResponse(ResponseModel):
    id: int
    kind: domain.AssetKind
    name: str
    active_version: VersionResponse | None
    version_count: int
    activation_count: int
    created_by: str
    created_at: datetime
    updated_at: datetime


class ActivationResponse(ResponseModel):
    """`sequence` is the one of the `asset.updated` that told of it."""

    asset_id: int
    sequence: int
    version_id: int
    previous_version_id: int | None
    cause: domain.ActivationCause
    run_id: int | None
    activated_by: str
    activated_at: datetime


AssetId = Annotated[domain.AssetId, PathId]
VersionId = Annotated[domain.VersionId, PathId]
KindFilter = Annotated[domain.AssetKind | None, Query(description="only of this kind")]


def build_router(*, operations: AssetOperations, store: AssetStore) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["assets"])
    _add_assets(router, operations, store)
    _add_versions(router, operations, store)
    return router


def _add_assets(router: APIRouter, operations: AssetOperations, store: AssetStore) -> None:
    @router.post(
        "/assets", summary="Create an asset", response_model=AssetResponse, status_code=status.HTTP_201_CREATED
    )
    async def create(body: NewAsset, cause: RequestCause, _: Creator) -> AssetResponse:
        return _asset(await operations.create(cause, kind=body.kind, name=body.name), {})

    @router.get("/assets", summary="List assets", response_model=Page[AssetResponse])
    async def listing(
        page: Annotated[PageQuery, Depends()], _: Viewer, kind: KindFilter = None, name: NameFilter = None
    ) -> Page[AssetResponse]:
        found = await store.page(after=page.after_id or 0, limit=page.limit, kind=kind, name=name)
        return Page(items=await _with_active(store, found), next_cursor=page.next_cursor([asset.id for asset in found]))

    @router.get("/assets/{asset_id}", summary="Show an asset and its active version", response_model=AssetResponse)
    async def show(asset_id: AssetId, _: Viewer) -> AssetResponse:
        return (await _with_active(store, [await store.find(asset_id)]))[0]

    @router.get(
        "/assets/{asset_id}/activations",
        summary="List which version was active when, and why",
        response_model=Page[ActivationResponse],
    )
    async def activations(
        asset_id: AssetId, page: Annotated[PageQuery, Depends()], _: Viewer
    ) -> Page[ActivationResponse]:
        await store.find(asset_id)
        found = await store.page_of_activations(asset_id, after=page.after_id or 0, limit=page.limit)
        return Page(
            items=[ActivationResponse.model_validate(activation) for activation in found],
            next_cursor=page.next_cursor([activation.sequence for activation in found]),
        )


def _add_versions(router: APIRouter, operations: AssetOperations, store: AssetStore) -> None:
    @router.post(
        "/assets/{asset_id}/versions",
        summary="Publish a version, active at once",
        response_model=VersionResponse,
        status_code=status.HTTP_201_CREATED,
    )
    async def publish(asset_id: AssetId, body: NewVersion, cause: RequestCause, _: Creator) -> VersionResponse:
        submission = Submission(
            checksum=body.checksum,
            file_name=body.file_name,
            graph=body.graph,
            bindings=body.bindings,
            note=body.note,
        )
        version = await operations.publish(cause, asset_id, submission)
        return _version(version, active=version.id)

    @router.get("/assets/{asset_id}/versions", summary="List an asset's versions", response_model=Page[VersionResponse])
    async def versions(asset_id: AssetId, page: Annotated[PageQuery, Depends()], _: Viewer) -> Page[VersionResponse]:
        asset = await store.find(asset_id)
        found = await store.page_of_versions(asset_id, after=page.after_id or 0, limit=page.limit)
        return Page(
            items=[_version(version, active=asset.active_version_id) for version in found],
            next_cursor=page.next_cursor([version.version for version in found]),
        )

    @router.get(
        "/asset-versions/{version_id}", summary="Show a version with its graph", response_model=VersionDetailResponse
    )
    async def version(version_id: VersionId, _: Viewer) -> VersionDetailResponse:
        found = await store.find_version(version_id)
        asset = await store.find(found.asset_id)
        return VersionDetailResponse(
            **_version(found, active=asset.active_version_id).model_dump(),
            asset_name=asset.name,
            graph=found.graph,
            bindings=None if found.bindings is None else Bindings.model_validate(found.bindings),
        )


async def _with_active(store: AssetStore, assets: list[domain.Asset]) -> list[AssetResponse]:
    active = [asset.active_version_id for asset in assets if asset.active_version_id is not None]
    versions = {version.id: version for version in await store.headers_of_versions(active)}
    return [_asset(asset, versions) for asset in assets]


def _asset(asset: domain.Asset, versions: dict[domain.VersionId, domain.AssetVersion]) -> AssetResponse:
    active = None if asset.active_version_id is None else versions.get(asset.active_version_id)
    return AssetResponse(
        id=asset.id,
        kind=asset.kind,
        name=asset.name,
        active_version=None if active is None else _version(active, active=asset.active_version_id),
        version_count=asset.version_count,
        activation_count=asset.activation_count,
        created_by=asset.created_by,
        created_at=asset.created_at,
        updated_at=asset.updated_at,
    )


def _version(version: domain.AssetVersion, *, active: domain.VersionId | None) -> VersionResponse:
    return VersionResponse(
        id=version.id,
        asset_id=version.asset_id,
        kind=version.kind,
        version=version.version,
        checksum=version.checksum,
        file_name=version.file_name,
        note=version.note,
        published_by=version.published_by,
        published_at=version.published_at,
        active=version.id == active,
    )
