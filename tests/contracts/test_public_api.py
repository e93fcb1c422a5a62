"""The edge and the services agree: every operation that a service offers is in the gateway's table, and the reverse."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI

from services.catalog.api import build_routers as catalog_routers
from services.dispatch.api import build_routers as dispatch_routers
from services.regression.api import references_router, runs_router
from services.regression.api.views import ReportView
from services.scoring.api import build_routers as scoring_routers
from services.smoothing.api import build_routers as smoothing_routers
from services.studio.domain.openapi import merged
from services.studio.domain.routes import ROUTES, Owner, owns
from shared.http.app import add_routers
from tests.support.studio import degraded_report, openapi

NOTHING: Any = None
"""Routers only close over their operations and stores; describing them calls neither."""


def routers() -> dict[Owner, list[APIRouter]]:
    return {
        Owner.CATALOG: catalog_routers(
            database=NOTHING,
            projects_=NOTHING,
            users_=NOTHING,
            characters_=NOTHING,
            scene_types_=NOTHING,
            assets_=NOTHING,
            max_image_bytes=1,
        ),
        Owner.DISPATCH: dispatch_routers(
            scenes_=NOTHING,
            reviews_=NOTHING,
            regenerations_=NOTHING,
            undoing_=NOTHING,
            shots_=NOTHING,
            batches_=NOTHING,
            servers_=NOTHING,
            queue_=NOTHING,
            usage_=NOTHING,
            progress_=NOTHING,
            store=NOTHING,
        ),
        Owner.SCORING: scoring_routers(
            operations=NOTHING, gates=NOTHING, scores=NOTHING, segments=NOTHING, identity_backend="face-region"
        ),
        Owner.SMOOTHING: smoothing_routers(reads=NOTHING, repairs=NOTHING, thresholds=NOTHING),
        Owner.REGRESSION: [runs_router(NOTHING, NOTHING), references_router(NOTHING, NOTHING)],
    }


@pytest.fixture(scope="module")
def documents() -> dict[Owner, dict[str, Any]]:
    described = {}
    for owner, parts in routers().items():
        app = FastAPI()
        add_routers(app, *parts)
        described[owner] = app.openapi()
    return described


def offered(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}


def test_every_operation_of_a_service_is_reachable_through_the_gateway(documents: dict[Owner, dict[str, Any]]) -> None:
    for owner, document in documents.items():
        unreachable = {one for one in offered(document) if not owns(one[0], one[1], owner)}
        assert unreachable == set(), owner


def test_the_table_promises_nothing_that_its_owner_does_not_offer(documents: dict[Owner, dict[str, Any]]) -> None:
    promised = sum(len(route.methods) for route in ROUTES)
    assert promised == sum(len(offered(document)) for document in documents.values())


def test_the_one_description_has_every_operation_once_with_a_summary(documents: dict[Owner, dict[str, Any]]) -> None:
    document = merged(openapi({}), documents)
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len(operations) == sum(len(offered(one)) for one in documents.values())
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert [operation["operationId"] for operation in operations if not operation.get("summary")] == []


def test_the_report_that_the_edge_is_tested_with_is_one_that_regression_gives() -> None:
    ReportView.model_validate(degraded_report(baseline="a" * 64, new="b" * 64))
