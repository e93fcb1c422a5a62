"""/api/jobs and /api/render-servers"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, status
from pydantic import Field

from services.dispatch.api.fields import MAX_ID, Admin, PathId, RequestCause, Viewer
from services.dispatch.api.fitness import LackingServer, lacking_servers
from services.dispatch.domain.errors import NotFound
from services.dispatch.domain.jobs import AttemptState, JobState
from services.dispatch.operations.servers import ServerOperations
from services.dispatch.store import Store
from shared.contracts.types import RenderFailure
from shared.http import Page, PageQuery, RequestModel, ResponseModel


class JobResponse(ResponseModel):
    """`remaining`: segments of its chain still to come, itself included. `failure`: of its last failed attempt."""

    id: int
    uid: UUID
    scene_id: int
    segment_id: int
    priority: int
    remaining: int
    state: JobState
    attempt: int
    failed_attempts: int
    repeated_renders: int
    deadline_at: datetime | None
    leased_until: datetime | None
    server: str | None
    failure: RenderFailure | None
    queued_at: datetime
    finished_at: datetime | None


class AttemptResponse(ResponseModel):
    attempt: int
    prompt_id: UUID
    server: str
    state: AttemptState
    submitted_at: datetime | None
    began_at: datetime | None
    created_at: datetime


class JobDetailResponse(JobResponse):
    """`lacks`: the servers that cannot run it; others take it."""

    attempts: list[AttemptResponse]
    lacks: list[LackingServer]


class RenderServerResponse(ResponseModel):
    """As of `checked_at`. `queue_length` counts everybody's prompts, `jobs` ours."""

    name: str
    state: str
    problem: str | None
    engine: str | None
    device: str | None
    queue_length: int
    checked_at: datetime
    jobs: int


class NewServerRequest(RequestModel):
    url: Annotated[
        str, Field(min_length=8, max_length=500, pattern=r"^[!-~]+$", description="for example http://127.0.0.1:8188")
    ]


class DrainRequest(RequestModel):
    """`drain` false: give it work again."""

    name: Annotated[str, Field(min_length=1, max_length=500)]
    drain: bool = True


class ServerWishResponse(ResponseModel):
    name: str
    is_draining: bool
    requested_by: str


class FitnessResponse(ResponseModel):
    """`lacks`: node classes and model files that the server says it does not have; empty when it can render it.

    `is_known` false: the server has not said what it has, so nothing is known.
    """

    server: str
    state: str
    is_known: bool
    lacks: list[str]


def build_router(*, servers_: ServerOperations, store: Store) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.get("/jobs", summary="List render jobs, newest first", response_model=Page[JobResponse], tags=["jobs"])
    async def listing(
        page: Annotated[PageQuery, Depends()],
        _: Viewer,
        state: JobState | None = None,
        scene_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    ) -> Page[JobResponse]:
        found = await store.jobs_page(
            before=page.after_id, limit=page.limit, state=state.value if state else None, scene_id=scene_id
        )
        return Page(
            items=[JobResponse.model_validate(job) for job in found],
            next_cursor=page.next_cursor([job.id for job in found]),
        )

    @router.get(
        "/jobs/{job_id}", summary="Show a job and its attempts", response_model=JobDetailResponse, tags=["jobs"]
    )
    async def show(job_id: PathId, _: Viewer) -> JobDetailResponse:
        job = await store.job(job_id)
        if job is None:
            raise NotFound(f"there is no job {job_id}")
        attempts = [AttemptResponse.model_validate(a) for a in await store.attempts_of(job_id)]
        lacks = (await store.unfit([job.needs_id])).get(job.needs_id, {})
        return JobDetailResponse(
            **JobResponse.model_validate(job).model_dump(), attempts=attempts, lacks=lacking_servers(lacks)
        )

    @router.get(
        "/render-servers",
        summary="List the render servers",
        response_model=Page[RenderServerResponse],
        tags=["render servers"],
    )
    async def servers(_: Viewer) -> Page[RenderServerResponse]:
        jobs = await store.running_by_server()
        return Page(
            items=[
                RenderServerResponse(
                    name=server.name,
                    state=server.state,
                    problem=server.problem,
                    engine=server.engine,
                    device=server.device,
                    queue_length=server.queue_length,
                    checked_at=server.checked_at,
                    jobs=jobs.get(server.name, 0),
                )
                for server in await store.servers()
            ]
        )

    _add_server_changes(router, servers_)

    @router.get(
        "/asset-versions/{version_id}/fitness",
        summary="What each render server lacks for an asset version",
        response_model=Page[FitnessResponse],
        tags=["render servers"],
    )
    async def fitness(version_id: PathId, _: Viewer) -> Page[FitnessResponse]:
        """Compared when it was published, with what each server says at its start, on every publication, and now and
        then. 404 until the publication was heard of: a moment."""
        return Page(items=[FitnessResponse.model_validate(one) for one in await servers_.fitness(version_id)])

    return router


def _add_server_changes(router: APIRouter, operations: ServerOperations) -> None:
    @router.post(
        "/render-servers",
        summary="Use another render server from now on",
        response_model=ServerWishResponse,
        status_code=status.HTTP_201_CREATED,
        tags=["render servers"],
    )
    async def add(body: NewServerRequest, cause: RequestCause, _: Admin) -> ServerWishResponse:
        """It takes work as soon as it answers."""
        return ServerWishResponse.model_validate(await operations.add(body.url.rstrip("/"), cause))

    @router.post(
        "/render-servers/drain",
        summary="Give a render server nothing new, or work again",
        response_model=ServerWishResponse,
        tags=["render servers"],
    )
    async def drain(body: DrainRequest, cause: RequestCause, _: Admin) -> ServerWishResponse:
        """What runs on it is finished."""
        return ServerWishResponse.model_validate(await operations.drain(body.name, cause, drain=body.drain))
