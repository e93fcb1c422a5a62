"""Fields that several requests and answers share."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Path
from pydantic import Field

from services.scoring import domain
from shared.cause import Cause
from shared.contracts.segment import ReviewDecision
from shared.http import Actor, ResponseModel, Role, request_cause, require

MAX_ID = 2**63 - 1

Id = Annotated[int, Field(ge=1, le=MAX_ID)]
PathId = Annotated[int, Path(ge=1, le=MAX_ID)]
Limit = Annotated[float | None, Field(default=None, allow_inf_nan=False)]
Viewer = Annotated[Actor, Depends(require(Role.VIEWER))]
Creator = Annotated[Actor, Depends(require(Role.CREATOR))]
RequestCause = Annotated[Cause, Depends(request_cause)]


class ReviewResponse(ResponseModel):
    """A person's decision on a segment, as dispatch told it."""

    decision: ReviewDecision
    reviewed_at: datetime
    reviewed_by: str = Field(description="empty where it was not kept")
    note: str


def review_of(state: domain.SegmentState) -> ReviewResponse | None:
    review = state.review
    if review is None:
        return None
    return ReviewResponse(
        decision=ReviewDecision(review.decision), reviewed_at=review.at, reviewed_by=review.by, note=review.note
    )
