"""The gateway's table."""

import pytest

from services.studio.domain.routes import ROUTES, MethodNotOffered, Owner, UnknownPath, owner_of, owns


@pytest.mark.parametrize(
    ("method", "path", "owner"),
    [
        ("GET", "/api/projects", Owner.CATALOG),
        ("PATCH", "/api/characters/12", Owner.CATALOG),
        ("DELETE", "/api/tokens/0195d3a0-0000-7000-8000-000000000001", Owner.CATALOG),
        ("POST", "/api/segments/7/approve", Owner.DISPATCH),
        ("GET", "/api/segments/7/scores", Owner.SCORING),
        ("HEAD", "/api/segments/7", Owner.DISPATCH),
        ("POST", "/api/regression/runs/5/rollback", Owner.REGRESSION),
    ],
)
def test_a_path_goes_to_its_owner(method: str, path: str, owner: Owner) -> None:
    assert owner_of(method, path) is owner


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/nothing",
        "/api/projects/",
        "/api/projects/1/2",
        "/api/projects/..",
        "/api/projects/%2e%2e",
        "/api/projects/a.b",
        "/api/segments/7/../8",
        "/api/projects/1\n",
        "/api/projects/" + "9" * 65,
        "/healthz",
        "/metrics",
    ],
)
def test_a_path_outside_the_table_reaches_no_service(path: str) -> None:
    with pytest.raises(UnknownPath):
        owner_of("GET", path)


def test_another_method_is_told_which_ones_there_are() -> None:
    with pytest.raises(MethodNotOffered) as refused:
        owner_of("PUT", "/api/projects/1")
    assert refused.value.allowed == ("DELETE", "GET", "PATCH")


def test_no_pattern_is_listed_twice() -> None:
    assert len({route.pattern for route in ROUTES}) == len(ROUTES)


def test_an_operation_belongs_to_one_service_whatever_its_parameter_is_called() -> None:
    assert owns("get", "/api/segments/{id}", Owner.DISPATCH)
    assert not owns("get", "/api/segments/{id}", Owner.SCORING)
    assert not owns("delete", "/api/segments/{id}", Owner.DISPATCH)
