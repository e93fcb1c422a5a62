"""`rushes demo`: the main scenario, played over the public API on real input."""

import json as json_module
import sys
from typing import Annotated

import typer

from services.studio.cli.connection import Target
from services.studio.cli.text import console


def add_to(app: typer.Typer) -> None:
    @app.command(help="Play the main scenario on the local stack and print the report.")
    def demo(json: Annotated[bool, typer.Option("--json", help="one JSON document on stdout")] = False) -> None:
        """The array libraries behind the demo's input take a second to load, which no other command should pay."""
        from services.studio.cli.demo.play import play

        progress = console(stderr=json)
        told = play(progress)
        if json:
            print(json_module.dumps(told.document(), indent=2))
        else:
            told.print(progress, token_file=Target.from_environment().token_file)
        sys.exit(0 if told.held else 1)
