"""`rushes up | down | status`: the local stack, by its own tool."""

import sys

import typer

from deploy.local.main import main as local_stack


def add_to(app: typer.Typer) -> None:
    @app.command(help="Start everything on this machine; what runs is left alone, data is kept.")
    def up() -> None:
        _run(["up"])

    @app.command(help="Stop everything, keep the data.")
    def down() -> None:
        _run(["down"])

    @app.command(help="What runs, where, and since when.")
    def status(json: bool = typer.Option(False, "--json", help="for programs")) -> None:
        _run(["status", "--json"] if json else ["status"])


def _run(arguments: list[str]) -> None:
    """The tool ends the process itself when something is wrong; its exit code 1 would read as "degraded" here."""
    try:
        local_stack(arguments)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            raise SystemExit(2) from None
        raise
