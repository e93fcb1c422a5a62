"""Scoring, put together."""

from services.scoring import domain, metrics
from services.scoring.adapters.backends import BackendChoice, identity_backend, providers_of
from services.scoring.api import build_router
from services.scoring.handlers import Handlers, register
from services.scoring.operations import MeasuringOperations, RequestOperations, SegmentOperations
from services.scoring.settings import Settings
from services.scoring.store import GateStore, MeasurementStore, ScoreStore, SegmentStore
from services.scoring.workers.measuring import MeasuringWorker
from services.scoring.workers.pool import ProcessPool
from shared.contracts.scoring import IdentityBackendInfo
from shared.service import Chassis, run

MEASURE = "measure"
ANNOUNCE = "announce"


def build(settings: Settings) -> Chassis:
    chassis = Chassis(name="scoring", settings=settings)
    database = chassis.database
    segments, measurements = SegmentStore(database), MeasurementStore(database)
    scores, gates = ScoreStore(database), GateStore(database)
    choice = BackendChoice(
        name=settings.identity_backend,
        models=None if settings.face_models is None else str(settings.face_models),
        pack=settings.face_pack,
        pack_sha256=settings.face_pack_sha256,
    )
    identity = identity_backend(choice)
    for provider in providers_of(identity):
        metrics.IDENTITY_PROVIDERS.labels(identity.name, identity.version, provider).set(1)
    method = domain.Method(
        suite_version=domain.METRIC_SUITE_VERSION,
        identity_backend=identity.name,
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
        identity=IdentityBackendInfo(
            name=identity.name, version=identity.version, is_identity=identity.is_identity, notice=identity.notice
        ),
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
    requests = RequestOperations(segments=segments, gates=gates, media=chassis.media)
    chassis.include(build_router(operations=requests, segments=segments, scores=scores, gates=gates))
    for error, status in ((domain.NotFound, 404), (domain.Refused, 422), (domain.GateError, 422)):
        chassis.problem(error, status)
    return chassis


def main() -> None:
    run(build(Settings()))
