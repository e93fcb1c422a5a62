"""Kills, outages and restarts in the middle of runs change nothing that a person sees."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from deploy.local.stack import LocalStack
from tests.support.disturbing import (
    AT_THE_SERVER,
    Disturber,
    Kill,
    adoption_problems,
    differences,
    outcome_of,
    plan_kills,
)
from tests.support.playing import DRIFTING, Json, Player, Studio, prompt_ids
from tests.support.standin import HELD_SECONDS

SEED = 20261121
REFERENCES = 4
OUTAGE_SECONDS = 20.0
SMALLEST = {"width": 192, "height": 192, "frames": 8, "fps": 8, "steps": 4, "cfg": 6.0, "prompt": "Ada at dawn"}
RENDER_SECONDS = 0.6
"""Added to every render, so that there is time to be killed in."""


@dataclass
class Campaign:
    """Four references, a version that degrades them, and how a run of it ends when nothing goes wrong."""

    stack: LocalStack
    player: Player
    disturber: Disturber
    studio: Studio
    version: int
    undisturbed: dict[str, Any]
    prompts: set[str]

    def start(self) -> int:
        return self.player.start_run(self.studio.lora, self.version)

    def check(self, run: int) -> Json:
        """The run ended as the undisturbed one did, with renders of its own."""
        report = self.player.report(run)
        assert differences(self.undisturbed, outcome_of(self.player, report)) == {}
        assert report["run"]["outcome"] == "degraded"
        fresh = prompt_ids(report)
        assert len(fresh) == REFERENCES * 2
        assert fresh.isdisjoint(self.prompts)
        self.prompts |= fresh
        wrong = [job for job in adoption_problems(self.disturber) if (job["adopted"], job["said"]) != (1, 1)]
        assert wrong == []
        return report


@pytest.fixture(scope="module")
def campaign(stack: LocalStack) -> Iterator[Campaign]:
    player, disturber = Player(stack), Disturber(stack)
    studio = player.set_up(name=f"faults-{secrets.token_hex(3)}", parameters=SMALLEST)
    player.make_references(studio, seeds=range(100, 100 + REFERENCES))
    version = player.publish(studio, f"{studio.lora}-drifting", DRIFTING)["id"]
    report = player.report(player.run_of_version(version)["id"])
    faults(stack, extra_seconds=RENDER_SECONDS)
    yield Campaign(stack, player, disturber, studio, version, outcome_of(player, report), prompt_ids(report))
    faults(stack, extra_seconds=0)
    player.http.close()


def faults(stack: LocalStack, **wanted: Any) -> None:
    """Tell the stand-in what to do wrong."""

    httpx.post(f"{stack.site.render_servers()[0]}/standin/faults", json=wanted, timeout=60).raise_for_status()


def kill_through(campaign: Campaign, planned: list[Kill]) -> list[Kill]:
    """Carry out every planned kill, as its moment comes, in one run after another; check every run."""
    done: list[Kill] = []
    while planned:
        run = campaign.start()
        while planned and (kill := campaign.disturber.kill_at_next(planned, run=run)) is not None:
            planned.remove(kill)
            done.append(kill)
        campaign.check(run)
    return done


def test_six_kills_in_different_states_change_nothing(campaign: Campaign) -> None:
    kills = kill_through(campaign, plan_kills(seed=SEED, per_service=2))
    assert len(set(kills)) == 6


def test_a_kafka_outage_of_twenty_seconds_changes_nothing(campaign: Campaign) -> None:
    run = campaign.start()
    campaign.disturber.wait_for(AT_THE_SERVER)
    campaign.stack.stop("kafka")
    time.sleep(OUTAGE_SECONDS)
    campaign.stack.start_process("kafka")
    campaign.check(run)


def test_a_postgres_restart_changes_nothing(campaign: Campaign) -> None:
    run = campaign.start()
    campaign.disturber.wait_for(AT_THE_SERVER)
    campaign.stack.restart("postgres")
    campaign.stack.wait_ready()
    campaign.check(run)


def test_a_stand_in_that_restarts_and_loses_its_queue_changes_nothing(campaign: Campaign) -> None:
    faults(campaign.stack, extra_seconds=HELD_SECONDS)
    run = campaign.start()
    campaign.disturber.wait_for(AT_THE_SERVER)
    campaign.stack.kill("comfyui_standin")
    campaign.stack.wait_ready(["comfyui_standin"])
    faults(campaign.stack, extra_seconds=RENDER_SECONDS)
    campaign.check(run)
    lost = campaign.disturber.query("SELECT count(*) AS n FROM dispatch.generation_attempts WHERE state = 'lost'")
    assert lost[0]["n"] >= 1


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_two_dozen_kills_change_nothing(campaign: Campaign, pytestconfig: pytest.Config) -> None:
    """Records what it hit in bench/results/faults.md."""
    started = time.monotonic()
    kills = kill_through(campaign, plan_kills(seed=SEED + 1, per_service=8))
    assert len(kills) == 24
    lines = [
        "# Two dozen kills during regression runs",
        "",
        f"`make faults`, seed {SEED + 1}: every run ended with the verdicts, frames and numbers",
        f"of an undisturbed one; {len(kills)} SIGKILLs in {time.monotonic() - started:.0f} s.",
        "",
        "| # | service | killed when |",
        "|---|---|---|",
        *(f"| {number} | {kill.service} | {kill.moment} |" for number, kill in enumerate(kills, start=1)),
        "",
    ]
    (pytestconfig.rootpath / "bench" / "results" / "faults.md").write_text("\n".join(lines))
