"""`rushes queue ...`: what is rendered now and next."""

import json as json_module
from typing import Annotated, Any

import typer
from rich.table import Table

from services.studio.cli.connection import Target
from services.studio.cli.text import console

Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Scene = Annotated[int, typer.Argument(min=1, help="the scene's number")]
COLUMNS = ("state", "scene_id", "scene_name", "position", "kind", "owner", "server", "starts_at", "estimated_seconds")


def build() -> typer.Typer:
    app = typer.Typer(no_args_is_help=True)

    @app.command(help="The queue in its order, with owners and estimated starts.")
    def show(limit: Annotated[int, typer.Option(min=1, max=500)] = 50, json: Json = False) -> None:
        with Target.from_environment().client() as client:
            found = client.get("/api/queue", limit=limit)
        if json:
            print(json_module.dumps(found, indent=2))
        else:
            _print(found)

    @app.command(help="Start nothing new; with a scene, nothing new of it.")
    def pause(scene: Annotated[int | None, typer.Option(min=1)] = None) -> None:
        _hold(scene, paused=True)
        print("paused" if scene is None else f"scene {scene} is paused")

    @app.command(help="Go on.")
    def resume(scene: Annotated[int | None, typer.Option(min=1)] = None) -> None:
        _hold(scene, paused=False)
        print("resumed" if scene is None else f"scene {scene} goes on")

    @app.command(help="Put a scene before or behind everything that waits.")
    def move(scene: Scene, to: Annotated[str, typer.Argument(help="front or back")]) -> None:
        _post(f"/api/scenes/{scene}/move", {"to": to})
        print(f"scene {scene} is at the {to}")

    @app.command(help="Stop rendering a scene; finished segments stay.")
    def cancel(scene: Scene) -> None:
        _post(f"/api/scenes/{scene}/cancel")
        print(f"scene {scene} is cancelled")

    @app.command(help="Render seconds used and saved in the last 30 days.")
    def usage(json: Json = False) -> None:
        with Target.from_environment().client() as client:
            found = client.get("/api/usage")
        if json:
            print(json_module.dumps(found, indent=2))
            return
        table = Table("work", "segments", "render seconds", box=None)
        for row in found["rendered"]:
            table.add_row(row["kind"], str(row["segments"]), f"{row['render_seconds']:.1f}")
        saved = found["saved_by_promotion"]
        table.add_row("saved by promotion", str(saved["segments"]), f"{saved['render_seconds']:.1f}")
        console().print(table)

    return app


def _hold(scene: int | None, *, paused: bool) -> None:
    with Target.from_environment().client() as client:
        if scene is None:
            client.put("/api/queue", {"is_paused": paused})
        else:
            client.post(f"/api/scenes/{scene}/{'pause' if paused else 'resume'}")


def _post(path: str, body: dict[str, Any] | None = None) -> None:
    with Target.from_environment().client() as client:
        client.post(path, body)


def _why_not(entry: dict[str, Any]) -> str:
    said = "; ".join(f"{one['server']} lacks {', '.join(one['lacks'])}" for one in entry["lacks"])
    return f"no ready render server can run scene {entry['scene_id']}: {said}"


def _print(found: dict[str, Any]) -> None:
    if found["is_paused"]:
        print(f"paused by {found['paused_by']} since {found['paused_at']}")
    table = Table(*COLUMNS, box=None)
    for entry in found["entries"]:
        table.add_row(*("" if entry[name] is None else str(entry[name]) for name in COLUMNS))
    console().print(table)
    for reason in {_why_not(entry): None for entry in found["entries"] if entry["lacks"]}:
        print(reason)
    print(f"{found['waiting_total']} waiting in all")
