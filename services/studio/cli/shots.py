"""`rushes test-shot ...`: short shots, batches of them, and their promotion."""

import json as json_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from services.studio.cli.client import Client
from services.studio.cli.connection import Target
from services.studio.cli.progress import follow
from services.studio.cli.text import console

Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Number = Annotated[int, typer.Argument(min=1)]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="follow it to its end")]
EXIT_UNFINISHED = 1
COLUMNS = ("id", "character_id", "cell_name", "state", "quality_score", "is_promoted", "created_by_id", "created_at")


def build() -> typer.Typer:
    app = typer.Typer(no_args_is_help=True)
    _add_making(app)
    _add_batches(app)
    _add_reading(app)
    return app


def _add_making(app: typer.Typer) -> None:
    @app.command(help="Render two or three seconds of a scene's first segment.")
    def make(
        scene: Number,
        seed: Annotated[int | None, typer.Option(min=0)] = None,
        prompt: Annotated[str | None, typer.Option()] = None,
        cfg: Annotated[float | None, typer.Option()] = None,
        wait: Wait = False,
    ) -> None:
        body: dict[str, Any] = {"parameters": {k: v for k, v in (("prompt", prompt), ("cfg", cfg)) if v is not None}}
        if seed is not None:
            body["seed"] = seed
        with Target.from_environment().client() as client:
            shot = client.post(f"/api/scenes/{scene}/test-shot", body)
            if wait:
                _follow_shot(client, shot)
                shot = client.get(f"/api/test-shots/{shot['id']}")
        print(f"test shot {shot['id']} is {shot['state']} {shot['state_reason']}".rstrip())
        if wait and shot["state"] != "completed":
            raise typer.Exit(EXIT_UNFINISHED)

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
        body = json_module.loads(file.read_text())
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
        sort: Annotated[str, typer.Option(help="date, character or quality")] = "date",
        limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
        json: Json = False,
    ) -> None:
        with Target.from_environment().client() as client:
            items = client.get("/api/test-shots/gallery", sort=sort, limit=limit)["items"]
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
    if plan["finish_at"]:
        print(f"ready at about {plan['finish_at']}")
    for one in plan["skipped"]:
        print(f"skipped: character {one['character_id']}, {one['configuration']}: {one['reason']}")
    if plan["batch_id"] is not None:
        print(f"batch {plan['batch_id']}")


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
