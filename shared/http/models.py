"""What all request and response models share."""

import base64
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from shared.http.problems import Problem

T = TypeVar("T")


class RequestModel(BaseModel):
    """A request body; a field nobody knows is a mistake of the client, and is said."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ResponseModel(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class Page(BaseModel, Generic[T]):
    """A part of a list; ask again with `cursor=next_cursor` until that is null."""

    items: list[T]
    next_cursor: str | None = None


class PageQuery:
    """`limit` and `cursor` of a list request. A cursor is opaque to clients; it holds the last id before."""

    def __init__(
        self,
        limit: Annotated[int, Query(ge=1, le=200, description="items per page")] = 50,
        cursor: Annotated[str | None, Query(max_length=64, description="next_cursor of the page before")] = None,
    ) -> None:
        self.limit = limit
        self.after_id = _decode(cursor) if cursor else None

    def next_cursor(self, last_ids: list[int]) -> str | None:
        """For a page with these ids, in order; None when it is the last one, as far as its length tells."""
        return base64.urlsafe_b64encode(str(last_ids[-1]).encode()).decode() if len(last_ids) == self.limit else None


def _decode(cursor: str) -> int:
    try:
        value = int(
            base64.urlsafe_b64decode(
                cursor.encode(),
            )
        )
    except ValueError as error:
        raise Problem(
            422, "Unknown cursor", "use the next_cursor of the page before, or leave the cursor out"
        ) from error
    if not 0 <= value < 2**63:
        raise Problem(422, "Unknown cursor", "use the next_cursor of the page before, or leave the cursor out")
    return value
