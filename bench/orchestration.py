"""What orchestration costs: a regression run against the least time its renders could take.

With a constant render time T on W servers, R references of S chained segments need at least max(S, ceil(R S / W)) T.
The claim: a run takes at most 1.15 times that, from asking for it to its verdict.
"""

import json
import math
import sys
from datetime import datetime
from pathlib import Path

import httpx

from deploy.local.stack import LocalStack
from tests.support.infrastructure import free_port, short_home
from tests.support.playing import Player

RENDER_SECONDS = 10.0
SERVERS, REFERENCES, SEGMENTS = 4, 5, 3
LIMIT = 1.15
SMALL = {"width": 128, "height": 128, "frames": 8, "fps": 8, "steps": 2, "cfg": 6.0, "prompt": "Ada at dawn"}
RESULT = Path(__file__).with_name("results") / "orchestration.json"
PROCESSES = (
    "kafka",
    "kafka_controller",
    "standin",
    "catalog",
    "dispatch",
    "scoring",
    "smoothing",
    "regression",
    "studio",
)


def main() -> None:
    with short_home() as home:
        ports = {f"RUSHES_PORT_{name.upper()}": str(free_port()) for name in PROCESSES}
        stack = LocalStack(home, ports | {"RUSHES_STANDINS": str(SERVERS)}, attached=True)
        try:
            stack.start()
            stack.wait_ready()
            record(measure(Player(stack)))
        finally:
            stack.down()


def measure(player: Player) -> dict[str, float]:
    studio = player.set_up(name="bench", parameters=SMALL, segment_count=SEGMENTS)
    player.make_references(studio, seeds=range(REFERENCES))
    for server in player.stack.site.render_servers():
        httpx.post(f"{server}/standin/faults", json={"constant_render_s": RENDER_SECONDS}).raise_for_status()
    run = player.post("/api/regression/run", {"reference_ids": studio.references})["id"]
    report = player.report(run, seconds=10 * RENDER_SECONDS * SEGMENTS * REFERENCES)
    created, completed = (datetime.fromisoformat(report["run"][name]) for name in ("created_at", "completed_at"))
    least = max(SEGMENTS, math.ceil(REFERENCES * SEGMENTS / SERVERS)) * RENDER_SECONDS
    taken = (completed - created).total_seconds()
    return {"least_seconds": least, "taken_seconds": round(taken, 2), "ratio": round(taken / least, 3)}


def record(measured: dict[str, float]) -> None:
    setting = {
        "servers": SERVERS,
        "references": REFERENCES,
        "segments": SEGMENTS,
        "render_seconds": RENDER_SECONDS,
        "limit": LIMIT,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(setting | measured, indent=1) + "\n")
    print(json.dumps(measured))
    if measured["ratio"] > LIMIT:
        sys.exit(f"the run took {measured['ratio']} times the least possible; the limit is {LIMIT}")


if __name__ == "__main__":
    main()
