"""One segment again, and a shot before a scene, on the whole running system."""

import secrets
from collections.abc import Iterator

import pytest

from deploy.local.stack import LocalStack
from tests.support.playing import Json, Player, Studio


@pytest.fixture(scope="module")
def player(stack: LocalStack) -> Iterator[Player]:
    player = Player(stack)
    yield player
    player.http.close()


@pytest.fixture(scope="module")
def studio(player: Player) -> Studio:
    """A studio with a finished scene of three segments."""
    studio = player.set_up(name=f"segments-{secrets.token_hex(3)}", segment_count=3)
    studio.scenes.append(player.start_scene(studio, seed=21))
    player.wait("the scene", lambda: player.get(f"/api/scenes/{studio.scenes[0]}")["state"] == "completed")
    return studio


def current(player: Player, studio: Studio) -> list[Json]:
    """The current version of every position."""
    found = player.get(f"/api/scenes/{studio.scenes[0]}")["segments"]
    return sorted((segment for segment in found if segment["is_current"]), key=lambda segment: segment["position"])


def test_one_segment_is_regenerated_alone_and_reverting_restores_its_bytes(player: Player, studio: Studio) -> None:
    before = current(player, studio)
    asked = player.post(f"/api/segments/{before[1]['id']}/regenerate?wait_seconds=60", {"seed": 99})
    after = current(player, studio)
    assert asked["segment"]["id"] == after[1]["id"]
    assert after[1]["previous_segment_id"] == before[1]["id"]
    assert after[1]["clip"]["frame_digest"] != before[1]["clip"]["frame_digest"]
    assert after[1]["seed_image_sha256"] == before[0]["clip"]["last_frame_sha256"]
    assert [after[0]["id"], after[2]["id"]] == [before[0]["id"], before[2]["id"]]
    assert after[2]["is_stale"] is (asked["became_stale"] == 1)

    player.post(f"/api/segments/{before[1]['id']}/revert")
    reverted = current(player, studio)
    assert [segment["clip"] for segment in reverted] == [segment["clip"] for segment in before]
    assert not any(segment["is_stale"] for segment in reverted)


def test_a_test_shot_becomes_the_first_segment_of_a_scene_with_the_same_bytes(player: Player, studio: Studio) -> None:
    shot = player.post(f"/api/scenes/{studio.scenes[0]}/test-shot", {"seed": 7})
    found = player.wait("the shot", lambda: _rendered(player, shot["id"]))
    promoted = player.post(f"/api/test-shots/{shot['id']}/promote", {"scene_id": studio.scenes[0], "override": True})
    first = current(player, studio)[0]
    assert first["clip"]["sha256"] == found["output_video_path"]
    again = player.post(f"/api/test-shots/{shot['id']}/promote", {"scene_id": studio.scenes[0], "override": True})
    assert again["segment_id"] == promoted["segment_id"] == first["id"]


def _rendered(player: Player, shot: int) -> Json | None:
    found = player.get(f"/api/test-shots/{shot}")
    return found if found["output_video_path"] else None
