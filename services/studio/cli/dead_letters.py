"""`rushes dead-letters list | show | redrive`: an operator's way back for events that could not be handled."""

import asyncio
import json as json_module
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

import typer
from rich.table import Table

from services.studio.adapters.letters import BrokerAway, Letter, read_letters, send_back
from services.studio.cli.client import ApiProblem, ConnectionProblem
from services.studio.cli.connection import Target
from services.studio.cli.text import console

T = TypeVar("T")

Service = Annotated[str | None, typer.Option(help="only of this service")]
LetterId = Annotated[str, typer.Argument(help="as `list` shows it, e.g. scoring/0/17")]


def build() -> typer.Typer:
    app = typer.Typer(no_args_is_help=True)

    @app.command(name="list", help="What could not be handled, oldest first.")
    def list_letters(service: Service = None, json: Annotated[bool, typer.Option("--json")] = False) -> None:
        found = _read(service)
        if json:
            letters = [{"id": one.id, **one.letter.model_dump(mode="json")} for one in found]
            print(json_module.dumps(letters, indent=2))
            return
        if not found:
            print("no dead letters")
            return
        table = Table("id", "when", "topic", "key", "reason", "error", box=None)
        for one in found:
            when = one.letter.dead_lettered_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
            letter = one.letter
            table.add_row(one.id, when, letter.original_topic, letter.original_key, letter.reason, letter.error[:120])
        console().print(table)

    @app.command(help="One dead letter with its stack and its original message, as JSON.")
    def show(letter: LetterId) -> None:
        print(_one(letter).letter.model_dump_json(indent=2))

    @app.command(help="Send dead letters to their topic again, with their own id. Mend the cause first.")
    def redrive(
        letters: Annotated[list[str] | None, typer.Argument(help="ids as `list` shows them")] = None,
        all_of: Annotated[str | None, typer.Option("--all-of", help="every letter of this service")] = None,
        yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    ) -> None:
        chosen = _chosen(letters or [], all_of)
        for one in chosen:
            print(f"{one.id}: {one.letter.original_topic} {one.letter.original_key} ({one.letter.reason})")
        if not yes:
            typer.confirm(f"Send {len(chosen)} of them again?", abort=True)
        target = Target.from_environment()
        sent = [one.letter for one in chosen]
        _asked(send_back(sent, bootstrap=target.kafka, prefix=target.topic_prefix))
        print(f"sent {len(chosen)}; what fails again becomes a dead letter again")

    return app


def _read(service: str | None = None) -> list[Letter]:
    target = Target.from_environment()
    found = _asked(read_letters(bootstrap=target.kafka, prefix=target.topic_prefix))
    return [one for one in found if service is None or one.letter.service == service]


def _one(letter_id: str) -> Letter:
    for one in _read():
        if one.id == letter_id:
            return one
    raise ApiProblem(404, "Not found", f"there is no dead letter {letter_id}; `rushes dead-letters list` shows all")


def _chosen(ids: list[str], all_of: str | None) -> list[Letter]:
    if bool(ids) == bool(all_of):
        raise typer.BadParameter("name the letters, or give --all-of SERVICE")
    found = _read(all_of)
    if all_of:
        if not found:
            raise ApiProblem(404, "Not found", f"{all_of} has no dead letters")
        return found
    known = {one.id: one for one in found}
    if missing := [one for one in ids if one not in known]:
        raise ApiProblem(404, "Not found", f"there is no dead letter {missing[0]}")
    return [known[one] for one in ids]


def _asked(question: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(question)
    except BrokerAway as error:
        raise ConnectionProblem(str(error)) from error
