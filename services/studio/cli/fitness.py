"""Which render server lacks what for an asset version: said right after it was published.

Catalog checks what the version itself says; what the servers have is dispatch's to know, and services do not ask each
other. Dispatch hears of the publication, asks its servers and answers here.
"""

import time
from typing import Any

from services.studio.cli.client import ApiProblem, Client

POLL_SECONDS = 0.5
HEARD_LOOKS = 20
"""So often is asked before a publication that dispatch has not heard of is given up: ten seconds."""

LACKING_LOOKS = 6
"""So often is looked again when something is lacking: a file copied a moment ago shows up within three seconds."""

NOT_FOUND = 404


def await_fitness(client: Client, version: int) -> list[dict[str, Any]] | None:
    """Of every server; None when dispatch has not heard of the version yet."""
    found: list[dict[str, Any]] | None = None
    for look in range(HEARD_LOOKS):
        try:
            found = client.get(f"/api/asset-versions/{version}/fitness")["items"]
        except ApiProblem as problem:
            if problem.status != NOT_FOUND:
                raise
        if found is not None and (look >= LACKING_LOOKS or not any(one["lacks"] for one in found)):
            break
        time.sleep(POLL_SECONDS)
    return found


def fitness_lines(found: list[dict[str, Any]] | None) -> list[str]:
    """For people."""
    if found is None:
        return ["the render servers were not compared yet; `rushes asset check` tells later"]
    if not found:
        return ["no render server is known yet, so none was compared"]
    return [_line(one) for one in found]


def _line(one: dict[str, Any]) -> str:
    if one["lacks"]:
        return f"render server {one['server']} lacks {', '.join(one['lacks'])}"
    if not one["is_known"]:
        return f"render server {one['server']} ({one['state']}) has not said what it has"
    return f"render server {one['server']} ({one['state']}) has all it needs"
