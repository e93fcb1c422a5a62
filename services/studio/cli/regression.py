"""`rushes regression ...`: start and follow runs, read reports, roll back, accept, cancel."""

import json as json_module
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from services.studio.cli.client import ApiProblem, Client
from services.studio.cli.connection import Target
from services.studio.cli.junit import junit_xml
from services.studio.cli.text import console, print_run, words
from services.studio.domain.reading import run_line, run_view
from services.studio.domain.report import RunView
from shared.command_line import EXIT_PROBLEM

RUNS = "/api/regression/runs"
POLL_SECONDS = 0.5
EXIT_DEGRADED = 1

Json = Annotated[bool, typer.Option("--json", help="print one JSON document")]
RunId = Annotated[int, typer.Argument(min=1, help="the run's number")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="follow it to its end; exit code 1 when it is degraded")]


def build() -> typer.Typer:
    app = typer.Typer(no_args_is_help=True)
    _add_run(app)
    _add_reading(app)
    _add_decisions(app)
    return app


def _add_run(app: typer.Typer) -> None:
    @app.command(help="Test an asset's version against every reference scene that uses the asset.")
    def run(
        asset: Annotated[str, typer.Option(help="the asset's name; KIND:NAME where two kinds share it")],
        version: Annotated[int | None, typer.Option(min=1, help="its version; the active one when left out")] = None,
        wait: Wait = False,
        junit: Annotated[Path | None, typer.Option(help="write a JUnit file (with --wait)")] = None,
        json: Json = False,
    ) -> None:
        target = Target.from_environment()
        with target.client() as client:
            started = client.post("/api/regression/run", _order(client, asset, version))
            if not wait:
                _say_started(started, target.url, json=json)
                return
            view, report = follow(client, int(started["id"]), quiet=json)
        if junit is not None:
            junit.write_bytes(junit_xml(view))
        _show(view, report, target.url, json=json)
        sys.exit(exit_code(view))


def _add_reading(app: typer.Typer) -> None:
    @app.command(help="The report of a run.")
    def report(
        run: RunId,
        json: Json = False,
        every_metric: Annotated[bool, typer.Option("--all", help="unchanged metrics too")] = False,
        junit: Annotated[Path | None, typer.Option(help="write a JUnit file")] = None,
    ) -> None:
        target = Target.from_environment()
        with target.client() as client:
            answer = client.get(f"{RUNS}/{run}/report")
        if junit is not None:
            junit.write_bytes(junit_xml(run_view(answer)))
        _show(run_view(answer), answer, target.url, json=json, every_metric=every_metric)

    @app.command(name="list", help="The most recent runs, newest first.")
    def list_runs(limit: Annotated[int, typer.Option(min=1, max=200)] = 20, json: Json = False) -> None:
        with Target.from_environment().client() as client:
            page = client.get(RUNS, limit=limit)
        if json:
            print(json_module.dumps(page["items"], indent=2))
            return
        table = Table("run", "result", "tested", "references", "why", box=None)
        for line in (run_line(one) for one in page["items"]):
            version = f" v{line.version}" if line.version else ""
            table.add_row(
                str(line.run_id), words(line.outcome), f"{line.asset}{version}", str(line.references), line.reason
            )
        console().print(table)


def _add_decisions(app: typer.Typer) -> None:
    @app.command(help="Make the version before the active one again, and prove it by rendering what failed.")
    def rollback(
        run: RunId,
        wait: Wait = True,
        force: Annotated[bool, typer.Option(help="although it is not degraded")] = False,
    ) -> None:
        target = Target.from_environment()
        with target.client() as client:
            client.post(f"{RUNS}/{run}/rollback", {"force": True} if force else {})
            if not wait:
                print(f"rollback asked for; rushes regression report {run} tells how it went")
                return
            view, _ = follow_rollback(client, run)
        print(view.rollback.text)
        sys.exit(0 if view.rollback.tone == "good" else EXIT_DEGRADED)

    @app.command(help="Make what a run rendered the new baseline of its references.")
    def accept(run: RunId, override: Annotated[bool, typer.Option(help="although it did not pass")] = False) -> None:
        with Target.from_environment().client() as client:
            client.post(f"{RUNS}/{run}/accept", {"override": True} if override else {})
        print(f"run {run} is the new baseline")

    @app.command(help="Stop a run; it gets no verdict.")
    def cancel(run: RunId) -> None:
        with Target.from_environment().client() as client:
            client.post(f"{RUNS}/{run}/cancel")
        print(f"run {run} is cancelled")


def exit_code(view: RunView) -> int:
    """1 for degraded; 2 when there is no verdict to rely on."""
    if view.outcome == "passed":
        return 0
    return EXIT_DEGRADED if view.outcome == "degraded" else EXIT_PROBLEM


def asset_named(client: Client, name: str) -> dict[str, Any]:
    """The asset called NAME or KIND:NAME. Raises ApiProblem when there is none, or more than one."""
    kind, colon, rest = name.partition(":")
    query = {"kind": kind, "name": rest} if colon and kind in ("workflow", "lora", "model") else {"name": name}
    found = list(client.items("/api/assets", **query))
    if not found:
        raise ApiProblem(404, "Not found", f"there is no asset called {name!r}; `rushes asset list` shows all")
    if len(found) > 1:
        kinds = ", ".join(f"{asset['kind']}:{name}" for asset in found)
        raise ApiProblem(409, "Not clear", f"several assets are called {name!r}; say which: {kinds}")
    return found[0]


def asset_ids(client: Client, **names: str | None) -> dict[str, Any]:
    """`workflow`, `lora` and `model` by their names, as the API wants their numbers; None is left out.

    Raises ApiProblem also for an asset without a version: it cannot be rendered with.
    """
    return {f"{kind}_id": _asset_id(client, kind, name) for kind, name in names.items() if name is not None}


def _asset_id(client: Client, kind: str, name: str) -> int:
    asset = asset_named(client, f"{kind}:{name}")
    if not asset["version_count"]:
        raise ApiProblem(409, "No version", f"{kind} {name!r} has no version yet; `rushes asset publish` makes one")
    return int(asset["id"])


def follow(client: Client, run: int, *, quiet: bool = False) -> tuple[RunView, dict[str, Any]]:
    """The finished run and its report as it came."""
    return _follow(client, run, lambda view: not view.running, quiet=quiet, label=f"run {run}")


def follow_rollback(client: Client, run: int, *, quiet: bool = False) -> tuple[RunView, dict[str, Any]]:
    """The run whose rollback has ended, one way or the other."""
    ended: Callable[[RunView], bool] = lambda view: bool(view.rollback.text) and view.rollback.ended  # noqa: E731
    return _follow(client, run, ended, quiet=quiet, label=f"rollback of run {run}")


def _follow(
    client: Client, run: int, ended: Callable[[RunView], bool], *, quiet: bool, label: str
) -> tuple[RunView, dict[str, Any]]:
    errors = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, disable=quiet or not errors.is_terminal, transient=True) as progress:
        task = progress.add_task(label, total=None)
        while True:
            answer = client.get(f"{RUNS}/{run}/report")
            view = run_view(answer)
            if ended(view):
                return view, answer
            progress.update(task, completed=view.done, total=view.total or None)
            time.sleep(POLL_SECONDS)


def _order(client: Client, asset: str, version: int | None) -> dict[str, Any]:
    found = asset_named(client, asset)
    if version is None:
        return {"asset_id": found["id"]}
    for one in client.items(f"/api/assets/{found['id']}/versions"):
        if one["version"] == version:
            return {"asset_id": found["id"], "version_id": one["id"]}
    raise ApiProblem(404, "Not found", f"{asset} has no version {version}; it has {found['version_count']}")


def _say_started(started: dict[str, Any], url: str, *, json: bool) -> None:
    if json:
        print(json_module.dumps(started, indent=2))
    else:
        print(f"run {started['id']} started: {url}/reports/regression/{started['id']}")


def _show(view: RunView, answer: dict[str, Any], url: str, *, json: bool, every_metric: bool = False) -> None:
    if json:
        print(json_module.dumps(answer, indent=2))
    else:
        print_run(console(), view, url=url, every_metric=every_metric)
