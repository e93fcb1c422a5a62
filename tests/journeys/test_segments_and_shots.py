"""One segment again, and a shot before a scene, on the whole running system."""

import secrets
from collections.abc import Iterator

import pytest

from deploy.local.stack import LocalStack
from tests.support.playing import DEADLINE_SECONDS, TINY, Json, Player, Studio, rushes, watching


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


def test_one_segment_is_regenerated_alone_and_reverting_restores_its_bytes(player: Player, studio: Studio) -> None:
    before = player.shown(studio.scenes[0])
    made = player.regenerate(before[1]["id"], {"seed": 99})
    after = player.shown(studio.scenes[0])
    assert made["id"] == after[1]["id"]
    assert after[1]["previous_segment_id"] == before[1]["id"]
    assert after[1]["clip"]["frame_digest"] != before[1]["clip"]["frame_digest"]
    assert after[1]["seed_image_sha256"] == before[0]["clip"]["last_frame_sha256"]
    assert [after[0]["id"], after[2]["id"]] == [before[0]["id"], before[2]["id"]]
    assert after[2]["is_stale"] is (len(made["activation"]["became_stale"]) == 1)

    player.post(f"/api/segments/{before[1]['id']}/revert")
    reverted = player.shown(studio.scenes[0])
    assert [segment["clip"] for segment in reverted] == [segment["clip"] for segment in before]
    assert not any(segment["is_stale"] for segment in reverted)


def test_a_scene_that_waits_for_scores_hears_them_from_scoring(player: Player, stack: LocalStack) -> None:
    pair = player.set_up(name=f"gate-{secrets.token_hex(3)}", segment_count=2)
    stack.stop("scoring")
    scene = player.start_scene(pair, seed=5, score_gate={"wait_for": "warn", "retries": 1})
    hold = player.wait("the scene to be held", lambda: player.get(f"/api/scenes/{scene}")["hold"])
    assert (hold["state"], hold["position"]) == ("waiting", 1)
    with watching(stack, "scene", "watch", str(scene)) as watched:
        assert watched.stderr is not None
        assert any("waits for its score" in line for line in watched.stderr)
        stack.start_process("scoring")
        said, problems = watched.communicate(timeout=DEADLINE_SECONDS)
    assert watched.returncode == 0, said + problems
    first, second = player.shown(scene)
    assert first["gate_verdict"] in ("pass", "warn") and second["gate_verdict"] in ("pass", "warn")
    assert first["gates"].keys() >= {"sharpness", "flicker"}
    assert second["seed_image_sha256"] == first["clip"]["last_frame_sha256"]


def test_regenerating_one_of_ten_segments_renders_exactly_one(player: Player, stack: LocalStack) -> None:
    """Counted at the render server; what was saved is in the usage, and the command shows how it went."""
    ten = player.set_up(name=f"ten-{secrets.token_hex(3)}", parameters=TINY, segment_count=10)
    scene = player.start_scene(ten, seed=3, tier="draft")
    watched = rushes(stack, "scene", "watch", str(scene))
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert f"scene {scene} is completed, 10 of 10 segments" in watched.stdout
    before, rendered = player.shown(scene), player.prompts()
    assert {segment["prompt_id"] for segment in before} <= rendered

    fifth = before[4]["id"]
    asked = rushes(stack, "segment", "regenerate", str(fifth), "--seed", "8", "--wait", "--yes")
    assert asked.returncode == 0, asked.stdout + asked.stderr
    after = player.shown(scene)
    assert player.prompts() - rendered == {after[4]["prompt_id"]}
    assert after[4]["previous_segment_id"] == fifth
    assert [s["id"] for s in after if s["position"] != 5] == [s["id"] for s in before if s["position"] != 5]
    saved = player.get("/api/usage", project_id=ten.project)["saved_by_regeneration"]
    others = [segment["render_seconds"] for segment in before if segment["position"] != 5]
    assert saved == {"segments": 9, "render_seconds": pytest.approx(sum(others))}


def test_a_test_shot_becomes_the_first_segment_of_a_scene_with_the_same_bytes(player: Player, studio: Studio) -> None:
    shot = player.post(f"/api/scenes/{studio.scenes[0]}/test-shot", {"seed": 7})
    found = player.wait("the shot", lambda: _rendered(player, shot["id"]))
    promoted = player.post(f"/api/test-shots/{shot['id']}/promote", {"scene_id": studio.scenes[0], "override": True})
    first = player.shown(studio.scenes[0])[0]
    assert first["clip"]["sha256"] == found["output_video_path"]
    again = player.post(f"/api/test-shots/{shot['id']}/promote", {"scene_id": studio.scenes[0], "override": True})
    assert again["segment_id"] == promoted["segment_id"] == first["id"]


def _rendered(player: Player, shot: int) -> Json | None:
    found = player.get(f"/api/test-shots/{shot}")
    return found if found["output_video_path"] else None
