"""`rushes queue ...`: what is rendered now and next."""

import json as json_module
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.table import Table

from services.studio.cli.catalog import named, print_list
from services.studio.cli.connection import Target
from services.studio.cli.text import console

Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Scene = Annotated[int, typer.Argument(min=1, help="the scene's number")]
COLUMNS = ("state", "scene_id", "scene_name", "position", "kind", "owner", "server", "starts_at", "estimated_seconds")


class End(StrEnum):
    FRONT = "front"
    BACK = "back"


class Grouping(StrEnum):
    WORK = "work"
    PURPOSE = "purpose"
    PROJECT = "project"
    DAY = "day"


USAGE = {
    Grouping.WORK: ("rendered", "kind"),
    Grouping.PURPOSE: ("by_purpose", "purpose"),
    Grouping.PROJECT: ("by_project", "project_id"),
    Grouping.DAY: ("by_day", "day"),
}


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

    @app.command(help="Go on; with a scene, also one that failed or was cancelled, at its first missing segment.")
    def resume(scene: Annotated[int | None, typer.Option(min=1)] = None) -> None:
        told = _hold(scene, paused=False)
        ended = scene is not None and told["state"] != "rendering"
        print("resumed" if scene is None else f"scene {scene} {'is ' + told['state'] if ended else 'goes on'}")

    @app.command(help="Put a scene before or behind everything that waits.")
    def move(scene: Scene, to: End) -> None:
        _post(f"/api/scenes/{scene}/move", {"to": to.value})
        print(f"scene {scene} is at the {to.value}")

    @app.command(help="Stop rendering a scene; finished segments stay.")
    def cancel(scene: Scene) -> None:
        _post(f"/api/scenes/{scene}/cancel")
        print(f"scene {scene} is cancelled")

    _add_usage(app)
    _add_servers(app)
    return app


def _add_servers(app: typer.Typer) -> None:
    @app.command(help="The render servers: which answer, what they have to do, what is wrong.")
    def servers(json: Json = False) -> None:
        print_list("/api/render-servers", ("name", "state", "jobs", "queue_length", "engine", "problem"), json=json)

    @app.command(name="add-server", help="Use another render server from now on.")
    def add_server(url: Annotated[str, typer.Argument(help="such as http://127.0.0.1:8188")]) -> None:
        with Target.from_environment().client() as client:
            told = client.post("/api/render-servers", {"url": url})
        print(f"render server {told['name']} takes work as soon as it answers")

    @app.command(help="Give a render server nothing new; what runs there is finished.")
    def drain(
        server: Annotated[str, typer.Argument(help="its name, as `rushes queue servers` lists it")],
        end: Annotated[bool, typer.Option("--end", help="give it work again")] = False,
    ) -> None:
        with Target.from_environment().client() as client:
            told = client.post("/api/render-servers/drain", {"name": server, "drain": not end})
        print(f"render server {told['name']} {'takes work again' if end else 'gets nothing new'}")


def _add_usage(app: typer.Typer) -> None:
    @app.command(help="Render seconds used and saved; of the last 30 days unless told otherwise.")
    def usage(
        since: Annotated[str | None, typer.Option(help="first day, such as 2026-03-01, or a moment")] = None,
        until: Annotated[str | None, typer.Option(help="last day, or a moment")] = None,
        project: Annotated[str | None, typer.Option("--project", "-p", help="the project's name or number")] = None,
        by: Annotated[Grouping, typer.Option(help="what a line is about")] = Grouping.WORK,
        json: Json = False,
    ) -> None:
        with Target.from_environment().client() as client:
            project_id = None if project is None else named(client, "/api/projects", project)["id"]
            found = client.get("/api/usage", since=since, until=until, project_id=project_id)
        if json:
            print(json_module.dumps(found, indent=2))
        else:
            _print_usage(found, by)


def _print_usage(found: dict[str, Any], by: Grouping) -> None:
    rows, key = USAGE[by]
    table = Table(key, "segments", "render seconds", "queue seconds", "saved segments", "saved seconds", box=None)
    for row in found[rows]:
        table.add_row(
            str(row[key]),
            str(row["segments"]),
            f"{row['render_seconds']:.1f}",
            f"{row['queued_seconds']:.1f}",
            str(row["saved_segments"]),
            f"{row['saved_render_seconds']:.1f}",
        )
    console().print(table)
    for way in ("regeneration", "promotion"):
        saved = found[f"saved_by_{way}"]
        print(f"saved by {way}: {saved['segments']} segments, {saved['render_seconds']:.1f} render seconds")


def _hold(scene: int | None, *, paused: bool) -> dict[str, Any]:
    """What the queue, or the scene, is like after it."""
    with Target.from_environment().client() as client:
        if scene is None:
            told: dict[str, Any] = client.put("/api/queue", {"is_paused": paused})
        else:
            told = client.post(f"/api/scenes/{scene}/{'pause' if paused else 'resume'}")
    return told


def _post(path: str, body: dict[str, Any] | None = None) -> None:
    with Target.from_environment().client() as client:
        client.post(path, body)


def _why_not(entry: dict[str, Any]) -> str:
    said = "; ".join(f"{one['server']} lacks {', '.join(one['lacks'])}" for one in entry["lacks"])
    return f"no ready render server can run scene {entry['scene_id']}: {said}"


def _print(found: dict[str, Any]) -> None:
    if found["is_paused"]:
        print(f"paused by {found['paused_by']} since {found['paused_at']}")
    if found["problem"] is not None:
        print(found["problem"])
    table = Table(*COLUMNS, box=None)
    for entry in found["entries"]:
        table.add_row(*("" if entry[name] is None else str(entry[name]) for name in COLUMNS))
    console().print(table)
    for reason in {_why_not(entry): None for entry in found["entries"] if entry["lacks"]}:
        print(reason)
    print(f"{found['waiting_total']} waiting in all")
