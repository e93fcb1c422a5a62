"""The main job on the whole running system, over the public API alone: the verdicts come out of the pixels."""

import secrets
from collections.abc import Iterator

import pytest

from deploy.local.stack import LocalStack
from tests.support.playing import DRIFTING, HARMLESS, MILD, Json, Player, Studio, metric, prompt_ids, verdicts


@pytest.fixture(scope="module")
def player(stack: LocalStack) -> Iterator[Player]:
    player = Player(stack)
    yield player
    player.http.close()


@pytest.fixture(scope="module")
def studio(player: Player) -> Studio:
    """A studio with one reference, its baseline captured."""
    studio = player.set_up(name=f"journey-{secrets.token_hex(3)}")
    player.make_reference(studio, seed=11)
    return studio


@pytest.fixture(scope="module")
def degraded(player: Player, studio: Studio) -> Json:
    """The report of the run that a drifting LoRA version triggered by being published."""
    version = player.publish(studio, f"{studio.lora}-drifting", DRIFTING)
    return player.report(player.run_of_version(version["id"])["id"])


def test_a_drifting_version_is_found_degraded_without_anybody_asking(degraded: Json) -> None:
    assert degraded["run"]["trigger_type"] == "lora_update"
    assert degraded["run"]["outcome"] == "degraded"
    (reference,) = degraded["references"]
    worst = reference["worst"]
    assert reference["verdict"] == "degraded"
    assert worst["metric"]
    assert worst["position"] in {1, 2}
    assert worst["frame"] is not None
    assert abs(worst["delta"]) > worst["limit"]
    assert worst["new"] == pytest.approx(worst["baseline"] + worst["delta"])


def test_the_report_says_that_the_face_was_compared_without_recognising_it(degraded: Json) -> None:
    assert degraded["identity_backend"]["is_identity"] is False
    assert degraded["identity_backend"]["notice"]
    assert all(found["veto"] for found in metric(degraded, "identity_similarity"))


def test_a_rollback_is_proven_by_rendering_again(player: Player, studio: Studio, degraded: Json) -> None:
    run = degraded["run"]["id"]
    player.post(f"/api/regression/runs/{run}/rollback")
    proven = player.wait("the proof", lambda: _settled_rollback(player, run))
    assert proven["state"] == "proven", proven
    proof = player.report(proven["proof_run_id"])
    assert verdicts(proof) == ["same"]
    assert prompt_ids(proof).isdisjoint(prompt_ids(degraded))
    active = player.get(f"/api/assets/{studio.lora}")["active_version"]
    assert active["id"] == studio.versions[0]["id"]


def _settled_rollback(player: Player, run: int) -> Json | None:
    rollback = player.get(f"/api/regression/runs/{run}/report")["run"]["rollback"]
    return rollback if rollback["state"] in {"proven", "not_proven", "rejected", "failed"} else None


def test_an_unchanged_reference_rendered_again_is_the_same_and_was_really_rendered(
    player: Player, studio: Studio
) -> None:
    first, second = (
        player.report(player.post("/api/regression/run", {"reference_ids": studio.references})["id"]) for _ in range(2)
    )
    assert verdicts(first) == verdicts(second) == ["same"]
    assert prompt_ids(first).isdisjoint(prompt_ids(second))
    assert all(found["delta"] == 0 for found in metric(second, "sharpness"))


def test_a_harmless_version_passes_and_becomes_the_new_baseline(player: Player, studio: Studio) -> None:
    version = player.publish(studio, f"{studio.lora}-harmless", HARMLESS)
    report = player.report(player.run_of_version(version["id"])["id"])
    assert report["run"]["outcome"] == "passed", report["run"]["reason"]
    (reference,) = studio.references
    before = player.get(f"/api/regression/references/{reference}")
    player.post(f"/api/regression/runs/{report['run']['id']}/accept")
    after = player.wait("the new baseline", lambda: _with_newer_baseline(player, reference, before))
    locked = {asset["kind"]: asset["version_id"] for asset in after["assets"]}
    assert locked["lora"] == version["id"]


def _with_newer_baseline(player: Player, reference: int, before: Json) -> Json | None:
    found = player.get(f"/api/regression/references/{reference}")
    newest = found["baselines"][-1]
    is_newer = newest["version"] > before["baselines"][-1]["version"] and newest["status"] == "ready"
    return found if is_newer else None


def test_a_newer_update_during_a_run_lets_both_finish_and_the_older_says_superseded(
    player: Player, studio: Studio
) -> None:
    with player.held_queue():
        versions = [
            player.publish(studio, f"{studio.lora}-{name}", MILD | {"detail": detail})
            for name, detail in (("older", [0.06, 0.02]), ("newer", [0.05, 0.03]))
        ]
        older, newer = (player.run_of_version(version["id"])["id"] for version in versions)
        assert player.get(f"/api/regression/runs/{older}/report")["run"]["superseded_by_run_id"] == newer
    ended = [player.report(run)["run"] for run in (older, newer)]
    assert [(run["status"], run["superseded"]) for run in ended] == [("completed", True), ("completed", False)]


def test_a_rollback_never_undoes_a_newer_version(player: Player, studio: Studio, degraded: Json) -> None:
    active = player.get(f"/api/assets/{studio.lora}")["active_version"]["id"]
    answer = player.http.post(f"/api/regression/runs/{degraded['run']['id']}/rollback", json={"force": True})
    if answer.status_code < 400:
        player.wait("the refusal", lambda: _settled_rollback(player, degraded["run"]["id"]))
    assert player.get(f"/api/assets/{studio.lora}")["active_version"]["id"] == active


def test_a_second_reference_for_the_same_scene_is_refused(player: Player, studio: Studio) -> None:
    answer = player.http.post("/api/regression/references", json={"scene_id": studio.scenes[0]})
    assert answer.status_code == 409
    assert str(studio.references[0]) in answer.json()["detail"]


def test_a_character_deleted_during_a_run_ends_it_and_the_report_says_so(player: Player) -> None:
    studio = player.set_up(name=f"leaving-{secrets.token_hex(3)}")
    player.make_reference(studio, seed=5)
    with player.held_queue():
        run = player.post("/api/regression/run", {"reference_ids": studio.references})["id"]
        player.delete(f"/api/characters/{studio.character}")
        report = player.report(run)
    (gone,) = report["run"]["gone"]
    assert gone["reference_id"] == studio.references[0]
    assert "character" in gone["reason"]
    assert player.http.get(f"/api/regression/references/{studio.references[0]}").status_code == 404
