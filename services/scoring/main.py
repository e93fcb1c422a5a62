"""Scoring, put together."""

from dataclasses import replace

from services.scoring import domain
from services.scoring.adapters.backends import identity_backend
from services.scoring.api import build_routers
from services.scoring.handlers import Handlers, register
from services.scoring.operations import MeasuringOperations, RequestOperations, SegmentOperations
from services.scoring.settings import Settings
from services.scoring.store import GateStore, MeasurementStore, ScoreStore, SegmentStore
from services.scoring.workers.health import IdentityHealth
from services.scoring.workers.measuring import MeasuringWorker
from services.scoring.workers.pool import ProcessPool
from shared.service import Chassis, run

MEASURE = "measure"
ANNOUNCE = "announce"


def build(settings: Settings) -> Chassis:
    chassis = Chassis(name="scoring", settings=settings)
    database = chassis.database
    segments, measurements = SegmentStore(database), MeasurementStore(database)
    scores, gates = ScoreStore(database), GateStore(database)
    choice = settings.choice()
    # Loaded once here, so that a back-end that cannot be used ends the service instead of every clip.
    identity = identity_backend(replace(choice, device=domain.Device.CPU))
    method = domain.Method(
        suite_version=domain.METRIC_SUITE_VERSION,
        identity_backend=identity.kind.name,
        identity_backend_version=identity.version,
    )

    def wake() -> None:
        chassis.wake(MEASURE)
        chassis.wake(ANNOUNCE)

    measuring = MeasuringOperations(
        segments=segments,
        measurements=measurements,
        scores=scores,
        gates=gates,
        lease_seconds=settings.lease_seconds,
        announce=lambda: chassis.wake(ANNOUNCE),
    )
    register(
        chassis.consumer,
        Handlers(
            SegmentOperations(
                segments=segments, measurements=measurements, scores=scores, gates=gates, method=method, wake=wake
            )
        ),
    )
    pool = ProcessPool(
        size=settings.processes,
        deadline_seconds=settings.deadline_seconds,
        memory_limit_bytes=settings.memory_limit_mib * 1024**2,
        identity=choice,
    )
    worker = MeasuringWorker(operations=measuring, media=chassis.media, pool=pool, lease_seconds=settings.lease_seconds)
    chassis.work(MEASURE, worker.step, concurrency=settings.processes)
    chassis.work(ANNOUNCE, measuring.say_one)
    chassis.on_stop(pool.stop)
    health = IdentityHealth(
        processes=pool, backend=identity.kind.name, version=identity.version, device=settings.identity_device
    )
    chassis.on_start(health.start)
    chassis.health("identity", health.problem)
    chassis.fact("identity", health.fact)
    requests = RequestOperations(
        segments=segments, gates=gates, media=chassis.media, identity_backend=identity.kind.name
    )
    chassis.include(
        *build_routers(
            operations=requests, segments=segments, scores=scores, gates=gates, identity_backend=identity.kind.name
        )
    )
    for error, status in ((domain.NotFound, 404), (domain.Refused, 422), (domain.GateError, 422)):
        chassis.problem(error, status)
    return chassis


def main() -> None:
    run(build(Settings()))
