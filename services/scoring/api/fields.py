"""Fields that several requests and answers share."""

from typing import Annotated

from fastapi import Depends, Path
from pydantic import Field

from shared.cause import Cause
from shared.http import Actor, Role, request_cause, require

MAX_ID = 2**63 - 1

Id = Annotated[int, Field(ge=1, le=MAX_ID)]
PathId = Annotated[int, Path(ge=1, le=MAX_ID)]
Limit = Annotated[float | None, Field(default=None, allow_inf_nan=False)]
Viewer = Annotated[Actor, Depends(require(Role.VIEWER))]
Creator = Annotated[Actor, Depends(require(Role.CREATOR))]
RequestCause = Annotated[Cause, Depends(request_cause)]
