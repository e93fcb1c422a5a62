"""/api/scenes"""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Query, status
from pydantic import Field, model_validator

from services.dispatch.api.fields import MAX_ID, Creator, PathId, RequestCause, Viewer
from services.dispatch.api.segments import SegmentResponse
from services.dispatch.domain.errors import NotFound
from services.dispatch.domain.scenes import (
    HoldState,
    PassingVerdict,
    Purpose,
    Scene,
    SceneState,
    ScoreGate,
    Segment,
    Tier,
)
from services.dispatch.domain.score_gate import MAX_RETRIES
from services.dispatch.operations.scenes import NewScene, SceneOperations
from services.dispatch.store import Store
from shared.contracts.types import LockedAsset, Seed
from shared.http import Page, PageQuery, RequestModel, ResponseModel

Id = Annotated[int, Field(ge=1, le=MAX_ID)]
FilterId = Annotated[int | None, Query(ge=1, le=MAX_ID)]


class Overrides(RequestModel):
    """Only what differs from the scene type. A value the workflow does not bind is refused."""

    prompt: Annotated[str, Field(max_length=20_000)] | None = None
    negative_prompt: Annotated[str, Field(max_length=20_000)] | None = None
    cfg: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None
    steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    sampler: Annotated[str, Field(max_length=200)] | None = None
    lora_strength: Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)] | None = None
    width: Annotated[int, Field(ge=16, le=8192, description="pixels")] | None = None
    height: Annotated[int, Field(ge=16, le=8192, description="pixels")] | None = None
    frames: Annotated[int, Field(ge=1, le=10_000)] | None = None
    fps: Annotated[float, Field(gt=0, le=240, allow_inf_nan=False)] | None = None

    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


class PositionOverrides(RequestModel):
    position: Annotated[int, Field(ge=1, le=100)]
    seed: Seed | None = None
    parameters: Overrides = Overrides()


class ScoreGateRequest(RequestModel):
    """The chain waits for the score of each segment before it goes on. One whose verdict is worse than `wait_for` is
    rendered again under up to `retries` other seeds; after that the scene pauses and says why.
    """

    wait_for: PassingVerdict = PassingVerdict.PASS
    retries: Annotated[int, Field(ge=0, le=MAX_RETRIES)] = 0

    def gate(self) -> ScoreGate:
        return ScoreGate(wait_for=self.wait_for, retries=self.retries)


class NewSceneRequest(RequestModel):
    """Without `seed` one is drawn; the seeds of all positions are derived from it and shown in the answer."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
    character_id: Id
    scene_type_id: Id
    workflow_id: Annotated[int, Field(ge=1, le=MAX_ID, description="an asset; its active version is locked")]
    lora_id: Id | None = None
    model_id: Id | None = None
    tier: Tier = Tier.FULL
    priority: Annotated[int, Field(ge=-100, le=100, description="higher runs first")] = 0
    paused: Annotated[bool, Field(description="plan it, and render nothing until it is resumed")] = False
    segment_count: Annotated[int, Field(ge=1, le=100)] | None = None
    seed: Seed | None = None
    parameters: Overrides = Overrides()
    segments: Annotated[tuple[PositionOverrides, ...], Field(max_length=100)] = ()
    score_gate: ScoreGateRequest | None = None

    @model_validator(mode="after")
    def _each_position_once(self) -> Self:
        positions = [segment.position for segment in self.segments]
        if len(set(positions)) != len(positions):
            raise ValueError("segments: name each position at most once")
        return self

    def wish(self) -> NewScene:
        return NewScene(
            name=self.name,
            character_id=self.character_id,
            scene_type_id=self.scene_type_id,
            workflow_id=self.workflow_id,
            lora_id=self.lora_id,
            model_id=self.model_id,
            tier=self.tier,
            priority=self.priority,
            paused=self.paused,
            segment_count=self.segment_count,
            seed=self.seed,
            seeds={s.position: s.seed for s in self.segments if s.seed is not None},
            overrides=self.parameters.given(),
            per_position={s.position: s.parameters.given() for s in self.segments},
            score_gate=None if self.score_gate is None else self.score_gate.gate(),
        )


class ScoreGateResponse(ResponseModel):
    wait_for: PassingVerdict
    retries: int


class HoldResponse(ResponseModel):
    """Where a chain with a score gate stands: `waiting` for a score, at the latest `until`; `retrying` with another
    version of the position; or `paused` for the `reason`, until the scene is resumed, or the segment is approved,
    replaced, or scored again.
    """

    state: HoldState
    segment_id: int
    position: int
    reason: str
    until: datetime | None


class SceneResponse(ResponseModel):
    """`request_id` is set for scenes that a service asked for, `source_scene_id` for those that repeat a person's.

    `revision` counts changes of which versions are current or stale; a review may name the one that was seen.
    """

    id: int
    name: str
    project_id: int
    character_id: int
    scene_type_id: int
    purpose: Purpose
    tier: Tier
    state: SceneState
    state_reason: str
    priority: int
    is_paused: bool
    segment_count: int
    request_id: UUID | None
    source_scene_id: int | None
    assets: tuple[LockedAsset, ...]
    seed_image_sha256: str
    created_by: str
    created_at: datetime
    finished_at: datetime | None
    revision: int
    score_gate: ScoreGateResponse | None
    hold: HoldResponse | None


class SceneDetailResponse(SceneResponse):
    segments: list[SegmentResponse]


def build_router(*, operations: SceneOperations, store: Store) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["scenes"])

    @router.post(
        "/scenes",
        summary="Create a scene and start rendering it",
        response_model=SceneDetailResponse,
        status_code=status.HTTP_201_CREATED,
    )
    async def create(body: NewSceneRequest, cause: RequestCause, _: Creator) -> SceneDetailResponse:
        scene = await operations.create(body.wish(), cause)
        return _detail(scene, await store.segments_of(scene.id))

    @router.get("/scenes", summary="List scenes, newest first", response_model=Page[SceneResponse])
    async def listing(
        page: Annotated[PageQuery, Depends()],
        _: Viewer,
        project_id: FilterId = None,
        character_id: FilterId = None,
        purpose: Purpose | None = None,
    ) -> Page[SceneResponse]:
        found = await store.scenes_page(
            before=page.after_id,
            limit=page.limit,
            project_id=project_id,
            character_id=character_id,
            purpose=purpose.value if purpose else None,
        )
        return Page(
            items=[SceneResponse.model_validate(scene) for scene in found],
            next_cursor=page.next_cursor([scene.id for scene in found]),
        )

    @router.get("/scenes/{scene_id}", summary="Show a scene and its segments", response_model=SceneDetailResponse)
    async def show(scene_id: PathId, _: Viewer) -> SceneDetailResponse:
        scene = await store.scene(scene_id)
        if scene is None:
            raise NotFound(f"there is no scene {scene_id}")
        return _detail(scene, await store.segments_of(scene_id))

    @router.post("/scenes/{scene_id}/cancel", summary="Stop rendering a scene", response_model=SceneDetailResponse)
    async def cancel(scene_id: PathId, cause: RequestCause, _: Creator) -> SceneDetailResponse:
        """Finished segments stay."""
        return _detail(await operations.cancel(scene_id, cause), await store.segments_of(scene_id))

    @router.delete(
        "/scenes/{scene_id}", summary="Delete a scene with its segments", status_code=status.HTTP_204_NO_CONTENT
    )
    async def delete(scene_id: PathId, cause: RequestCause, _: Creator) -> None:
        await operations.delete(scene_id, cause)

    return router


def _detail(scene: Scene, segments: list[Segment]) -> SceneDetailResponse:
    shown = SceneResponse.model_validate(scene).model_dump()
    return SceneDetailResponse(**shown, segments=[SegmentResponse.of(segment) for segment in segments])
