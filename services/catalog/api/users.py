"""/api/users, /api/tokens, /api/me"""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, status
from pydantic import Field

from services.catalog import domain
from services.catalog.api.fields import Admin, Name, NameFilter, PathId, RequestCause, Viewer
from services.catalog.operations import UserOperations
from services.catalog.store import UserStore
from shared.http import Page, PageQuery, RequestModel, ResponseModel, Role


class NewUser(RequestModel):
    name: Name
    role: domain.Role


class NewToken(RequestModel):
    label: Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$", description="what it is for")] = ""
    days: Annotated[int, Field(ge=1, le=3650, description="how long it is accepted")] = 90


class UserResponse(ResponseModel):
    id: int
    name: str
    role: domain.Role
    created_at: datetime


class TokenResponse(ResponseModel):
    id: UUID
    user_id: int
    label: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class IssuedTokenResponse(TokenResponse):
    token: str = Field(description="shown this once; send it as 'Authorization: Bearer <token>'")


class MeResponse(ResponseModel):
    """Who the token says you are. `user_id` is null when that user was deleted."""

    name: str
    role: Role
    token_id: UUID
    user_id: int | None


UserId = Annotated[domain.UserId, PathId]


def build_router(*, operations: UserOperations, store: UserStore) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["users"])
    _add_users(router, operations, store)
    _add_tokens(router, operations, store)
    return router


def _add_users(router: APIRouter, operations: UserOperations, store: UserStore) -> None:
    @router.get("/me", summary="Who the token says you are", response_model=MeResponse)
    async def me(actor: Viewer) -> MeResponse:
        user = await store.find_named(actor.name)
        return MeResponse(
            name=actor.name, role=actor.role, token_id=actor.token_id, user_id=None if user is None else user.id
        )

    @router.post("/users", summary="Create a user", response_model=UserResponse, status_code=status.HTTP_201_CREATED)
    async def create(body: NewUser, cause: RequestCause, _: Admin) -> domain.User:
        return await operations.create(cause, name=body.name, role=body.role)

    @router.get("/users", summary="List users", response_model=Page[UserResponse])
    async def listing(page: Annotated[PageQuery, Depends()], _: Admin, name: NameFilter = None) -> Page[UserResponse]:
        users = await store.page(after=page.after_id or 0, limit=page.limit, name=name)
        return Page(
            items=[UserResponse.model_validate(user) for user in users],
            next_cursor=page.next_cursor([user.id for user in users]),
        )

    @router.get("/users/{user_id}", summary="Show a user", response_model=UserResponse)
    async def show(user_id: UserId, _: Admin) -> domain.User:
        return await store.find(user_id)

    @router.delete(
        "/users/{user_id}", summary="Delete a user and revoke their tokens", status_code=status.HTTP_204_NO_CONTENT
    )
    async def delete(user_id: UserId, cause: RequestCause, _: Admin) -> None:
        await operations.delete(cause, user_id)


def _add_tokens(router: APIRouter, operations: UserOperations, store: UserStore) -> None:
    @router.post(
        "/users/{user_id}/tokens",
        summary="Issue an access token",
        description="Everybody for himself, an admin for everybody. An Idempotency-Key is not looked at here: "
        "the answer holds a secret that is stored nowhere.",
        response_model=IssuedTokenResponse,
        status_code=status.HTTP_201_CREATED,
    )
    async def issue(user_id: UserId, body: NewToken, cause: RequestCause, actor: Viewer) -> IssuedTokenResponse:
        issued = await operations.issue_token(
            cause, user_id, label=body.label, lifetime=timedelta(days=body.days), by_admin=actor.role is Role.ADMIN
        )
        return IssuedTokenResponse(**TokenResponse.model_validate(issued.token).model_dump(), token=issued.secret)

    @router.get("/users/{user_id}/tokens", summary="List a user's tokens", response_model=Page[TokenResponse])
    async def tokens(user_id: UserId, page: Annotated[PageQuery, Depends()], _: Admin) -> Page[TokenResponse]:
        await store.find(user_id)
        found = await store.tokens_of(user_id, after=page.after_id or 0, limit=page.limit)
        return Page(
            items=[TokenResponse.model_validate(token) for token in found],
            next_cursor=page.next_cursor([token.number for token in found]),
        )

    @router.delete("/tokens/{token_id}", summary="Revoke an access token", status_code=status.HTTP_204_NO_CONTENT)
    async def revoke(token_id: UUID, cause: RequestCause, actor: Viewer) -> None:
        await operations.revoke_token(cause, token_id, by_admin=actor.role is Role.ADMIN)
