"""/api/test-shots, and the test shots of a scene"""

import base64
import json
from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Query, status
from pydantic import Field

from services.dispatch.api.fields import MAX_ID, Creator, PathId, RequestCause, Viewer
from services.dispatch.api.scenes import FilterId, Id, Overrides
from services.dispatch.domain.errors import NotFound
from services.dispatch.domain.scenes import SceneState, Tier
from services.dispatch.domain.shots import DoesNotFit, Shot, ShotSort
from services.dispatch.operations.planning import NewScene
from services.dispatch.operations.shots import Pair, Promotion, SceneShot, ShotOperations
from services.dispatch.store import Store
from services.dispatch.store.shots import GalleryFilter
from shared.contracts.types import LockedAsset, RenderParameters, Seed
from shared.http import Page, Problem, RequestModel, ResponseModel


class SceneShotRequest(RequestModel):
    """Only what is to be otherwise than in the scene's first segment."""

    workflow_id: Id | None = None
    lora_id: Id | None = None
    model_id: Id | None = None
    tier: Tier | None = None
    seed: Seed | None = None
    parameters: Overrides = Overrides()

    def wish(self) -> SceneShot:
        return SceneShot(
            workflow_id=self.workflow_id,
            lora_id=self.lora_id,
            model_id=self.model_id,
            tier=self.tier,
            seed=self.seed,
            overrides=self.parameters.given(),
        )


class NewShotRequest(RequestModel):
    """Without `seed` one is drawn."""

    character_id: Id
    scene_type_id: Id
    workflow_id: Id
    lora_id: Id | None = None
    model_id: Id | None = None
    tier: Tier = Tier.FULL
    seed: Seed | None = None
    parameters: Overrides = Overrides()

    def wish(self) -> NewScene:
        return NewScene(
            name="test shot",
            character_id=self.character_id,
            scene_type_id=self.scene_type_id,
            workflow_id=self.workflow_id,
            lora_id=self.lora_id,
            model_id=self.model_id,
            tier=self.tier,
            segment_count=1,
            seed=self.seed,
            overrides=self.parameters.given(),
        )


class ShotResponse(ResponseModel):
    """`parameters` at full tier, as asked for. Paths are sha256 hashes: get links from /api/media/{sha256}/link."""

    id: int
    project_id: int
    scene_type_id: int
    character_id: int
    workflow_id: int | None
    lora_id: int | None
    model_id: int | None
    tier: Tier
    parameters: RenderParameters
    assets: tuple[LockedAsset, ...]
    seed_image_path: str
    output_video_path: str | None
    last_frame_path: str | None
    duration_secs: float | None
    quality_score: float | None
    gate_verdict: str | None
    render_seconds: float | None
    state: SceneState
    state_reason: str
    is_promoted: bool
    promoted_to_scene_id: int | None
    promoted_segment_id: int | None
    render_scene_id: int
    source_scene_id: int | None
    batch_id: int | None
    cell_name: str
    created_by_id: str
    created_at: datetime


class DifferenceResponse(ResponseModel):
    """`hinders`: it keeps a shot from being promoted without an override."""

    name: str
    first: Any
    second: Any
    hinders: bool


class PairResponse(ResponseModel):
    first: ShotResponse
    second: ShotResponse
    differences: list[DifferenceResponse]

    @classmethod
    def of(cls, pair: Pair) -> Self:
        return cls.model_validate(pair)


class PromoteRequest(RequestModel):
    scene_id: Id
    override: Annotated[bool, Field(description="promote although the shot was made with something else")] = False


class PromotionResponse(ResponseModel):
    """In `differences`, `first` is the shot's and `second` what the scene's first segment was planned with."""

    shot_id: int
    scene_id: int
    scene_state: SceneState
    segment_id: int
    differences: list[DifferenceResponse]

    @classmethod
    def of(cls, shot_id: int, promotion: Promotion) -> Self:
        return cls(
            shot_id=shot_id,
            scene_id=promotion.scene.id,
            scene_state=promotion.scene.state,
            segment_id=promotion.segment_id,
            differences=[DifferenceResponse.model_validate(one) for one in promotion.differences],
        )


def build_router(*, operations: ShotOperations, store: Store) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["test shots"])

    @router.post(
        "/scenes/{scene_id}/test-shot",
        summary="Render a short test shot of a scene's first segment",
        response_model=ShotResponse,
        status_code=status.HTTP_201_CREATED,
    )
    async def create_of_scene(
        scene_id: PathId, cause: RequestCause, _: Creator, body: SceneShotRequest | None = None
    ) -> ShotResponse:
        wish = (body or SceneShotRequest()).wish()
        return ShotResponse.model_validate(await operations.create_of_scene(scene_id, wish, cause))

    @router.post(
        "/test-shots",
        summary="Render a short test shot of a character in a kind of scene",
        response_model=ShotResponse,
        status_code=status.HTTP_201_CREATED,
    )
    async def create(body: NewShotRequest, cause: RequestCause, _: Creator) -> ShotResponse:
        return ShotResponse.model_validate(await operations.create(body.wish(), cause))

    _add_reads(router, operations=operations, store=store)

    @router.post(
        "/test-shots/{shot_id}/promote",
        summary="Make a test shot the first segment of a scene",
        response_model=PromotionResponse,
    )
    async def promote(shot_id: PathId, body: PromoteRequest, cause: RequestCause, _: Creator) -> PromotionResponse:
        """The scene goes on from the shot's last frame. A second request changes nothing."""
        try:
            promotion = await operations.promote(shot_id, body.scene_id, cause, override=body.override)
        except DoesNotFit as misfit:
            found = [DifferenceResponse.model_validate(one).model_dump() for one in misfit.differences]
            raise Problem(409, "Does not fit", str(misfit), differences=found) from misfit
        return PromotionResponse.of(shot_id, promotion)

    return router


def _add_reads(router: APIRouter, *, operations: ShotOperations, store: Store) -> None:
    @router.get("/test-shots/gallery", summary="Browse test shots", response_model=Page[ShotResponse])
    async def gallery(
        _: Viewer,
        sort: ShotSort = ShotSort.DATE,
        scene_type_id: FilterId = None,
        character_id: FilterId = None,
        workflow_id: FilterId = None,
        lora_id: FilterId = None,
        creator: Annotated[str | None, Query(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")] = None,
        promoted: bool | None = None,
        limit: Annotated[int, Query(ge=1, le=200, description="items per page")] = 50,
        cursor: Annotated[str | None, Query(max_length=128, description="next_cursor of the page before")] = None,
    ) -> Page[ShotResponse]:
        """Newest first; by character, each newest first; or best first, with what is not scored at the end."""
        wanted = GalleryFilter(
            scene_type_id=scene_type_id,
            character_id=character_id,
            workflow_id=workflow_id,
            lora_id=lora_id,
            created_by=creator,
            promoted=promoted,
        )
        before = _read_cursor(cursor, sort) if cursor else None
        found = await store.gallery(wanted, sort=sort, limit=limit, before=before)
        return Page(
            items=[ShotResponse.model_validate(shot) for shot in found],
            next_cursor=_cursor(found[-1], sort) if len(found) == limit else None,
        )

    @router.get("/test-shots/pair", summary="Two test shots and what differs", response_model=PairResponse)
    async def pair(
        _: Viewer, first: Annotated[int, Query(ge=1, le=MAX_ID)], second: Annotated[int, Query(ge=1, le=MAX_ID)]
    ) -> PairResponse:
        return PairResponse.of(await operations.pair(first, second))

    @router.get("/test-shots/{shot_id}", summary="Show a test shot", response_model=ShotResponse)
    async def show(shot_id: PathId, _: Viewer) -> ShotResponse:
        shot = await store.shot(shot_id)
        if shot is None:
            raise NotFound(f"there is no test shot {shot_id}")
        return ShotResponse.model_validate(shot)


def _sort_key(shot: Shot, sort: ShotSort) -> float:
    match sort:
        case ShotSort.DATE:
            return 0
        case ShotSort.CHARACTER:
            return shot.character_id
        case ShotSort.QUALITY:
            return -1.0 if shot.quality_score is None else shot.quality_score


def _cursor(last: Shot, sort: ShotSort) -> str:
    return base64.urlsafe_b64encode(json.dumps([sort.value, _sort_key(last, sort), last.id]).encode()).decode()


def _read_cursor(cursor: str, sort: ShotSort) -> tuple[float, int]:
    """Raises Problem for anything that is not a cursor of this sort order."""
    try:
        order, key, last_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        sound = order == sort.value and _is_number(key, float) and _is_number(last_id, int)
    except (ValueError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise Problem(422, "Unknown cursor", "use the next_cursor of the page before, or leave the cursor out")
    return key, last_id


def _is_number(value: Any, kind: type[float] | type[int]) -> bool:
    fitting = isinstance(value, int) if kind is int else isinstance(value, int | float)
    return fitting and not isinstance(value, bool) and -1 <= value <= MAX_ID
