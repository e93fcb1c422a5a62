"""What is on the wire does not break: schemas are frozen, golden messages stay readable."""

import copy
import json
from typing import Any

import jsonschema
import pytest

from shared.contracts.freezing import EXAMPLES, SCHEMAS, breaking_changes, frozen_schema, frozen_topics, schema_of

NAMES = sorted(frozen_topics())


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_has_no_breaking_change(name: str) -> None:
    assert breaking_changes(frozen_schema(name), schema_of(frozen_topics()[name])) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_frozen_schema_is_up_to_date(name: str) -> None:
    assert frozen_schema(name) == schema_of(frozen_topics()[name]), "run: python -m shared.contracts.freezing"


@pytest.mark.parametrize("name", NAMES)
def test_the_golden_message_is_read_and_written_unchanged(name: str) -> None:
    golden = json.loads((EXAMPLES / f"{name}.json").read_text())
    jsonschema.validate(golden, frozen_schema(name))
    event = frozen_topics()[name].event.model_validate(golden)
    assert event.model_dump(mode="json") == golden


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_field_is_ignored(name: str) -> None:
    golden = json.loads((EXAMPLES / f"{name}.json").read_text())
    event = frozen_topics()[name].event
    assert event.model_validate(golden | {"added_next_year": {"deep": [1]}}) == event.model_validate(golden)


def test_no_schema_and_no_example_is_left_over() -> None:
    assert {path.stem for path in SCHEMAS.glob("*.json")} == set(NAMES)
    assert {path.stem for path in EXAMPLES.glob("*.json")} == set(NAMES)


def _edited(edit: str) -> dict[str, Any]:
    schema: dict[str, Any] = copy.deepcopy(frozen_schema("character.updated"))
    match edit:
        case "property gone":
            del schema["properties"]["name"]
        case "newly required":
            schema["required"].append("sequence")
        case "other type":
            schema["properties"]["name"]["type"] = "integer"
        case "tighter limit":
            schema["properties"]["name"]["maxLength"] = 3
        case "optional now":
            schema["required"].remove("name")
    return schema


@pytest.mark.parametrize("edit", ["property gone", "newly required", "other type", "tighter limit", "optional now"])
def test_a_breaking_change_is_noticed(edit: str) -> None:
    assert breaking_changes(frozen_schema("character.updated"), _edited(edit))


def test_an_enumeration_value_more_or_less_is_noticed() -> None:
    old = {"enum": ["draft", "full"]}
    assert breaking_changes(old, {"enum": ["draft", "full", "preview"]})
    assert breaking_changes(old, {"enum": ["draft"]})


def test_an_added_optional_property_and_other_words_are_no_breaking_change() -> None:
    new = copy.deepcopy(frozen_schema("character.updated"))
    new["properties"]["pronoun"] = {"type": "string", "default": ""}
    new["description"] = "other words"
    assert breaking_changes(frozen_schema("character.updated"), new) == []
