"""Smoothing, put together."""

from services.smoothing import domain
from services.smoothing.api import build_routers
from services.smoothing.handlers import Handlers, register
from services.smoothing.operations import (
    CheckOperations,
    ReadOperations,
    RepairOperations,
    SegmentOperations,
    ThresholdOperations,
)
from services.smoothing.settings import Settings
from services.smoothing.store import CheckStore, RepairStore, SeamStore, SegmentStore, ThresholdStore
from services.smoothing.workers.measuring import MeasuringWorker
from services.smoothing.workers.pool import check_pool, repair_pool
from services.smoothing.workers.proposing import ProposingWorker
from shared.service import Chassis, run

MEASURE = "measure"
ANNOUNCE = "announce"
REPAIR = "repair"
EXPIRE = "expire"
EXPIRE_POLL_SECONDS = 5.0


def build(settings: Settings) -> Chassis:
    chassis = Chassis(name="smoothing", settings=settings)
    database = chassis.database
    segments, seams, checks = SegmentStore(database), SeamStore(database), CheckStore(database)
    repairs, thresholds = RepairStore(database), ThresholdStore(database)

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
    repairing = RepairOperations(
        segments=segments,
        seams=seams,
        repairs=repairs,
        thresholds=thresholds,
        lease_seconds=settings.lease_seconds,
        patience_seconds=settings.proposal_patience_seconds,
        wake=lambda: chassis.wake(REPAIR),
    )
    following = SegmentOperations(
        segments=segments, seams=seams, checks=checks, repairs=repairs, thresholds=thresholds, wake=wake
    )
    limiting = ThresholdOperations(segments=segments, thresholds=thresholds)
    register(chassis.consumer, Handlers(following, repairing, limiting))
    _work(chassis, settings, checking, repairing)
    chassis.include(
        *build_routers(
            reads=ReadOperations(segments=segments, seams=seams, repairs=repairs, thresholds=thresholds),
            repairs=repairing,
            thresholds=limiting,
        )
    )
    for error, status in (
        (domain.NotFound, 404),
        (domain.Conflict, 409),
        (domain.Refused, 422),
        (domain.SeamError, 422),
    ):
        chassis.problem(error, status)
    return chassis


def _work(chassis: Chassis, settings: Settings, checking: CheckOperations, repairing: RepairOperations) -> None:
    limit = settings.memory_limit_mib * 1024**2
    checks = check_pool(size=settings.processes, deadline_seconds=settings.deadline_seconds, memory_limit_bytes=limit)
    repairs = repair_pool(
        size=settings.repair_processes, deadline_seconds=settings.repair_deadline_seconds, memory_limit_bytes=limit
    )
    lease, media = settings.lease_seconds, chassis.media
    measuring = MeasuringWorker(operations=checking, media=media, pool=checks, lease_seconds=lease)
    proposing = ProposingWorker(operations=repairing, media=media, pool=repairs, lease_seconds=lease)
    chassis.work(MEASURE, measuring.step, concurrency=settings.processes)
    chassis.work(ANNOUNCE, checking.say_one)
    chassis.work(REPAIR, proposing.step, concurrency=settings.repair_processes)
    chassis.work(EXPIRE, repairing.expire_one, poll_seconds=EXPIRE_POLL_SECONDS)
    chassis.on_stop(checks.stop)
    chassis.on_stop(repairs.stop)


def main() -> None:
    run(build(Settings()))
