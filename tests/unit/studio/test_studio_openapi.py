"""Merging the services' descriptions."""

from typing import Any

from services.studio.domain.openapi import merged
from services.studio.domain.routes import Owner
from tests.support.studio import openapi

REF = "#/components/schemas/"


def operation(schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": REF + schema}}}
    return {"get": {"operationId": "list", "responses": {"200": {"content": content}}}}


def schema_of(document: dict[str, Any], path: str) -> str:
    found = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    return str(found).removeprefix(REF)


def test_each_operation_comes_from_its_owner_and_nothing_else_comes_in() -> None:
    catalog = openapi({"/api/projects": operation("Project"), "/healthz": operation("Project")}, {"Project": {}})
    scoring = openapi({"/api/projects": operation("Other")}, {"Other": {}})
    document = merged(openapi({}), {Owner.CATALOG: catalog, Owner.SCORING: scoring})
    assert list(document["paths"]) == ["/api/projects"]
    assert schema_of(document, "/api/projects") == "Project"
    assert document["paths"]["/api/projects"]["get"]["operationId"] == "catalog_list"


def test_two_things_of_one_name_get_their_services_names_in_front() -> None:
    catalog = openapi({"/api/projects": operation("View")}, {"View": {"type": "object", "title": "a"}})
    dispatch = openapi({"/api/jobs": operation("View")}, {"View": {"type": "object", "title": "b"}})
    document = merged(openapi({}), {Owner.CATALOG: catalog, Owner.DISPATCH: dispatch})
    assert schema_of(document, "/api/projects") == "CatalogView"
    assert schema_of(document, "/api/jobs") == "DispatchView"
    assert set(document["components"]["schemas"]) == {"CatalogView", "DispatchView"}


def test_what_refers_to_a_renamed_thing_is_kept_apart_too() -> None:
    page = {"items": {"$ref": REF + "View"}}
    catalog = openapi({"/api/projects": operation("Page")}, {"Page": page, "View": {"title": "a"}})
    dispatch = openapi({"/api/jobs": operation("Page")}, {"Page": page, "View": {"title": "b"}})
    document = merged(openapi({}), {Owner.CATALOG: catalog, Owner.DISPATCH: dispatch})
    schemas = document["components"]["schemas"]
    assert schemas[schema_of(document, "/api/projects")] == {"items": {"$ref": REF + "CatalogView"}}
    assert schemas[schema_of(document, "/api/jobs")] == {"items": {"$ref": REF + "DispatchView"}}


def test_the_same_thing_stays_one() -> None:
    same = {"ValidationError": {"type": "object"}}
    catalog = openapi({"/api/projects": operation("ValidationError")}, same)
    dispatch = openapi({"/api/jobs": operation("ValidationError")}, same)
    document = merged(openapi({}), {Owner.CATALOG: catalog, Owner.DISPATCH: dispatch})
    assert set(document["components"]["schemas"]) == {"ValidationError"}


def test_every_reference_in_the_merged_document_resolves() -> None:
    catalog = openapi(
        {"/api/projects": operation("View")}, {"View": {"x": [{"$ref": REF + "Inner"}]}, "Inner": {"a": 1}}
    )
    dispatch = openapi({"/api/jobs": operation("Inner")}, {"Inner": {"a": 2}})
    document = merged(openapi({}), {Owner.CATALOG: catalog, Owner.DISPATCH: dispatch})
    assert dangling(document, set(document["components"]["schemas"])) == []


def dangling(value: Any, known: set[str]) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value and value["$ref"].removeprefix(REF) not in known else []
        return own + [found for inner in value.values() for found in dangling(inner, known)]
    return [found for inner in value for found in dangling(inner, known)] if isinstance(value, list) else []
