"""/api/test-shots/batch and /api/test-shots/batches"""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, status
from pydantic import Field, model_validator

from services.dispatch.api.fields import Creator, PathId, RequestCause, Viewer
from services.dispatch.api.scenes import Id, Overrides
from services.dispatch.domain.scenes import Tier
from services.dispatch.operations.batches import BatchOperations, Configuration, NewBatch
from shared.contracts.types import Seed
from shared.http import RequestModel, ResponseModel

MAX_CELLS = 1000
"""Planned and queued within one request and one transaction: a few seconds at most."""


class ConfigurationRequest(RequestModel):
    """Without `seed` each character has one of its own, the same in every configuration."""

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*[^\x00-\x20][^\x00-\x1f]*$")]
    workflow_id: Id
    lora_id: Id | None = None
    model_id: Id | None = None
    tier: Tier = Tier.FULL
    seed: Seed | None = None
    parameters: Overrides = Overrides()

    def configuration(self) -> Configuration:
        return Configuration(
            name=self.name,
            workflow_id=self.workflow_id,
            lora_id=self.lora_id,
            model_id=self.model_id,
            tier=self.tier,
            seed=self.seed,
            overrides=self.parameters.given(),
        )


class BatchRequest(RequestModel):
    """Every character with every configuration. `only_plan`: answer with the plan and render nothing."""

    scene_type_id: Id
    character_ids: Annotated[tuple[Id, ...], Field(min_length=1, max_length=500)]
    configurations: Annotated[tuple[ConfigurationRequest, ...], Field(min_length=1, max_length=50)]
    only_plan: bool = False

    @model_validator(mode="after")
    def _is_sensible(self) -> Self:
        names = [configuration.name for configuration in self.configurations]
        if len(set(names)) != len(names):
            raise ValueError("configurations: give each a name of its own")
        if len(set(self.character_ids)) != len(self.character_ids):
            raise ValueError("character_ids: name each character at most once")
        if len(names) * len(self.character_ids) > MAX_CELLS:
            raise ValueError(f"a batch has at most {MAX_CELLS} cells; send several")
        return self

    def batch(self) -> NewBatch:
        return NewBatch(
            scene_type_id=self.scene_type_id,
            character_ids=self.character_ids,
            configurations=[one.configuration() for one in self.configurations],
        )


class CellResponse(ResponseModel):
    """`seconds`: estimated render time; null when nothing like it was rendered before."""

    character_id: int
    configuration: str
    seconds: float | None
    shot_id: int | None


class SkippedResponse(ResponseModel):
    """`shot_id`: the shot that shows the same already."""

    character_id: int
    configuration: str
    reason: str
    shot_id: int | None


class BatchPlanResponse(ResponseModel):
    """`batch_id` is null when nothing was queued. `unknown_cells` are left out of `render_minutes`."""

    batch_id: int | None
    cells: tuple[CellResponse, ...]
    skipped: tuple[SkippedResponse, ...]
    render_minutes: float
    unknown_cells: int
    finish_at: datetime | None


class BatchResponse(ResponseModel):
    id: int
    scene_type_id: int
    rendering: int
    completed: int
    failed: int
    cancelled: int
    created_by_id: str
    created_at: datetime


def build_router(*, operations: BatchOperations) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["test shots"])

    @router.post(
        "/test-shots/batch",
        summary="Plan and render test shots of many characters with many configurations",
        response_model=BatchPlanResponse,
        status_code=status.HTTP_201_CREATED,
    )
    async def create(body: BatchRequest, cause: RequestCause, _: Creator) -> BatchPlanResponse:
        """The answer is the plan; its cells are queued with it. Sent again, it adds what is missing."""
        plan = await operations.run(body.batch(), cause, only_plan=body.only_plan)
        return BatchPlanResponse.model_validate(plan)

    @router.get("/test-shots/batches/{batch_id}", summary="How far a batch is", response_model=BatchResponse)
    async def show(batch_id: PathId, _: Viewer) -> BatchResponse:
        return BatchResponse.model_validate(await operations.progress(batch_id))

    @router.post(
        "/test-shots/batches/{batch_id}/cancel",
        summary="Stop what is not finished of a batch",
        response_model=BatchResponse,
    )
    async def cancel(batch_id: PathId, cause: RequestCause, _: Creator) -> BatchResponse:
        return BatchResponse.model_validate(await operations.cancel(batch_id, cause))

    return router
