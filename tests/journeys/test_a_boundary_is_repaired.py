"""A regenerated segment no longer joins what follows: seen by itself, repaired when somebody asks, scored, undone."""

import secrets
from collections.abc import Iterator

import pytest

from deploy.local.stack import LocalStack
from tests.support.playing import SMALL, Json, Player, rushes


@pytest.fixture(scope="module")
def player(stack: LocalStack) -> Iterator[Player]:
    player = Player(stack)
    yield player
    player.http.close()


@pytest.fixture(scope="module")
def scene(player: Player) -> int:
    """A finished scene of three segments of two seconds."""
    name = f"boundaries-{secrets.token_hex(3)}"
    studio = player.set_up(name=name, segment_count=3, parameters=SMALL | {"frames": 24})
    scene = player.start_scene(studio, seed=21)
    player.wait("the scene", lambda: player.get(f"/api/scenes/{scene}")["state"] == "completed")
    return scene


def repaired(player: Player, segment: int, **wish: str) -> Json:
    """A repair, once it is decided."""
    told = player.post(f"/api/segments/{segment}/smooth-boundary", wish)

    def look() -> Json | None:
        repair = player.get(told["links"]["self"])
        return repair if repair["state"] in ("current", "rejected") else None

    found: Json = player.wait("the decision on the repair", look)
    return found


def test_a_chain_joins_and_a_segment_with_another_seed_does_not(player: Player, scene: int) -> None:
    chain = player.shown(scene)
    joined = player.boundaries(scene, 2)
    assert [joined[end]["verdict"] for end in ("before", "after")] == ["green", "green"]

    asked = player.regenerate(chain[1]["id"], {"seed": 99})
    found = player.boundaries(scene, 2)
    assert found["segment_id"] == asked["id"]
    assert (found["before"]["verdict"], found["after"]["verdict"]) == ("green", "red")
    assert found["needs_smoothing"] is True

    def shown() -> bool:
        segment = player.get(f"/api/segments/{asked['id']}")
        numbers = [segment["boundary_ssim_before"], segment["boundary_ssim_after"]]
        return bool(numbers == [found["boundary_ssim_before"], found["boundary_ssim_after"]])

    player.wait("dispatch to show the numbers", shown)

    def told() -> bool:
        feed = player.get("/api/activity", subject=f"scene:{scene}")["items"]
        return any(line["kind"] == "boundary_red" for line in feed)

    player.wait("the activity feed to tell of it", told)
    assert player.shown(scene)[1]["id"] == asked["id"], "nothing is repaired unasked"


def test_a_boundary_that_does_not_show_is_not_repaired_and_says_so_with_numbers(player: Player, scene: int) -> None:
    segment = player.shown(scene)[1]
    refused = repaired(player, segment["id"], position="before", method="frame_blending")
    assert (refused["state"], refused["rejected_by"], refused["clips"]) == ("rejected", "smoothing", [])
    assert "nothing to repair" in refused["reasons"][0]
    assert refused["before"]["ssim"] == player.boundaries(scene, 2)["boundary_ssim_before"]
    assert player.shown(scene)[1]["id"] == segment["id"]


def test_the_repair_that_was_asked_for_is_scored_becomes_current_and_can_be_undone(player: Player, scene: int) -> None:
    before = player.shown(scene)
    repair = repaired(player, before[1]["id"], position="after", method="frame_blending")
    assert (repair["state"], repair["reasons"]) == ("current", [])
    assert repair["after"]["worst_visibility"] < repair["before"]["worst_visibility"]
    assert repair["after"]["ssim"] > repair["before"]["ssim"]
    after = player.shown(scene)
    replaced, changed = zip(*((a, b) for a, b in zip(before, after, strict=True) if a["id"] != b["id"]), strict=True)
    assert [clip["clip_sha256"] for clip in repair["clips"]] == [segment["clip"]["sha256"] for segment in changed]
    for segment in changed:
        assert player.get(f"/api/segments/{segment['id']}/scores")["items"], "it was scored before it became current"
    assert player.boundaries(scene, 2)["needs_smoothing"] is False

    undone = player.post(repair["links"]["undo"])
    assert [one["id"] for one in undone["segments"]] == [old["id"] for old in replaced]
    player.wait("smoothing to hear of it", lambda: player.get(repair["links"]["self"])["state"] == "undone")
    assert [segment["clip"] for segment in player.shown(scene)] == [segment["clip"] for segment in before]
    assert player.boundaries(scene, 2)["after"]["verdict"] == "red"


def test_the_command_line_shows_a_boundary_and_why_a_repair_is_refused(
    stack: LocalStack, player: Player, scene: int
) -> None:
    segment = str(player.shown(scene)[1]["id"])
    shown = rushes(stack, "segment", "boundary", segment, "--wait")
    assert shown.returncode == 0, shown.stderr
    assert "before: green" in shown.stdout and "after: red" in shown.stdout
    refused = rushes(stack, "segment", "smooth", segment, "--position", "before", "--method", "blend", "--wait")
    assert refused.returncode == 1, refused.stderr
    assert "is rejected" in refused.stdout and "nothing to repair" in refused.stdout


def test_a_boundary_is_accepted_as_it_is(player: Player, scene: int) -> None:
    segment = player.shown(scene)[1]
    shown = player.boundaries(scene, 2)
    player.post(f"/api/segments/{segment['id']}/smooth-boundary", {"position": "after", "method": "accept"})
    accepted = player.boundaries(scene, 2)
    assert (shown["needs_smoothing"], accepted["needs_smoothing"]) == (True, False)
    assert accepted["after"]["accepted_by"] and accepted["after"]["reading"] == shown["after"]["reading"]


def test_nothing_of_it_ended_as_a_dead_letter(stack: LocalStack, player: Player, scene: int) -> None:
    listed = rushes(stack, "dead-letters", "list")
    assert (listed.returncode, listed.stdout.strip()) == (0, "no dead letters"), scene
