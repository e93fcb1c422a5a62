"""The commands, and what becomes of their errors: one line on stderr, and an exit code that a script can use."""

import sys
from collections.abc import Sequence

import typer
from rich.console import Console

from deploy.local.problems import SetupProblem
from deploy.local.stack import NotRunning
from services.studio.cli import (
    catalog,
    dead_letters,
    demo,
    measuring,
    queue,
    regression,
    scenes,
    segments,
    shots,
    stack,
)
from services.studio.cli.client import ApiProblem, ConnectionProblem
from shared.command_line import EXIT_PROBLEM

EXIT_DEGRADED = 1


def build() -> typer.Typer:
    app = typer.Typer(
        name="rushes",
        help="Quality control for AI-generated video: an asset update tests itself.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    stack.add_to(app)
    demo.add_to(app)
    measuring.add_to(app)
    app.add_typer(regression.build(), name="regression", help="Runs, reports, rollback and the reference scenes.")
    for name, group, text in catalog.groups():
        app.add_typer(group, name=name, help=text)
    app.add_typer(scenes.build(), name="scene", help="Scenes: chains of segments.")
    app.add_typer(shots.build(), name="test-shot", help="Short shots that show what a configuration does.")
    app.add_typer(queue.build(), name="queue", help="What is rendered now and next, and by whom.")
    app.add_typer(segments.build(), name="segment", help="One segment again, back, approved, locked.")
    app.add_typer(dead_letters.build(), name="dead-letters", help="Events that a service could not handle.")
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Exit code 0: fine; 1: something is degraded; 2: wrong usage, or no connection, or the API said no."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        build()(args=None if arguments is None else list(arguments))
    except (ApiProblem, ConnectionProblem, SetupProblem, NotRunning) as error:
        errors.print(f"rushes: {error}", style="red", markup=False)
        sys.exit(EXIT_PROBLEM)
    except KeyboardInterrupt:
        errors.print("rushes: stopped", markup=False)
        sys.exit(130)
