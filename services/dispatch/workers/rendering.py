"""One render server's worker: claim a job, have it rendered, store the clip, report it.

The prompt's place on the server is free again as soon as the prompt has ended: the next one goes out while this clip is
still being fetched and decoded. Several steps run side by side for that, of which one at a time has the place.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from services.dispatch.adapters.render_server import (
    Absent,
    Finished,
    Queued,
    RenderError,
    RenderLost,
    RenderServer,
    Running,
    ServerStuck,
    ServerUnreachable,
    SubmissionUnknown,
    TransientRenderError,
)
from services.dispatch.domain.errors import LeaseLost
from services.dispatch.domain.graph import counted_nodes
from services.dispatch.domain.jobs import Attempt, Failure, Next, Whereabouts, recover
from services.dispatch.metrics import REATTACHED
from services.dispatch.operations.assignments import Assignment, AssignmentOperations
from services.dispatch.operations.rendering import RenderOperations
from services.dispatch.workers.clips import ClipCollector, GraphBuilder
from services.dispatch.workers.fleet import Fleet
from services.dispatch.workers.waiting import Patience, Waiting
from services.dispatch.workers.watches import Watch
from shared.clock import utc_now
from shared.errors import TransientError
from shared.postgres.errors import is_transient

logger = logging.getLogger(__name__)

AWAY_PAUSE = timedelta(seconds=1)


@dataclass(slots=True, kw_only=True)
class _Course:
    """How far a step has come: on which server, and with which attempt, once there is one."""

    server: RenderServer
    attempt: Attempt | None = None


class RenderWorker:
    """`step` is run by several loops at once, which share this object."""

    def __init__(
        self,
        *,
        name: str,
        fleet: Fleet,
        assignments: AssignmentOperations,
        renders: RenderOperations,
        graphs: GraphBuilder,
        clips: ClipCollector,
        patience: Patience,
        place_is_free: Callable[[], None],
    ) -> None:
        self._name = name
        self._fleet = fleet
        self._assignments = assignments
        self._renders = renders
        self._graphs = graphs
        self._clips = clips
        self._patience = patience
        self._place_is_free = place_is_free

    async def step(self) -> bool:
        """One job from claim to end. False when no place is free, the server is away, or there is no work for it."""
        if not self._fleet.may_ask(self._name):
            return False
        only = self._fleet.left_to(self._name)
        with ExitStack() as place:
            with self._fleet.place(self._name):
                assignment = await self._assignments.claim(server=self._name, ready=self._fleet.ready, only=only)
                if assignment is not None:
                    place.enter_context(self._fleet.place(self._name))
            if assignment is None:
                self._fleet.found_nothing(self._name)
                return False
            place.callback(self._place_is_free)
            await self._do(assignment, place)
        return True

    async def _do(self, assignment: Assignment, place: ExitStack) -> None:
        """Give the job back whatever happens, unless it is reported or not ours any more."""
        course = _Course(server=self._fleet.servers[self._name])
        try:
            await self._under_lease(assignment, self._render(assignment, course, place))
        except _Leaving:
            await self._assignments.give_back(assignment)
        except _Withdrawn:
            assert course.attempt is not None
            with suppress(LeaseLost):
                await self._renders.withdrawn(assignment, course.attempt)
        except LeaseLost as lost:
            logger.info("a job was taken away", extra={"job": assignment.job.id, "reason": str(lost)})
        except ServerUnreachable as error:
            self._fleet.is_away(course.server.name)
            logger.warning("render server away", extra={"server": course.server.name, "error": str(error)})
            await self._assignments.give_back(assignment, after=AWAY_PAUSE)
        except asyncio.CancelledError:
            await self._assignments.give_back(assignment)
            raise
        except Exception as error:
            if not (isinstance(error, TransientError) or is_transient(error)):
                await self._defect(assignment, course, error)
                return
            await self._assignments.give_back(assignment, after=AWAY_PAUSE)
            raise

    async def _defect(self, assignment: Assignment, course: "_Course", error: Exception) -> None:
        """An error nobody thought of counts against the job: given back, it would come again for ever."""
        logger.error("a job cannot be worked on", extra={"job": assignment.job.id}, exc_info=error)
        told = TransientRenderError(f"dispatch could not go on: {error!r}", kind="bad_output")
        with suppress(LeaseLost):
            await self._failed(assignment, course, told)

    async def _under_lease(self, assignment: Assignment, work: Coroutine[Any, Any, None]) -> None:
        """Renew the lease while the work goes on; stop the work when the lease is lost."""
        working = asyncio.create_task(work)
        renewing = asyncio.create_task(self._renew_until_lost(assignment))
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise LeaseLost("it was cancelled or taken over, or the database was away for too long")
            await working
        finally:
            for task in (working, renewing):
                task.cancel()
            await asyncio.gather(working, renewing, return_exceptions=True)

    async def _renew_until_lost(self, assignment: Assignment) -> None:
        expires = time.monotonic() + self._patience.lease
        while time.monotonic() < expires:
            await asyncio.sleep(self._patience.lease / 4)
            asked = time.monotonic()
            try:
                if not await self._assignments.renew(assignment):
                    return
                expires = asked + self._patience.lease
            except Exception as error:
                if not is_transient(error):
                    raise
                logger.warning("lease not renewed", extra={"job": assignment.job.id, "error": repr(error)})

    async def _render(self, assignment: Assignment, course: "_Course", place: ExitStack) -> None:
        try:
            if not await self._resume(assignment, course):
                return
            if course.attempt is None:
                await self._send(assignment, course)
            attempt, found = await self._wait(assignment, course)
            found_at = utc_now()
            place.close()
            render = await self._clips.collect(assignment, attempt, course.server, found)
            began_at = attempt.began(found_at=found_at, render_seconds=render.render_seconds)
            await self._renders.adopt(assignment, replace(attempt, began_at=began_at), render)
        except RenderError as error:
            await self._failed(assignment, course, error)
        except ServerStuck as error:
            if course.attempt is not None:
                self._fleet.does_not_stop(course.server.name, str(course.attempt.prompt_id))
            await self._failed(assignment, course, RenderTimeout(str(error)))

    async def _failed(self, assignment: Assignment, course: "_Course", error: RenderError) -> None:
        """An attempt stopped by our own cancellation is no failure: the lease is gone then."""
        if not await self._assignments.renew(assignment):
            raise LeaseLost(f"job {assignment.job.id} was cancelled or deleted")
        if error.permanent and course.attempt is not None and await self._is_the_servers_fault(assignment, course):
            await self._renders.withdrawn(assignment, course.attempt)
            return
        failure = Failure(kind=error.kind, message=error.message, permanent=error.permanent, node=error.node)
        logger.warning(
            "an attempt failed",
            extra={"job": assignment.job.id, "kind": error.kind, "error": error.message, "node": error.node},
        )
        await self._renders.failed(assignment, course.attempt, failure)

    async def _is_the_servers_fault(self, assignment: Assignment, course: "_Course") -> bool:
        """A file or node class may be gone since the server last said what it has: another server may have it."""
        return await self._fleet.turned_unfit(course.server.name, needs_id=assignment.job.needs_id)

    async def _resume(self, assignment: Assignment, course: "_Course") -> bool:
        """Look up every earlier attempt; go on with one that lives. False: the job has ended, lost too often."""
        found = [(a, await self._whereabouts(a)) for a in assignment.attempts if a.is_open]
        recovery = recover(found)
        if recovery.lost and await self._renders.lost(assignment, recovery.lost) is Next.GIVE_UP:
            return False
        if recovery.attempt is not None:
            REATTACHED.inc()
            self._fleet.takes(str(recovery.attempt.prompt_id))
            course.attempt = recovery.attempt
            course.server = self._fleet.servers[recovery.attempt.server]
        return True

    async def _whereabouts(self, attempt: Attempt) -> Whereabouts:
        server = self._fleet.servers.get(attempt.server)
        if server is None:
            return Whereabouts.UNKNOWN
        try:
            match await server.locate(str(attempt.prompt_id)):
                case Finished():
                    return Whereabouts.FINISHED
                case Running():
                    return Whereabouts.RUNNING
                case Queued():
                    return Whereabouts.QUEUED
                case Absent():
                    return Whereabouts.ABSENT
        except ServerUnreachable:
            return Whereabouts.UNKNOWN

    async def _send(self, assignment: Assignment, course: "_Course") -> None:
        """Upload while the attempt is written down, then submit: a free server waits for this.

        Raises RenderError for what the server, or the graph, refuses.
        """
        opening = asyncio.create_task(self._renders.open_attempt(assignment, server=course.server.name))
        try:
            seed_image = await self._upload(assignment, course.server)
        finally:
            course.attempt = await opening
            self._fleet.takes(str(course.attempt.prompt_id))
        ready = self._graphs.build(assignment, seed_image=seed_image, file_prefix=course.attempt.file_prefix)
        labels = {"rushes_job": str(assignment.job.uid), "rushes_attempt": str(course.attempt.attempt)}
        await self._submit(course.server, str(course.attempt.prompt_id), ready.graph, labels)
        course.attempt = await self._renders.submitted(assignment, course.attempt)

    async def _upload(self, assignment: Assignment, server: RenderServer) -> str:
        content = await self._clips.seed_image(assignment)
        return await server.upload_image(
            sha256=assignment.seed_image_sha256, content=content, salt=assignment.cache_salt
        )

    async def _submit(
        self, server: RenderServer, prompt_id: str, graph: dict[str, Any], labels: dict[str, str]
    ) -> None:
        """A prompt sent without an answer may still arrive: it counts as lost only after as long as that can take."""
        try:
            await server.submit(prompt_id=prompt_id, graph=graph, labels=labels, is_new=True)
        except SubmissionUnknown as unknown:
            until = time.monotonic() + unknown.settle_s
            while time.monotonic() < until:
                await asyncio.sleep(self._patience.poll)
                if not isinstance(await server.locate(prompt_id), Absent):
                    return
            raise RenderLost("the prompt was sent without an answer and did not arrive") from unknown

    async def _wait(self, assignment: Assignment, course: "_Course") -> tuple[Attempt, Finished]:
        """Until the prompt has ended. Polling tells; the socket only says when to look sooner."""
        attempt, server = course.attempt, course.server
        assert attempt is not None
        waiting = Waiting(patience=self._patience, started=time.monotonic())
        prompt_id, nodes = str(attempt.prompt_id), counted_nodes(assignment.graph)
        with self._fleet.watch(server.name, prompt_id, needs_id=assignment.job.needs_id, nodes=nodes) as watch:
            while True:
                found = await self._look(server, attempt, waiting, ended=watch.ended)
                if isinstance(found, Finished):
                    return attempt, found
                if isinstance(found, Absent):
                    raise RenderLost("the render server lost the prompt, by a restart most likely")
                if self._fleet.leaving:
                    raise _Leaving
                watch.waits = isinstance(found, Queued)
                if watch.waits and watch.recalled:
                    await self._withdraw(server, attempt, watch)
                if isinstance(found, Running) and attempt.began_at is None:
                    attempt = await self._renders.began(
                        assignment, attempt, say=waiting.pace.may_speak(time.monotonic())
                    )
                if isinstance(found, Running) and waiting.needs_limit(attempt):
                    waiting.limit = await self._renders.time_limit(assignment, most=self._patience.render)
                if problem := waiting.too_long(found, attempt, behind_own=self._fleet.ours(server.name) > 1):
                    await self._stop(server, attempt, problem)
                    raise RenderTimeout(problem)
                await self._say_progress(assignment, watch, waiting, running=isinstance(found, Running))
                await watch.wait(self._patience.poll)

    async def _look(
        self, server: RenderServer, attempt: Attempt, waiting: Waiting, *, ended: bool
    ) -> "Finished | Absent | Queued | Running | None":
        """None while the server does not answer, as long as patience lasts: a short restart is no reason to move."""
        try:
            found = await server.locate(str(attempt.prompt_id), ended=ended)
        except ServerUnreachable:
            if waiting.away_too_long():
                raise
            return None
        waiting.away_since = None
        return found

    async def _withdraw(self, server: RenderServer, attempt: Attempt, watch: Watch) -> None:
        """Raises _Withdrawn, unless it began meanwhile: what runs is finished."""
        with suppress(ServerUnreachable):
            if isinstance(await server.withdraw(str(attempt.prompt_id)), Absent):
                raise _Withdrawn
        watch.recalled = False

    async def _stop(self, server: RenderServer, attempt: Attempt, problem: str) -> None:
        """Raises ServerStuck when it does not stop."""
        try:
            await server.cancel(str(attempt.prompt_id))
        except ServerUnreachable as error:
            logger.error("a prompt was not stopped", extra={"server": server.name, "error": str(error)})
        except ServerStuck as error:
            raise ServerStuck(f"{problem}, and {error}") from error

    async def _say_progress(self, assignment: Assignment, watch: Watch, waiting: Waiting, *, running: bool) -> None:
        if running and watch.fraction > waiting.said_fraction and waiting.pace.may_speak(time.monotonic()):
            waiting.said_fraction = watch.fraction
            await self._renders.progressed(assignment, "running", watch.fraction)


class _Leaving(Exception):
    """The process ends while a prompt runs; the next one to claim its job finds it."""


class _Withdrawn(Exception):
    """A prompt that only waited was taken back from its server."""


class RenderTimeout(RenderError):
    """It ran, or waited, longer than is sensible; another server may do better."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="timeout")
