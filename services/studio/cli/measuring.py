"""`rushes score | compare | drift | identity | boundary | smooth`: programs of the measuring services, passed through.

They run in a process of their own: no service knows another, and the client of the API carries no decoder.
"""

import signal
import subprocess
import sys
from typing import Any

import typer
from typer.core import TyperCommand

from shared.command_line import EXIT_PROBLEM

PATIENCE_SECONDS = 10.0
"""For a program that was stopped by Ctrl-C to put away what it was writing; then it is killed."""

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


class _PassedThrough(TyperCommand):
    """Takes everything as it was typed, `--` and what looks like an option included: the program has its own parser."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.args = list(args)
        return list(args)


def _add(app: typer.Typer, name: str, module: str, text: str) -> None:
    @app.command(name=name, help=text, cls=_PassedThrough)
    def passed_through(context: typer.Context) -> None:
        raise typer.Exit(run([sys.executable, "-m", "shared.program", module, name, *context.args]))


def run(command: list[str]) -> int:
    """The program's exit code; it writes where we write. Ctrl-C reaches it as well, being in our group.

    One that was ended by a signal, as a decoder that crashes is, said nothing: that is said here.
    """
    with subprocess.Popen(command) as program:
        try:
            code = program.wait()
        except KeyboardInterrupt:
            _await_end(program)
            raise
    if code >= 0:
        return code
    print(f"rushes: the measuring program was ended by {signal.Signals(-code).name}", file=sys.stderr)
    return EXIT_PROBLEM


def _await_end(program: "subprocess.Popen[bytes]") -> None:
    try:
        program.wait(PATIENCE_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        program.kill()
