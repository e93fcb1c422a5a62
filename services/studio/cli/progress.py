"""Waiting with a person for something that is rendered: a bar on a terminal, a line per change elsewhere."""

import sys
import time
from datetime import UTC, datetime
from typing import Any, Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from services.studio.cli.client import Client

POLL_SECONDS = 0.5
EXIT_INTERRUPTED = 130
ALMOST = 0.95
"""A render that takes longer than it should does not look finished."""

WORDS = {
    "waiting": "waits in the queue",
    "rendering": "is being rendered",
    "scoring": "waits for its score",
    "held": "is held",
    "needs_person": "needs a person",
    "ended": "has ended",
}


class _Screen(Protocol):
    def show(self, told: dict[str, Any]) -> None: ...


def follow(client: Client, path: str, *, what: str, again: str, stop: str) -> dict[str, Any]:
    """The progress at `path` once it has ended, or needs a person. `again` and `stop` are commands.

    Ctrl-C ends the waiting and not the work, and says so.
    """
    try:
        if sys.stderr.isatty():
            return _with_bar(client, path, what)
        return _poll(client, path, _Lines(what))
    except KeyboardInterrupt:
        typer.echo(f"\n{what} goes on without you. Look again: {again}. Stop it: {stop}", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None


def _with_bar(client: Client, path: str, what: str) -> dict[str, Any]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        return _poll(client, path, _Bar(progress, what))


def _poll(client: Client, path: str, screen: _Screen) -> dict[str, Any]:
    """Asks for changes only; shows the time passing in between."""
    told, etag = client.get_changed(path, None)
    while True:
        screen.show(told)
        if told["state"] in ("ended", "needs_person"):
            return dict(told)
        time.sleep(POLL_SECONDS)
        changed, etag = client.get_changed(path, etag)
        told = told if changed is None else changed


class _Bar:
    def __init__(self, progress: Progress, what: str) -> None:
        self._progress, self._what = progress, what
        self._task = progress.add_task(what, total=None, left="")

    def show(self, told: dict[str, Any]) -> None:
        now = datetime.now(UTC)
        reason = f": {told['reason']}" if told["reason"] else ""
        self._progress.update(
            self._task,
            description=f"{self._what} {WORDS[told['state']]}{reason}",
            completed=told["done"] + running_part(told, now),
            total=told["total"],
            left=left_text(told, now),
            refresh=True,
        )


class _Lines:
    """One line for each change that is worth one; estimates alone are none."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._said: tuple[Any, ...] | None = None

    def show(self, told: dict[str, Any]) -> None:
        seen = (told["state"], told["done"], told["total"], told["reason"])
        if seen == self._said:
            return
        self._said = seen
        parts = [f"{self._what} {WORDS[told['state']]}", f"{told['done']} of {told['total']}"]
        parts += [part for part in (left_text(told, datetime.now(UTC)), told["reason"]) if part]
        print(", ".join(parts), file=sys.stderr, flush=True)


def running_part(told: dict[str, Any], now: datetime) -> float:
    """How much of the segment that is rendered now should be done, 0 to 1."""
    if told["running_since"] is None or not told["estimated_seconds"]:
        return 0.0
    ran: float = (now - datetime.fromisoformat(told["running_since"])).total_seconds()
    return min(ALMOST, max(0.0, ran / float(told["estimated_seconds"])))


def left_text(told: dict[str, Any], now: datetime) -> str:
    if told["finish_at"] is None:
        return ""
    seconds = max(0.0, (datetime.fromisoformat(told["finish_at"]) - now).total_seconds())
    if seconds < 90:
        return f"about {seconds:.0f} s left"
    return f"about {seconds / 60:.0f} min left" if seconds < 5400 else f"about {seconds / 3600:.1f} h left"
