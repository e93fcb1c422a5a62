"""`rushes scene ...`: chains of segments, planned, rendered and looked at."""

import json as json_module
from enum import StrEnum
from typing import Annotated, Any

import typer

from services.studio.cli.catalog import named, print_list
from services.studio.cli.client import Client
from services.studio.cli.connection import Target
from services.studio.cli.progress import follow
from services.studio.cli.regression import asset_named

Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Number = Annotated[int, typer.Argument(min=1, help="the scene's number")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="follow it to its end")]
EXIT_UNFINISHED = 1


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
        seed: Annotated[int | None, typer.Option(min=0)] = None,
        wait_for: Annotated[
            WaitFor | None, typer.Option(help="chain on a segment only when its score is no worse than this")
        ] = None,
        retries: Annotated[int, typer.Option(min=0, max=10, help="other seeds for one whose score is worse")] = 0,
        wait: Wait = False,
    ) -> None:
        with Target.from_environment().client() as client:
            body: dict[str, Any] = {
                "name": name,
                "character_id": named(client, "/api/characters", character)["id"],
                "scene_type_id": named(client, "/api/scene-types", scene_type)["id"],
                "workflow_id": asset_named(client, f"workflow:{workflow}")["id"],
            }
            body |= {} if lora is None else {"lora_id": asset_named(client, f"lora:{lora}")["id"]}
            body |= {} if model is None else {"model_id": asset_named(client, f"model:{model}")["id"]}
            body |= {} if seed is None else {"seed": seed}
            body |= {} if wait_for is None else {"score_gate": {"wait_for": wait_for.value, "retries": retries}}
            made = client.post("/api/scenes", body)
            print(f"scene {made['id']} {name} is being rendered")
            if wait:
                follow_scene(client, made["id"])

    @app.command(help="Wait until a scene is rendered, or needs a person; exit code 1 when it is not complete.")
    def watch(scene: Number) -> None:
        with Target.from_environment().client() as client:
            follow_scene(client, scene)

    @app.command(help="How far a scene is, as JSON.")
    def show(scene: Number) -> None:
        with Target.from_environment().client() as client:
            print(json_module.dumps(client.get(f"/api/scenes/{scene}"), indent=2))

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

    return app


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
