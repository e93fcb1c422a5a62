"""`rushes score | compare | drift | identity | boundary | smooth`: programs of the measuring services, passed through.

They run in a process of their own: no service knows another, and the client of the API carries no decoder.
"""

import subprocess
import sys

import typer

PROGRAMS = {
    "score": ("services.scoring.commands", "How good is a clip? Files on this machine, no server needed."),
    "compare": ("services.scoring.commands", "How far is a clip from another one, frame by frame?"),
    "drift": (
        "services.scoring.commands",
        "How far have clips of a chain moved from the first, and where does it lead?",
    ),
    "identity": ("services.scoring.commands", "Do two pictures show the same person? --status: what compares them."),
    "boundary": ("services.smoothing.commands", "Can the cut from one clip to the next be seen?"),
    "smooth": ("services.smoothing.commands", "Try to repair that cut, into new files."),
}
"""The module that is run for each command, and its line in `rushes --help`; the module explains its own options."""


def add_to(app: typer.Typer) -> None:
    for name, (module, text) in PROGRAMS.items():
        _add(app, name, module, text)


def _add(app: typer.Typer, name: str, module: str, text: str) -> None:
    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

    @app.command(name=name, help=text, context_settings=settings)
    def passed_through(context: typer.Context) -> None:
        raise typer.Exit(run([sys.executable, "-m", module, name, *context.args]))


def run(command: list[str]) -> int:
    """The program's exit code; it writes where we write."""
    return subprocess.run(command, check=False).returncode
