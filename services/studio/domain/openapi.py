"""One OpenAPI document out of the services' own."""

import json
from collections.abc import Mapping
from typing import Any

from services.studio.domain.routes import Owner, owns

JsonObject = dict[str, Any]

_PREFIX = "#/components/schemas/"
_METHODS = ("get", "put", "post", "patch", "delete")


def merged(own: JsonObject, services: Mapping[Owner, JsonObject]) -> JsonObject:
    """`own` with every operation that the gateway's table gives to a service.

    A schema name that two documents use for different things gets its service's name in front in each of them; a name
    used for the same thing stays one. Security schemes are taken from the first document that has them.
    """
    documents: dict[str, JsonObject] = {"studio": own, **{str(owner): document for owner, document in services.items()}}
    clashing = _clashing(documents)
    paths: JsonObject = {}
    components: JsonObject = {"schemas": {}}
    for service, document in documents.items():
        named = _renamed(document, service, clashing)
        for pattern, operations in named.get("paths", {}).items():
            kept = operations if service == "studio" else _kept(pattern, operations, Owner(service))
            if kept:
                paths.setdefault(pattern, {}).update(kept)
        for kind, entries in named.get("components", {}).items():
            components[kind] = {**entries, **components.get(kind, {})}
    return {**own, "paths": dict(sorted(paths.items())), "components": components}


def _kept(pattern: str, operations: JsonObject, owner: Owner) -> JsonObject:
    return {
        method: {**operation, "operationId": f"{owner}_{operation.get('operationId', method)}"}
        for method, operation in operations.items()
        if method in _METHODS and owns(method, pattern, owner)
    }


def _schemas(document: JsonObject) -> JsonObject:
    schemas: JsonObject = document.get("components", {}).get("schemas", {})
    return schemas


def _clashing(documents: Mapping[str, JsonObject]) -> frozenset[str]:
    """Names that mean different things, and names of what refers to them."""
    by_name: dict[str, list[Any]] = {}
    for document in documents.values():
        for name, schema in _schemas(document).items():
            by_name.setdefault(name, []).append(schema)
    clashing = {name for name, found in by_name.items() if any(schema != found[0] for schema in found)}
    while True:
        more = {
            name
            for name, found in by_name.items()
            if name not in clashing and len(found) > 1 and any(_refers(found[0], other) for other in clashing)
        }
        if not more:
            return frozenset(clashing)
        clashing |= more


def _refers(schema: Any, name: str) -> bool:
    return f'"{_PREFIX}{name}"' in json.dumps(schema)


def _renamed(document: JsonObject, service: str, clashing: frozenset[str]) -> JsonObject:
    def name_of(name: str) -> str:
        return f"{service.capitalize()}{name}" if name in clashing else name

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: reference(key, inner) for key, inner in value.items()}
        return [walk(inner) for inner in value] if isinstance(value, list) else value

    def reference(key: str, value: Any) -> Any:
        if key == "$ref" and isinstance(value, str) and value.startswith(_PREFIX):
            return _PREFIX + name_of(value.removeprefix(_PREFIX))
        return walk(value)

    renamed: JsonObject = walk(document)
    if "schemas" in renamed.get("components", {}):
        schemas = renamed["components"]["schemas"]
        renamed["components"]["schemas"] = {name_of(name): schema for name, schema in schemas.items()}
    return renamed
