"""`rushes scene ...`: chains of segments, planned, rendered and looked at."""

import json as json_module
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.table import Table

from services.studio.cli.catalog import named, print_list
from services.studio.cli.client import Client
from services.studio.cli.connection import Target
from services.studio.cli.given import Parameters, Tier, json_object
from services.studio.cli.progress import follow
from services.studio.cli.regression import asset_ids
from services.studio.cli.text import console

Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Number = Annotated[int, typer.Argument(min=1, help="the scene's number")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="follow it to its end")]
EXIT_UNFINISHED = 1
COLUMNS = ("id", "position", "version", "state", "gate_verdict", "quality_score", "review", "marks")
MARKS = {"stale": "is_stale", "locked": "is_locked"}


class WaitFor(StrEnum):
    PASS = "pass"
    WARN = "warn"


def build() -> typer.Typer:
    app = typer.Typer(no_args_is_help=True)

    @app.command(help="Plan a scene with the active versions of these assets, and render it.")
    def create(
        name: str,
        character: Annotated[str, typer.Option(help="name or number")],
        scene_type: Annotated[str, typer.Option(help="name or number")],
        workflow: Annotated[str, typer.Option(help="name of the workflow")],
        lora: str | None = None,
        model: str | None = None,
        segments: Annotated[
            int | None, typer.Option(min=1, max=100, help="how many; the scene type says, unless told here")
        ] = None,
        seed: Annotated[int | None, typer.Option(min=0)] = None,
        parameters: Parameters = "{}",
        tier: Tier = Tier.FULL,
        priority: Annotated[int, typer.Option(min=-100, max=100, help="higher runs first")] = 0,
        paused: Annotated[bool, typer.Option("--paused", help="plan it, and render nothing until resumed")] = False,
        wait_for: Annotated[
            WaitFor | None, typer.Option(help="chain on a segment only when its score is no worse than this")
        ] = None,
        retries: Annotated[int, typer.Option(min=0, max=10, help="other seeds for one whose score is worse")] = 0,
        wait: Wait = False,
    ) -> None:
        if retries and wait_for is None:
            raise typer.BadParameter("--retries needs --wait-for: without it no score decides")
        body: dict[str, Any] = {"name": name, "tier": tier.value, "priority": priority, "paused": paused}
        body["parameters"] = json_object(parameters, "--parameters")
        body |= {} if segments is None else {"segment_count": segments}
        body |= {} if seed is None else {"seed": seed}
        body |= {} if wait_for is None else {"score_gate": {"wait_for": wait_for.value, "retries": retries}}
        with Target.from_environment().client() as client:
            body["character_id"] = named(client, "/api/characters", character)["id"]
            body["scene_type_id"] = named(client, "/api/scene-types", scene_type)["id"]
            body |= asset_ids(client, workflow=workflow, lora=lora, model=model)
            made = client.post("/api/scenes", body)
            print(f"scene {made['id']} {name} is {'planned' if paused else 'being rendered'}")
            if wait:
                follow_scene(client, made["id"])

    @app.command(help="Wait until a scene is rendered, or needs a person; exit code 1 when it is not complete.")
    def watch(scene: Number) -> None:
        with Target.from_environment().client() as client:
            follow_scene(client, scene)

    _add_reading(app)
    return app


def _add_reading(app: typer.Typer) -> None:
    @app.command(help="How far a scene is, segment by segment.")
    def show(scene: Number, json: Json = False) -> None:
        with Target.from_environment().client() as client:
            found = client.get(f"/api/scenes/{scene}")
        if json:
            print(json_module.dumps(found, indent=2))
        else:
            _print_scene(found)

    @app.command(help="Delete a scene with its segments, and stop rendering it.")
    def delete(scene: Number, yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False) -> None:
        with Target.from_environment().client() as client:
            found = client.get(f"/api/scenes/{scene}")
            if not yes:
                typer.confirm(
                    f"Delete scene {scene} {found['name']!r} with its {len(found['segments'])} segments?", abort=True
                )
            client.delete(f"/api/scenes/{scene}")
        print(f"scene {scene} is deleted")

    @app.command(help="How far a scene has moved from its first segment, and at which one it will be beyond its limit.")
    def drift(scene: Annotated[int, typer.Argument(min=1)], json: Json = False) -> None:
        with Target.from_environment().client() as client:
            told = client.get(f"/api/scenes/{scene}/drift")
        if json:
            print(json_module.dumps(told, indent=2))
            return
        for metric in told["metrics"]:
            print(f"{metric['metric']}: {metric['outlook']}")
            for one in metric["values"]:
                print(f"  segment {one['position']}: {one['reason'] or format(one['value'], '.3g')}")

    @app.command(name="list", help="All scenes.")
    def list_scenes(json: Json = False) -> None:
        print_list("/api/scenes", ("id", "name", "character_id", "state", "tier"), json=json)


def _print_scene(found: dict[str, Any]) -> None:
    state = "paused" if found["is_paused"] and found["state"] == "rendering" else found["state"]
    print(f"scene {found['id']} {found['name']}: {', '.join(part for part in (state, found['state_reason']) if part)}")
    if found["hold"] is not None:
        print(f"held at segment {found['hold']['position']}, {found['hold']['state']}: {found['hold']['reason']}")
    table = Table(*("" if name == "marks" else name.replace("_", " ") for name in COLUMNS), box=None)
    for segment in found["segments"]:
        shown = segment | {"marks": ", ".join(word for word, flag in MARKS.items() if segment[flag])}
        table.add_row(*(_cell(shown[name]) for name in COLUMNS))
    console().print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def follow_scene(client: Client, scene: int) -> None:
    """Says how it ended, or what it needs. Raises typer.Exit unless it is complete."""
    told = follow(
        client,
        f"/api/scenes/{scene}/progress",
        what=f"scene {scene}",
        again=f"rushes scene watch {scene}",
        stop=f"rushes queue cancel {scene}",
    )
    if told["state"] == "needs_person":
        segment = client.get(f"/api/scenes/{scene}")["hold"]["segment_id"]
        print(f"scene {scene} is paused: {told['reason']}")
        print(
            f"As it is: rushes queue resume --scene {scene}. Approved: rushes segment approve {segment}. "
            f"Again: rushes segment regenerate {segment}"
        )
        raise typer.Exit(EXIT_UNFINISHED)
    print(f"scene {scene} is {told['outcome']}, {told['done']} of {told['total']} segments {told['reason']}".rstrip())
    if told["outcome"] != "completed":
        print(f"What is missing is rendered by: rushes queue resume --scene {scene}")
        raise typer.Exit(EXIT_UNFINISHED)
