"""`rushes demo`: the main scenario, played over the public API on real input."""

import json as json_module
import sys
from typing import Annotated

import typer
from rich.console import Console


def add_to(app: typer.Typer) -> None:
    @app.command(help="Play the main scenario on the local stack and print the report.")
    def demo(json: Annotated[bool, typer.Option("--json", help="one JSON document on stdout")] = False) -> None:
        """The array libraries behind the demo's input take a second to load, which no other command should pay."""
        from services.studio.cli.demo.play import play

        progress = Console(stderr=json, highlight=False, soft_wrap=True)
        told = play(progress)
        if json:
            print(json_module.dumps(told.document(), indent=2))
        else:
            told.print(progress)
        sys.exit(0 if told.held else 1)
