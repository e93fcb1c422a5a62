"""The stack up, then the story."""

import os

from rich.console import Console

from deploy.local.keeper import State, Status
from deploy.local.stack import LocalStack
from services.studio.cli.connection import TOKEN_VARIABLE, URL_VARIABLE, Target
from services.studio.cli.demo.inputs import Inputs
from services.studio.cli.demo.story import Story
from services.studio.cli.demo.told import Told


def play(progress: Console) -> Told:
    """Raises SetupProblem when the machine or the stack is not fit for it."""
    stack = LocalStack()
    progress.print("[bold]Rushes[/bold]: an asset update tests itself")
    inputs = Inputs.for_site(stack.site)
    started = stack.start()
    with progress.status("starting Kafka, PostgreSQL, the ComfyUI stand-in and the services") as status:
        stack.wait_ready(progress=lambda entries: status.update(_starting(entries)))
    progress.print(f"  ✓ {'started' if started else 'already running'}: {stack.site.url('studio')}")
    here = {name: value for name, value in os.environ.items() if name not in (URL_VARIABLE, TOKEN_VARIABLE)}
    with Target.from_environment(here).client() as client:
        return Story(client=client, inputs=inputs, progress=progress).play()


def _starting(entries: list[Status]) -> str:
    waiting = [entry.name for entry in entries if entry.state not in {State.READY, State.DONE}]
    return f"waiting for {', '.join(waiting)}" if waiting else "ready"
