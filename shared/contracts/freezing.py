"""The frozen JSON Schema of every event, and what counts as a breaking change of one.

`python -m shared.contracts.freezing` freezes events that have no schema yet, and compatible additions to those that do.
A breaking change is refused: it needs a new topic.
"""

import json
import sys
from pathlib import Path
from typing import Any

from shared.contracts.topics import DEAD_LETTER_TOPICS, TOPICS, Topic

SCHEMAS = Path(__file__).with_name("schemas")
EXAMPLES = Path(__file__).with_name("examples")

WORDS_ONLY = frozenset({"description", "title", "default"})


def frozen_topics() -> dict[str, Topic[Any]]:
    """All topics by the name of their schema file; the dead letters of all services share one."""
    return {topic.name: topic for topic in TOPICS} | {"dead_letter": DEAD_LETTER_TOPICS[0]}


def schema_of(topic: Topic[Any]) -> dict[str, Any]:
    schema: dict[str, Any] = topic.event.model_json_schema()
    return schema


def frozen_schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text())
    return schema


def breaking_changes(old: Any, new: Any, where: str = "$") -> list[str]:
    """What in `new` old messages or old consumers could trip over; empty when there is nothing.

    Added optional properties and definitions are fine: consumers ignore fields they do not know. Everything else that
    differs, apart from words, is breaking: another type or limit, a property gone or newly required, enumeration values
    added (old consumers refuse them) or removed.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        return _changes_of_object(old, new, where)
    return [] if old == new else [f"{where}: was {json.dumps(old)}, is {json.dumps(new)}"]


def _changes_of_object(old: dict[str, Any], new: dict[str, Any], where: str) -> list[str]:
    changes: list[str] = []
    for key in sorted((old.keys() | new.keys()) - WORDS_ONLY):
        here = f"{where}.{key}"
        if key in {"properties", "$defs"}:
            gone = old.get(key, {}).keys() - new.get(key, {}).keys()
            changes += [f"{here}.{name}: is gone" for name in sorted(gone)]
            for name in sorted(old.get(key, {}).keys() & new.get(key, {}).keys()):
                changes += breaking_changes(old[key][name], new[key][name], f"{here}.{name}")
        elif key == "required":
            changes += [
                f"{here}: {name} is newly required" for name in sorted(set(new.get(key, [])) - set(old.get(key, [])))
            ]
            changes += [
                f"{here}: {name} is no longer sent surely"
                for name in sorted(set(old.get(key, [])) - set(new.get(key, [])))
            ]
        elif key not in old or key not in new:
            changes.append(f"{here}: {'added' if key in new else 'removed'}")
        else:
            changes += breaking_changes(old[key], new[key], here)
    return changes


def freeze() -> int:
    SCHEMAS.mkdir(exist_ok=True)
    for name, topic in frozen_topics().items():
        path, schema = SCHEMAS / f"{name}.json", schema_of(topic)
        if path.exists() and (changes := breaking_changes(frozen_schema(name), schema)):
            print(f"{name} has breaking changes; make a new topic instead:", *changes, sep="\n  ", file=sys.stderr)
            return 1
        path.write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(freeze())
