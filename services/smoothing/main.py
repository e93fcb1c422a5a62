"""Smoothing, put together."""

from services.smoothing import domain
from services.smoothing.api import build_router
from services.smoothing.handlers import Handlers, register
from services.smoothing.operations import CheckOperations, ReadOperations, SegmentOperations
from services.smoothing.settings import Settings
from services.smoothing.store import CheckStore, SeamStore, SegmentStore, ThresholdStore
from services.smoothing.workers.measuring import MeasuringWorker
from services.smoothing.workers.pool import check_pool
from shared.service import Chassis, run

MEASURE = "measure"
ANNOUNCE = "announce"


def build(settings: Settings) -> Chassis:
    chassis = Chassis(name="smoothing", settings=settings)
    database = chassis.database
    segments, seams = SegmentStore(database), SeamStore(database)
    checks, thresholds = CheckStore(database), ThresholdStore(database)

    def wake() -> None:
        chassis.wake(MEASURE)
        chassis.wake(ANNOUNCE)

    checking = CheckOperations(
        segments=segments,
        seams=seams,
        checks=checks,
        thresholds=thresholds,
        lease_seconds=settings.lease_seconds,
        announce=lambda: chassis.wake(ANNOUNCE),
    )
    register(
        chassis.consumer,
        Handlers(SegmentOperations(segments=segments, seams=seams, checks=checks, thresholds=thresholds, wake=wake)),
    )
    pool = check_pool(
        size=settings.processes,
        deadline_seconds=settings.deadline_seconds,
        memory_limit_bytes=settings.memory_limit_mib * 1024**2,
    )
    worker = MeasuringWorker(operations=checking, media=chassis.media, pool=pool, lease_seconds=settings.lease_seconds)
    chassis.work(MEASURE, worker.step, concurrency=settings.processes)
    chassis.work(ANNOUNCE, checking.say_one)
    chassis.on_stop(pool.stop)
    chassis.include(build_router(reads=ReadOperations(segments=segments, seams=seams, thresholds=thresholds)))
    chassis.problem(domain.NotFound, 404)
    return chassis


def main() -> None:
    run(build(Settings()))
