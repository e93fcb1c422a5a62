"""`rushes test-shot ...`: short shots, batches of them, and their promotion."""

import json as json_module
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from services.studio.cli.catalog import named
from services.studio.cli.client import Client
from services.studio.cli.connection import Target
from services.studio.cli.given import Parameters, Tier, json_file, json_object
from services.studio.cli.progress import follow
from services.studio.cli.regression import asset_ids
from services.studio.cli.text import console

Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Number = Annotated[int, typer.Argument(min=1)]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="follow it to its end")]
Seed = Annotated[int | None, typer.Option(min=0)]
Workflow = Annotated[str | None, typer.Option(help="name of a workflow")]
Lora = Annotated[str | None, typer.Option(help="name of a LoRA")]
Model = Annotated[str | None, typer.Option(help="name of a model")]
EXIT_UNFINISHED = 1
LARGEST_PAGE = 200
COLUMNS = ("id", "character_id", "cell_name", "state", "quality_score", "is_promoted", "created_by_id", "created_at")


class Sort(StrEnum):
    DATE = "date"
    CHARACTER = "character"
    QUALITY = "quality"


def build() -> typer.Typer:
    app = typer.Typer(no_args_is_help=True)
    _add_making(app)
    _add_batches(app)
    _add_reading(app)
    return app


def _add_making(app: typer.Typer) -> None:
    @app.command(help="Render two or three seconds of a scene's first segment, with what is named otherwise.")
    def make(
        scene: Number,
        workflow: Workflow = None,
        lora: Lora = None,
        model: Model = None,
        tier: Tier | None = None,
        seed: Seed = None,
        prompt: str | None = None,
        cfg: float | None = None,
        parameters: Parameters = "{}",
        wait: Wait = False,
    ) -> None:
        otherwise = _otherwise(parameters, tier=tier, seed=seed, prompt=prompt, cfg=cfg)
        with Target.from_environment().client() as client:
            body = asset_ids(client, workflow=workflow, lora=lora, model=model) | otherwise
            _rendered(client, client.post(f"/api/scenes/{scene}/test-shot", body), wait=wait)

    @app.command(help="Render two or three seconds of a character in a kind of scene, before there is a scene.")
    def new(
        character: Annotated[str, typer.Option(help="name or number")],
        scene_type: Annotated[str, typer.Option(help="name or number")],
        workflow: Annotated[str, typer.Option(help="name of the workflow")],
        lora: Lora = None,
        model: Model = None,
        tier: Tier | None = None,
        seed: Seed = None,
        prompt: str | None = None,
        cfg: float | None = None,
        parameters: Parameters = "{}",
        wait: Wait = False,
    ) -> None:
        otherwise = _otherwise(parameters, tier=tier, seed=seed, prompt=prompt, cfg=cfg)
        with Target.from_environment().client() as client:
            body = {
                "character_id": named(client, "/api/characters", character)["id"],
                "scene_type_id": named(client, "/api/scene-types", scene_type)["id"],
            }
            body |= asset_ids(client, workflow=workflow, lora=lora, model=model) | otherwise
            _rendered(client, client.post("/api/test-shots", body), wait=wait)

    @app.command(help="Make a shot the first segment of a scene.")
    def promote(
        shot: Number,
        scene: Annotated[int, typer.Option(min=1)],
        override: Annotated[bool, typer.Option(help="although it was made with something else")] = False,
    ) -> None:
        with Target.from_environment().client() as client:
            client.post(f"/api/test-shots/{shot}/promote", {"scene_id": scene, "override": override})
        print(f"test shot {shot} is segment 1 of scene {scene}")


def _add_batches(app: typer.Typer) -> None:
    @app.command(help="Every character with every configuration; the file is the JSON body of /api/test-shots/batch.")
    def batch(
        file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
        plan_only: Annotated[bool, typer.Option("--plan", help="show the plan and render nothing")] = False,
        wait: Wait = False,
        json: Json = False,
    ) -> None:
        body = json_file(file)
        with Target.from_environment().client() as client:
            plan = client.post("/api/test-shots/batch", body | ({"only_plan": True} if plan_only else {}))
            if json:
                print(json_module.dumps(plan, indent=2))
            else:
                _print_plan(plan)
            if wait and plan["batch_id"] is not None:
                _follow_batch(client, plan["batch_id"])

    @app.command(name="watch-batch", help="Wait until a batch is rendered.")
    def watch_batch(batch: Number) -> None:
        with Target.from_environment().client() as client:
            _follow_batch(client, batch)

    @app.command(name="cancel-batch", help="Stop what is not finished of a batch; finished shots stay.")
    def cancel_batch(batch: Number) -> None:
        with Target.from_environment().client() as client:
            told = client.post(f"/api/test-shots/batches/{batch}/cancel")
        print(f"batch {batch}: {told['completed']} completed, {told['cancelled']} cancelled")


def _add_reading(app: typer.Typer) -> None:
    @app.command(name="list", help="The gallery: by date, character or quality.")
    def list_shots(
        sort: Sort = Sort.DATE,
        scene_type: Annotated[str | None, typer.Option(help="name or number")] = None,
        character: Annotated[str | None, typer.Option(help="name or number")] = None,
        workflow: Workflow = None,
        lora: Lora = None,
        creator: Annotated[str | None, typer.Option(help="who made it")] = None,
        promoted: Annotated[bool | None, typer.Option("--promoted/--not-promoted")] = None,
        limit: Annotated[int, typer.Option(min=1, max=10_000)] = 20,
        json: Json = False,
    ) -> None:
        with Target.from_environment().client() as client:
            wanted = asset_ids(client, workflow=workflow, lora=lora, model=None)
            wanted |= {"sort": sort.value, "creator": creator}
            wanted |= {} if promoted is None else {"promoted": str(promoted).lower()}
            for name, path, given in (
                ("scene_type_id", "/api/scene-types", scene_type),
                ("character_id", "/api/characters", character),
            ):
                wanted |= {} if given is None else {name: named(client, path, given)["id"]}
            pages = client.items("/api/test-shots/gallery", limit=min(limit, LARGEST_PAGE), **wanted)
            items = list(islice(pages, limit))
        if json:
            print(json_module.dumps(items, indent=2))
            return
        table = Table(*COLUMNS, box=None)
        for item in items:
            table.add_row(*("" if item[name] is None else str(item[name]) for name in COLUMNS))
        console().print(table)

    @app.command(help="What differs between two shots.")
    def pair(first: Number, second: Number) -> None:
        with Target.from_environment().client() as client:
            found = client.get("/api/test-shots/pair", first=first, second=second)
        table = Table("", f"shot {first}", f"shot {second}", box=None)
        for one in found["differences"]:
            table.add_row(one["name"], str(one["first"]), str(one["second"]))
        for name in ("quality_score", "gate_verdict", "render_seconds"):
            table.add_row(name, str(found["first"][name]), str(found["second"][name]))
        console().print(table)


def _print_plan(plan: dict[str, Any]) -> None:
    unknown = f", {plan['unknown_cells']} of unknown length" if plan["unknown_cells"] else ""
    print(f"{len(plan['cells'])} shots, {plan['render_minutes']} render minutes{unknown}")
    if plan["cells"] and plan["finish_at"]:
        print(f"ready at about {plan['finish_at']}")
    for one in plan["skipped"]:
        print(f"skipped: character {one['character_id']}, {one['configuration']}: {one['reason']}")
    if plan["batch_id"] is not None:
        print(f"batch {plan['batch_id']}")


def _otherwise(
    parameters: str, *, tier: Tier | None, seed: int | None, prompt: str | None, cfg: float | None
) -> dict[str, Any]:
    named = {name: value for name, value in (("prompt", prompt), ("cfg", cfg)) if value is not None}
    body: dict[str, Any] = {"parameters": json_object(parameters, "--parameters") | named}
    body |= {} if tier is None else {"tier": tier.value}
    return body | ({} if seed is None else {"seed": seed})


def _rendered(client: Client, shot: dict[str, Any], *, wait: bool) -> None:
    """Says what became of it. Raises typer.Exit when it was waited for and is not there."""
    if wait:
        _follow_shot(client, shot)
        shot = client.get(f"/api/test-shots/{shot['id']}")
    print(f"test shot {shot['id']} is {shot['state']} {shot['state_reason']}".rstrip())
    if wait and shot["state"] != "completed":
        raise typer.Exit(EXIT_UNFINISHED)


def _follow_shot(client: Client, shot: dict[str, Any]) -> None:
    follow(
        client,
        f"/api/scenes/{shot['render_scene_id']}/progress",
        what=f"test shot {shot['id']}",
        again="rushes test-shot list",
        stop=f"rushes queue cancel {shot['render_scene_id']}",
    )


def _follow_batch(client: Client, batch: int) -> None:
    """Raises typer.Exit unless every shot is there."""
    told = follow(
        client,
        f"/api/test-shots/batches/{batch}/progress",
        what=f"batch {batch}",
        again=f"rushes test-shot watch-batch {batch}",
        stop=f"rushes test-shot cancel-batch {batch}",
    )
    print(f"batch {batch}: {told['reason']}")
    if told["outcome"] != "completed":
        raise typer.Exit(EXIT_UNFINISHED)
