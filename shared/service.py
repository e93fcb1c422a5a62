"""The chassis of a service: what all of them have, built once; `main` adds what is a service's own."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse

from shared import logs
from shared.auth import TokenVerifier
from shared.http.app import add_routers, create_app
from shared.http.problems import Problem, problem_response
from shared.kafka.consumer import Consumer
from shared.kafka.delivery import Delivery
from shared.kafka.parking import Parking
from shared.kafka.relay import Relay
from shared.media import MediaStore
from shared.metrics import EVENTS_PARKED
from shared.postgres import Database
from shared.postgres.housekeeping import forget_the_past
from shared.postgres.migrations import missing_migrations
from shared.settings import ServiceSettings
from shared.workers import Step, Worker

logger = logging.getLogger(__name__)

SCHEMA_POLL_SECONDS = 0.5
READY_CHECK_SECONDS = 2
HOUSEKEEPING_SECONDS = 3600.0


class Chassis:
    """Owns the lifetimes: database and schema first, then the service's own start, then events, work and the relay.

    The HTTP port opens at once; `/readyz` says what is still missing: "start" until the service's own start is done,
    then the broker and whatever else it cannot do its work without. A shutdown stops taking events, drains the
    workers while the relay says what they leave, and closes.
    """

    def __init__(self, *, name: str, settings: ServiceSettings) -> None:
        self.name = name
        self.settings = settings
        self.database = Database(
            dsn=settings.database_url.get_secret_value(), service=name, pool_size=settings.database_pool_size
        )
        parking = Parking(database=self.database, deadline_seconds=settings.parking_deadline_seconds)
        self._delivery = Delivery(
            service=name, database=self.database, parking=parking, dead_letter_limit=settings.dead_letter_limit
        )
        self._parking = parking
        self.consumer = Consumer(
            service=name, bootstrap=settings.kafka_bootstrap, prefix=settings.topic_prefix, delivery=self._delivery
        )
        self._relay = Relay(database=self.database, bootstrap=settings.kafka_bootstrap, prefix=settings.topic_prefix)
        self.media = MediaStore.in_folder(settings.media_root)
        self.verifier = TokenVerifier.from_file(settings.token_public_key_file)
        self._workers: dict[str, Worker] = {}
        self._working = False
        self._on_drain: list[Callable[[], None]] = []
        self._on_start: list[Callable[[], Awaitable[None]]] = []
        self._on_stop: list[Callable[[], Awaitable[None]]] = []
        self._health: dict[str, Callable[[], Awaitable[str | None]]] = {}
        self._facts: dict[str, Callable[[], Any]] = {}
        self._starting: str | None = "starting"
        self.app = create_app(
            name=name,
            database=self.database,
            verifier=self.verifier,
            max_request_bytes=settings.max_request_bytes,
            not_ready_because=self._not_ready_because,
            lifespan=self._lifespan,
            facts=lambda: {part: fact() for part, fact in self._facts.items()},
        )
        self.work("replay-parked", self._replay_parked, poll_seconds=1.0)
        self.work("housekeeping", self._keep_house, poll_seconds=HOUSEKEEPING_SECONDS)

    def include(self, *routers: APIRouter) -> None:
        add_routers(self.app, *routers)

    def problem(self, error_type: type[Exception], status: int, title: str | None = None) -> None:
        """A domain error's answer over HTTP; its text is the detail."""

        async def answer(_: Request, error: Exception) -> JSONResponse:
            return problem_response(Problem(status, title or _title_of(error_type), str(error)))

        self.app.add_exception_handler(error_type, answer)

    def work(self, name: str, step: Step, *, concurrency: int = 1, poll_seconds: float = 0.5) -> None:
        """Begins with the service, or at once when that runs already."""
        worker = self._workers[name] = Worker(name=name, step=step, concurrency=concurrency, poll_seconds=poll_seconds)
        if self._working:
            worker.start()

    def wake(self, name: str) -> None:
        self._workers[name].wake()

    def on_start(self, start: Callable[[], Awaitable[None]]) -> None:
        """Called once the database has its schema, before events and work begin."""
        self._on_start.append(start)

    def on_drain(self, leave: Callable[[], None]) -> None:
        """Called when a shutdown begins: work that another process can go on with need not be waited for."""
        self._on_drain.append(leave)

    def on_stop(self, stop: Callable[[], Awaitable[None]]) -> None:
        self._on_stop.append(stop)

    def health(self, part: str, check: Callable[[], Awaitable[str | None]]) -> None:
        """`check` answers with the reason why the service is not ready, or None."""
        self._health[part] = check

    def fact(self, part: str, tell: Callable[[], Any]) -> None:
        """What `/readyz` says of a part beside whether it is ready: plain data, known without waiting."""
        self._facts[part] = tell

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        running = asyncio.create_task(self._run(), name=f"{self.name}-run")
        running.add_done_callback(_exit_on_failure)
        try:
            yield
        finally:
            await self._stop(running)

    async def _run(self) -> None:
        await self.database.open_when_there()
        await self._wait_for_schema()
        for start in self._on_start:
            await start()
        self._working = True
        for worker in list(self._workers.values()):
            worker.start()
        relaying = asyncio.create_task(self._relay.run(), name=f"{self.name}-relay")
        self._starting = None
        try:
            await self.consumer.start()
            logger.info("ready")
            await asyncio.Event().wait()
        finally:
            await self._drain()
            relaying.cancel()
            with suppress(asyncio.CancelledError):
                await relaying

    async def _drain(self) -> None:
        seconds = self.settings.drain_seconds
        self._working = False
        for leave in self._on_drain:
            leave()
        await self.consumer.stop()
        await asyncio.gather(*(worker.drain(seconds) for worker in self._workers.values()))
        for stop in self._on_stop:
            await stop()

    async def _stop(self, running: "asyncio.Task[None]") -> None:
        self._starting = "stopping"
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await self.database.close()

    async def _wait_for_schema(self) -> None:
        while missing := await self._missing_migrations():
            self._starting = f"waiting for migrations: {', '.join(missing)}"
            await asyncio.sleep(SCHEMA_POLL_SECONDS)

    async def _missing_migrations(self) -> list[str]:
        try:
            return await missing_migrations(self.database, self.name)
        except Exception as error:
            return [repr(error)]

    async def _replay_parked(self) -> bool:
        EVENTS_PARKED.set(await self._parking.count())
        return await self._delivery.replay_parked()

    async def _keep_house(self) -> bool:
        await forget_the_past(self.database)
        return False

    async def _not_ready_because(self) -> dict[str, str]:
        if self._starting is not None:
            return {"start": self.database.away_because or self._starting}
        reasons = {
            "broker": self.consumer.broken_because,
            "relay": self._relay.broken_because,
            "delivery": self._delivery.stopped_because,
            "database": await self._database_is_away(),
        }
        for part, check in self._health.items():
            reasons[part] = await check()
        return {part: reason for part, reason in reasons.items() if reason is not None}

    async def _database_is_away(self) -> str | None:
        try:
            await asyncio.wait_for(self.database.fetchval("SELECT 1"), timeout=READY_CHECK_SECONDS)
        except Exception as error:
            return repr(error)
        return None


def _title_of(error_type: type[Exception]) -> str:
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in error_type.__name__)
    return words.strip().capitalize()


def _exit_on_failure(running: "asyncio.Task[None]") -> None:
    """A service that cannot start must not look alive: its supervisor starts it again."""
    if not running.cancelled() and (error := running.exception()) is not None:
        logger.critical("the service cannot go on", exc_info=error)
        raise SystemExit(1)


def run(chassis: Chassis) -> None:
    """Serve until told to stop."""
    logs.configure(service=chassis.name, level=chassis.settings.log_level)
    uvicorn.run(
        chassis.app,
        host=chassis.settings.http_host,
        port=chassis.settings.http_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(chassis.settings.drain_seconds),
    )
