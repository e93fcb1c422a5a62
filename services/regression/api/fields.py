"""What requests of both routers share."""

from typing import Annotated

from fastapi import Depends, Path
from pydantic import Field, StringConstraints

from shared.cause import Cause
from shared.contracts.types import Direction
from shared.http import Actor, RequestModel, Role, request_cause, require

LARGEST_ID = 2**63 - 1

Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]
PathId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]
MetricName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]

Viewer = Annotated[Actor, Depends(require(Role.VIEWER))]
Creator = Annotated[Actor, Depends(require(Role.CREATOR))]
RequestCause = Annotated[Cause, Depends(request_cause)]


class MetricThreshold(RequestModel):
    """Where one metric is judged in another way than by default. What is left out stays as it is."""

    direction: Direction | None = None
    threshold: Annotated[
        float | None, Field(ge=0, le=1e9, allow_inf_nan=False, description="smallest move that counts, in its own unit")
    ] = None
    veto: bool | None = None
    enabled: bool | None = None


class Thresholds(RequestModel):
    """Overrides of the project's rules for one reference."""

    metrics: dict[MetricName, MetricThreshold] = Field(default_factory=dict, max_length=100)
    confidence: Annotated[
        float | None,
        Field(gt=0.5, lt=1, allow_inf_nan=False, description="that an unchanged reference stays within its limits"),
    ] = None
