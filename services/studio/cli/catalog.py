"""Commands for what a studio owns: projects, characters, scene types, assets and references."""

import hashlib
import json as json_module
import mimetypes
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from services.studio.cli.client import ApiProblem, Client
from services.studio.cli.connection import Target
from services.studio.cli.fitness import await_fitness, fitness_lines
from services.studio.cli.given import json_file, json_object
from services.studio.cli.regression import asset_named
from services.studio.cli.text import console

Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Project = Annotated[str, typer.Option("--project", "-p", help="the project's name or number")]
CHUNK_BYTES = 1024 * 1024


def groups() -> Iterator[tuple[str, typer.Typer, str]]:
    yield "project", _projects(), "Projects."
    yield "character", _characters(), "Characters and their source photographs."
    yield "scene-type", _scene_types(), "Kinds of scenes, with the defaults of their renders."
    yield "asset", _assets(), "Workflows, LoRAs and models, and their versions."
    yield "reference", _references(), "Reference scenes that updates are tested against."


def _projects() -> typer.Typer:
    app = typer.Typer(no_args_is_help=True)

    @app.command(help="Create a project.")
    def add(name: str) -> None:
        with Target.from_environment().client() as client:
            made = client.post("/api/projects", {"name": name})
        print(f"project {made['id']} {name}")

    @app.command(name="list", help="All projects.")
    def list_projects(json: Json = False) -> None:
        print_list("/api/projects", ("id", "name", "created_at"), json=json)

    return app


def _characters() -> typer.Typer:
    app = typer.Typer(no_args_is_help=True)

    @app.command(help="Create a character from a photograph (JPEG, PNG or WebP).")
    def add(name: str, image: Annotated[Path, typer.Argument(exists=True, dir_okay=False)], project: Project) -> None:
        with Target.from_environment().client() as client:
            made = add_character(
                client, project_id=named(client, "/api/projects", project)["id"], name=name, file=image
            )
        print(f"character {made['id']} {name}")

    @app.command(name="list", help="All characters.")
    def list_characters(json: Json = False) -> None:
        print_list("/api/characters", ("id", "project_id", "name", "created_at"), json=json)

    return app


def _scene_types() -> typer.Typer:
    app = typer.Typer(no_args_is_help=True)

    @app.command(help="Create a kind of scene.")
    def add(
        name: str,
        project: Project,
        segments: Annotated[int, typer.Option(min=1, max=100)] = 3,
        parameters: Annotated[
            str, typer.Option(help='JSON, e.g. \'{"width": 512, "height": 512, "steps": 12}\'')
        ] = "{}",
    ) -> None:
        with Target.from_environment().client() as client:
            body = {
                "project_id": named(client, "/api/projects", project)["id"],
                "name": name,
                "segment_count": segments,
                "parameters": json_object(parameters, "--parameters"),
            }
            made = client.post("/api/scene-types", body)
        print(f"scene type {made['id']} {name}")

    @app.command(name="list", help="All kinds of scenes.")
    def list_scene_types(json: Json = False) -> None:
        print_list("/api/scene-types", ("id", "project_id", "name", "segment_count"), json=json)

    return app


def _assets() -> typer.Typer:
    app = typer.Typer(no_args_is_help=True)

    @app.command(help="Publish a version, active at once; the asset is created with its first one.")
    def publish(
        kind: Annotated[str, typer.Option(help="workflow, lora or model")],
        name: Annotated[str, typer.Option(help="the asset's name")],
        file: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="the LoRA or model, or the graph's JSON")],
        file_name: Annotated[
            str | None, typer.Option(help="as the render engine knows it; the file's own name")
        ] = None,
        bindings: Annotated[Path | None, typer.Option(exists=True, help="a workflow's bindings, as JSON")] = None,
        note: str = "",
    ) -> None:
        content = _content(kind, file=file, file_name=file_name, bindings=bindings)
        with Target.from_environment().client() as client:
            asset = ensure_asset(client, kind=kind, name=name)
            made = client.post(f"/api/assets/{asset['id']}/versions", {**content, "note": note})
            print(f"{kind} {name} version {made['version']} is active")
            print("\n".join(fitness_lines(await_fitness(client, made["id"]))))

    @app.command(help="Which render server lacks what for an asset's active version.")
    def check(asset: Annotated[str, typer.Argument(help="its name, or kind:name")]) -> None:
        with Target.from_environment().client() as client:
            version = asset_named(client, asset)["active_version"]
            if version is None:
                raise ApiProblem(404, "Not found", f"{asset} has no version yet")
            print("\n".join(fitness_lines(await_fitness(client, version["id"]))))

    @app.command(name="list", help="All assets and their active versions.")
    def list_assets(json: Json = False) -> None:
        print_list("/api/assets", ("id", "kind", "name", "active_version.version", "version_count"), json=json)

    return app


def _content(kind: str, *, file: Path, file_name: str | None, bindings: Path | None) -> dict[str, Any]:
    """Read before anything is asked for: a file that is no graph shall leave no asset behind."""
    if kind != "workflow":
        return {"file_name": file_name or file.name, "checksum": checksum_of(file)}
    if bindings is None:
        raise typer.BadParameter("a workflow needs --bindings FILE")
    return {"graph": json_file(file), "bindings": json_file(bindings)}


def _references() -> typer.Typer:
    app = typer.Typer(no_args_is_help=True)

    @app.command(help="Make a finished scene a reference; its draft baseline is captured at once.")
    def add(scene: Annotated[int, typer.Argument(min=1, help="the scene's number")]) -> None:
        with Target.from_environment().client() as client:
            made = client.post("/api/regression/references", {"scene_id": scene})
        print(f"reference {made['id']} of scene {scene}: its baseline is being captured")

    @app.command(name="list", help="All references.")
    def list_references(json: Json = False) -> None:
        print_list(
            "/api/regression/references", ("id", "scene_id", "character_name", "scene_type_name", "status"), json=json
        )

    @app.command(help="Forget a reference. Its scene stays.")
    def remove(reference: Annotated[int, typer.Argument(min=1)]) -> None:
        with Target.from_environment().client() as client:
            client.delete(f"/api/regression/references/{reference}")
        print(f"reference {reference} removed")

    return app


def named(client: Client, path: str, wanted: str) -> dict[str, Any]:
    """The one item of a list with this name, or this number. Raises ApiProblem for none and for several."""
    if wanted.isdigit():
        found: dict[str, Any] = client.get(f"{path}/{wanted}")
        return found
    matches = [item for item in client.items(path, name=wanted) if item["name"] == wanted]
    if not matches:
        raise ApiProblem(404, "Not found", f"there is nothing called {wanted!r} in {path}")
    if len(matches) > 1:
        numbers = ", ".join(str(item["id"]) for item in matches)
        raise ApiProblem(409, "Not clear", f"{len(matches)} are called {wanted!r}; use a number: {numbers}")
    return matches[0]


def add_character(client: Client, *, project_id: int, name: str, file: Path) -> dict[str, Any]:
    media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    part = (file.name, file.read_bytes(), media_type)
    made: dict[str, Any] = client.upload("/api/characters", fields={"project_id": project_id, "name": name}, file=part)
    return made


def ensure_asset(client: Client, *, kind: str, name: str) -> dict[str, Any]:
    """The asset, created when it is not there."""
    for asset in client.items("/api/assets", kind=kind, name=name):
        return asset
    made: dict[str, Any] = client.post("/api/assets", {"kind": kind, "name": name})
    return made


def checksum_of(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def print_list(path: str, columns: tuple[str, ...], *, json: bool) -> None:
    with Target.from_environment().client() as client:
        items = list(client.items(path, limit=200))
    if json:
        print(json_module.dumps(items, indent=2))
        return
    table = Table(*(column.split(".")[0].replace("_", " ") for column in columns), box=None)
    for item in items:
        table.add_row(*(_cell(item, column) for column in columns))
    console().print(table)


def _cell(item: dict[str, Any], column: str) -> str:
    value: Any = item
    for part in column.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return "" if value is None else str(value)
