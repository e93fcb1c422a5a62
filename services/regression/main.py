"""Composition root: settings, store, operations, one app."""

from datetime import timedelta

from services.regression.api import references_router, runs_router
from services.regression.domain import errors
from services.regression.handlers import Handlers, register
from services.regression.operations.limits import Limits
from services.regression.operations.wiring import Operations
from services.regression.settings import Settings
from services.regression.store import Store
from services.regression.workers import Sweeper
from shared.clock import utc_now
from shared.service import Chassis, run

PROBLEMS: tuple[tuple[type[Exception], int], ...] = (
    (errors.SceneUnknown, 404),
    (errors.ReferenceUnknown, 404),
    (errors.RunUnknown, 404),
    (errors.AssetUnknown, 404),
    (errors.VersionUnknown, 404),
    (errors.SceneUnfinished, 409),
    (errors.AlreadyReference, 409),
    (errors.NothingToRun, 409),
    (errors.RunNotAllowed, 409),
    (errors.BadThreshold, 422),
)


def build(settings: Settings) -> Chassis:
    chassis = Chassis(name="regression", settings=settings)
    store = Store(chassis.database)
    limits = Limits(
        render=timedelta(minutes=settings.render_deadline_minutes),
        rollback=timedelta(minutes=settings.rollback_deadline_minutes),
        remeasure=timedelta(minutes=settings.remeasure_deadline_minutes),
    )
    operations = Operations.build(store=store, limits=limits, now=utc_now)
    register(
        chassis.consumer,
        Handlers(
            facts=operations.facts,
            references=operations.references,
            answers=operations.answers,
            rollbacks=operations.rollbacks,
        ),
    )
    chassis.include(references_router(operations, store))
    chassis.include(runs_router(operations, store))
    for error, status in PROBLEMS:
        chassis.problem(error, status)
    chassis.work("deadlines", Sweeper(operations.deadlines).step, poll_seconds=settings.sweep_seconds)
    return chassis


def main() -> None:
    run(build(Settings()))
