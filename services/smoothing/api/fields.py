"""What several routes take."""

from typing import Annotated

from fastapi import Depends, Path

from shared.cause import Cause
from shared.http import Actor, Role, request_cause, require

MAX_ID = 2**63 - 1

PathId = Annotated[int, Path(ge=1, le=MAX_ID)]
Viewer = Annotated[Actor, Depends(require(Role.VIEWER))]
Creator = Annotated[Actor, Depends(require(Role.CREATOR))]
RequestCause = Annotated[Cause, Depends(request_cause)]
