"""Kills of everyone who takes part in a repair neither lose it nor make it twice."""

import secrets
from collections.abc import Iterator

import pytest

from deploy.local.stack import LocalStack
from tests.support.disturbing import Disturber
from tests.support.playing import SMALL, Player

A_BOUNDARY_IS_MEASURED = "SELECT 1 FROM smoothing.boundary_checks WHERE state = 'measuring'"
A_REPAIR_IS_MADE = "SELECT 1 FROM smoothing.boundary_repairs WHERE state = 'making'"
ITS_CANDIDATE_WAITS_FOR_SCORES = "SELECT 1 FROM dispatch.repairs WHERE state = 'scoring'"

SAID_OF_A_REPAIR = """
    SELECT type, payload ->> 'segment_id' AS segment, count(*) FROM (
        SELECT type, payload FROM dispatch.outbox UNION ALL SELECT type, payload FROM smoothing.outbox
    ) AS said WHERE payload ->> 'repair_id' = $1 GROUP BY 1, 2 ORDER BY 1, 2
"""


@pytest.fixture(scope="module")
def player(stack: LocalStack) -> Iterator[Player]:
    player = Player(stack)
    yield player
    player.http.close()


def kill_when(stack: LocalStack, disturber: Disturber, moment: str, service: str) -> None:
    disturber.wait_for(moment)
    stack.kill(service)
    stack.wait_ready([service])


@pytest.mark.long
def test_a_repair_survives_the_kill_of_its_maker_and_of_its_judge(stack: LocalStack, player: Player) -> None:
    disturber = Disturber(stack)
    name = f"disturbed-{secrets.token_hex(3)}"
    studio = player.set_up(name=name, segment_count=2, parameters=SMALL | {"frames": 24})
    scene = player.start_scene(studio, seed=21)
    player.wait("the scene", lambda: player.get(f"/api/scenes/{scene}")["state"] == "completed")
    first = player.boundaries(scene, 1)["segment_id"]
    again = player.post(f"/api/segments/{first}/regenerate", {"seed": 99})["segment"]
    kill_when(stack, disturber, A_BOUNDARY_IS_MEASURED, "smoothing")
    found = player.boundaries(scene, 1)
    assert (found["segment_id"], found["after"]["verdict"]) == (again["id"], "red")

    stack.stop("scoring")
    asked = player.post(
        f"/api/segments/{again['id']}/smooth-boundary", {"position": "after", "method": "frame_blending"}
    )
    kill_when(stack, disturber, A_REPAIR_IS_MADE, "smoothing")
    kill_when(stack, disturber, ITS_CANDIDATE_WAITS_FOR_SCORES, "dispatch")
    stack.start_process("scoring")
    stack.wait_ready(["scoring"])
    ended = player.wait(
        "the decision", lambda: (r := player.get(asked["links"]["self"]))["state"] in ("current", "rejected") and r
    )
    assert (ended["state"], ended["reasons"]) == ("current", [])
    said = [(row["type"], row["count"]) for row in disturber.query(SAID_OF_A_REPAIR, ended["id"])]
    clips = len(ended["clips"])
    expected = [("boundary.smoothed", 1)] + [("segment.activated", 1)] * clips + [("segment.generated", 1)] * clips
    assert said == expected, "each once, however often it was begun"
