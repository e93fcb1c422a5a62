"""`/api/projects/{id}/boundary-thresholds`: from when on a boundary is yellow or red."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from services.smoothing import domain
from services.smoothing.api.fields import Creator, PathId, RequestCause, Viewer
from services.smoothing.operations import ThresholdOperations
from shared.http import RequestModel, ResponseModel

Limit = Annotated[float | None, Field(default=None, allow_inf_nan=False, description="null: the default")]


class ThresholdsRequest(RequestModel):
    """All limits at once; what is left out, or null, is the default."""

    yellow_visibility: Limit
    red_visibility: Limit
    floor_levels: Limit
    per_typical: Limit
    per_change: Limit
    green_ssim: Limit
    red_ssim: Limit
    green_slack: Limit
    red_slack: Limit
    hopeless_ssim: Limit


class LimitsView(ResponseModel):
    """`visibility`: of the most visible step, 1 is what is seen in this clip. `levels`: 8-bit levels. SSIM: -1 to 1."""

    yellow_visibility: float
    red_visibility: float
    floor_levels: float
    per_typical: float
    per_change: float
    green_ssim: float
    red_ssim: float
    green_slack: float
    red_slack: float
    hopeless_ssim: float


class ThresholdsView(ResponseModel):
    project_id: int
    version: int = Field(description="0: nobody has changed them")
    limits: LimitsView
    defaults: LimitsView


def thresholds_router(thresholds: ThresholdOperations) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["smoothing"])

    @router.get(
        "/projects/{project_id}/boundary-thresholds",
        summary="The limits of a project's boundaries",
        response_model=ThresholdsView,
    )
    async def boundary_thresholds(project_id: PathId, _: Viewer) -> ThresholdsView:
        return _view(project_id, await thresholds.of(project_id))

    @router.put(
        "/projects/{project_id}/boundary-thresholds",
        summary="Replace the limits of a project's boundaries",
        response_model=ThresholdsView,
    )
    async def replace_boundary_thresholds(
        project_id: PathId, body: ThresholdsRequest, cause: RequestCause, _: Creator
    ) -> ThresholdsView:
        """Boundaries that are measured are judged by them from now on."""
        limits = {name: value for name, value in body.model_dump().items() if value is not None}
        return _view(project_id, await thresholds.replace(cause, project_id, limits))

    return router


def _view(project_id: int, found: domain.ProjectThresholds) -> ThresholdsView:
    return ThresholdsView(
        project_id=project_id,
        version=found.version,
        limits=LimitsView(**asdict(found.limits)),
        defaults=LimitsView(**asdict(domain.DEFAULT_THRESHOLDS)),
    )
