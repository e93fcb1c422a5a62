"""Composition root: settings to servers, store and operations, to one app with its workers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from services.dispatch import handlers
from services.dispatch.adapters.clips import ClipReader
from services.dispatch.adapters.comfyui import ComfyUIServer
from services.dispatch.adapters.frames import FrameComparer
from services.dispatch.adapters.render_server import RenderServer
from services.dispatch.api import build_routers
from services.dispatch.domain.errors import Conflict, NotFound, Unacceptable
from services.dispatch.operations.assignments import AssignmentOperations
from services.dispatch.operations.batches import BatchOperations
from services.dispatch.operations.facts import FactOperations
from services.dispatch.operations.planning import Planner
from services.dispatch.operations.progress import ProgressOperations
from services.dispatch.operations.queue import QueueOperations
from services.dispatch.operations.regenerations import RegenerationOperations
from services.dispatch.operations.rendering import RenderOperations
from services.dispatch.operations.repairs import RepairOperations
from services.dispatch.operations.requests import RequestOperations
from services.dispatch.operations.reviews import ReviewOperations
from services.dispatch.operations.scenes import SceneOperations
from services.dispatch.operations.score_gates import ScoreGates
from services.dispatch.operations.seams import SeamOperations
from services.dispatch.operations.servers import ServerOperations
from services.dispatch.operations.shots import ShotOperations
from services.dispatch.operations.timelines import Timelines
from services.dispatch.operations.undoing import UndoOperations
from services.dispatch.operations.usage import UsageOperations
from services.dispatch.settings import Settings
from services.dispatch.store import Store
from services.dispatch.workers.clips import ClipCollector, GraphBuilder
from services.dispatch.workers.fleet import Fleet
from services.dispatch.workers.rendering import RenderWorker
from services.dispatch.workers.repairs import RepairWorker
from services.dispatch.workers.servers import ServerKeeper
from services.dispatch.workers.upkeep import UpkeepWorker
from services.dispatch.workers.waiting import Patience
from shared.service import Chassis, run

COLLECTING_STEPS = 2
"""Of each server: while some steps wait for their prompts, these fetch and decode the clips of the prompts before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    assignments: AssignmentOperations
    renders: RenderOperations
    gates: ScoreGates
    fleet: Fleet
    graphs: GraphBuilder
    clips: ClipCollector


def build(settings: Settings, *, servers: list[RenderServer] | None = None) -> Chassis:
    """`servers`: instead of those that the settings name."""
    chassis = Chassis(name="dispatch", settings=settings)
    if servers is None:
        servers = _servers_of(settings)
    workers = [*(f"render:{server.name}" for server in servers), "abandoned"]

    store = Store(chassis.database)
    fleet = Fleet(
        servers,
        operations=ServerOperations(store=store),
        new_work=lambda: new_work(),
        prefetch=settings.prefetch,
        foreign_seconds=settings.queue_timeout_seconds,
    )

    def new_work() -> None:
        fleet.news()
        for worker in workers:
            chassis.wake(worker)

    def published() -> None:
        fleet.ask_again()
        chassis.wake("fleet")

    timelines = Timelines(store=store, look=FrameComparer(media=chassis.media), ssim_limit=settings.handover_ssim)
    gates = ScoreGates(store=store, timelines=timelines, patience_seconds=settings.score_patience_seconds)
    facts = FactOperations(store=store, published=published)
    _take_requests(chassis, settings, store, timelines, gates, facts, new_work)
    parts = _rendering(chassis, settings, store, timelines, gates, fleet, new_work)
    begin = _add_workers(chassis, settings, parts, [server.name for server in servers])

    def begin_on(name: str) -> None:
        begin(name)
        workers.append(f"render:{name}")

    keeper = ServerKeeper(
        fleet=parts.fleet,
        operations=ServerOperations(store=store),
        connect=lambda name, url: _server_of(settings, name, url),
        begin=begin_on,
    )
    chassis.work("servers", keeper.step, poll_seconds=2.0)
    return chassis


def _servers_of(settings: Settings) -> list[RenderServer]:
    return [_server_of(settings, urlsplit(url).netloc.rpartition("@")[2], url) for url in settings.comfyui_urls]


def _server_of(settings: Settings, name: str, url: str) -> RenderServer:
    return ComfyUIServer(name=name, url=url, request_timeout_s=settings.request_timeout_seconds)


def _take_requests(
    chassis: Chassis,
    settings: Settings,
    store: Store,
    timelines: Timelines,
    gates: ScoreGates,
    facts: FactOperations,
    new_work: Callable[[], None],
) -> None:
    reviews = ReviewOperations(store=store, timelines=timelines, gates=gates, new_work=new_work)
    regenerations = RegenerationOperations(store=store, timelines=timelines, gates=gates, new_work=new_work)
    requests = RequestOperations(store=store, new_work=new_work)
    repairs = RepairOperations(
        store=store,
        timelines=timelines,
        gates=gates,
        new_work=new_work,
        patience_seconds=settings.repair_patience_seconds,
    )
    chassis.work("repairs", RepairWorker(operations=repairs, media=chassis.media).step, poll_seconds=0.5)
    handlers.register(
        chassis.consumer,
        handlers.Handlers(
            facts=facts,
            requests=requests,
            reviews=reviews,
            seams=SeamOperations(store=store),
            repairs=repairs,
        ),
    )
    planner = Planner(store=store, fact_patience_seconds=settings.fact_patience_seconds)
    scenes = SceneOperations(store=store, planner=planner, new_work=new_work)
    shots = ShotOperations(store=store, planner=planner, timelines=timelines, gates=gates, new_work=new_work)
    batches = BatchOperations(
        store=store, shots=shots, planner=Planner(store=store, fact_patience_seconds=0), new_work=new_work
    )
    queue = QueueOperations(store=store, gates=gates, new_work=new_work)
    chassis.include(
        *build_routers(
            scenes_=scenes,
            reviews_=reviews,
            regenerations_=regenerations,
            undoing_=UndoOperations(store=store, timelines=timelines, gates=gates, new_work=new_work),
            shots_=shots,
            batches_=batches,
            servers_=ServerOperations(store=store, changed=lambda: chassis.wake("servers")),
            queue_=queue,
            usage_=UsageOperations(store=store),
            progress_=ProgressOperations(store=store, queue=queue, timelines=timelines),
            store=store,
        )
    )
    chassis.problem(NotFound, 404)
    chassis.problem(Conflict, 409)
    chassis.problem(Unacceptable, 422, "Invalid request")


def _rendering(
    chassis: Chassis,
    settings: Settings,
    store: Store,
    timelines: Timelines,
    gates: ScoreGates,
    fleet: Fleet,
    new_work: Callable[[], None],
) -> _Parts:
    reader = ClipReader(deadline_seconds=settings.decode_timeout_seconds)
    graphs = GraphBuilder()

    async def stop() -> None:
        await fleet.stop()
        reader.close()

    chassis.on_start(fleet.start)
    chassis.on_start(reader.start)
    chassis.on_drain(fleet.leave)
    chassis.on_stop(stop)
    chassis.health("render_servers", fleet.problem)
    return _Parts(
        assignments=AssignmentOperations(
            store=store, new_work=new_work, lease=timedelta(seconds=settings.lease_seconds)
        ),
        gates=gates,
        renders=RenderOperations(
            store=store, timelines=timelines, gates=gates, new_work=new_work, max_attempts=settings.max_attempts
        ),
        fleet=fleet,
        graphs=graphs,
        clips=ClipCollector(media=chassis.media, reader=reader, graphs=graphs, max_clip_bytes=settings.max_clip_bytes),
    )


def _add_workers(chassis: Chassis, settings: Settings, parts: _Parts, names: list[str]) -> Callable[[str], None]:
    """Returns what begins the work on a server that is added later."""
    patience = Patience(
        lease=settings.lease_seconds,
        poll=settings.poll_seconds,
        render=settings.render_timeout_seconds,
        queue=settings.queue_timeout_seconds,
        away=settings.away_patience_seconds,
    )
    upkeep = UpkeepWorker(assignments=parts.assignments, gates=parts.gates, fleet=parts.fleet)
    chassis.work("fleet", parts.fleet.check, poll_seconds=settings.health_seconds)
    chassis.work("leases", upkeep.leases, poll_seconds=1.0)
    chassis.work("scores", upkeep.scores, poll_seconds=1.0)
    chassis.work("abandoned", upkeep.abandoned, poll_seconds=1.0)

    def begin(name: str) -> None:
        _add_render_worker(chassis, name, parts, patience, steps=1 + settings.prefetch + COLLECTING_STEPS)

    for name in names:
        begin(name)
    return begin


def _add_render_worker(chassis: Chassis, name: str, parts: _Parts, patience: Patience, *, steps: int) -> None:
    worker_name = f"render:{name}"

    def place_is_free() -> None:
        parts.fleet.news()
        chassis.wake(worker_name)

    worker = RenderWorker(
        name=name,
        fleet=parts.fleet,
        assignments=parts.assignments,
        renders=parts.renders,
        graphs=parts.graphs,
        clips=parts.clips,
        patience=patience,
        place_is_free=place_is_free,
    )
    chassis.work(worker_name, worker.step, concurrency=steps, poll_seconds=0.5)


def main() -> None:
    run(build(Settings()))
