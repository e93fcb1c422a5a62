"""`rushes demo`: the main scenario, played over the public API on real input."""

import json as json_module
import sys
from typing import Annotated

import typer
from rich.console import Console

from deploy.local.keeper import State, Status
from deploy.local.stack import LocalStack
from services.studio.cli.connection import Target
from services.studio.cli.demo.inputs import Inputs
from services.studio.cli.demo.story import Story
from services.studio.cli.demo.told import Told


def add_to(app: typer.Typer) -> None:
    @app.command(help="Play the main scenario on the local stack and print the report.")
    def demo(json: Annotated[bool, typer.Option("--json", help="one JSON document on stdout")] = False) -> None:
        progress = Console(stderr=json, highlight=False, soft_wrap=True)
        told = _play(progress)
        if json:
            print(json_module.dumps(told.document(), indent=2))
        else:
            told.print(progress)
        sys.exit(0 if told.held else 1)


def _play(progress: Console) -> Told:
    stack = LocalStack()
    progress.print("[bold]Rushes[/bold]: an asset update tests itself")
    started = stack.start()
    with progress.status("starting Kafka, PostgreSQL, the ComfyUI stand-in and five services") as status:
        stack.wait_ready(progress=lambda entries: status.update(_starting(entries)))
    progress.print(f"  ✓ {'started' if started else 'already running'}: {stack.site.url('studio')}")
    target = Target.from_environment()
    with target.client() as client:
        story = Story(client=client, inputs=Inputs.for_site(stack.site), progress=progress)
        return story.play()


def _starting(entries: list[Status]) -> str:
    waiting = [entry.name for entry in entries if entry.state not in {State.READY, State.DONE}]
    return f"waiting for {', '.join(waiting)}" if waiting else "ready"
