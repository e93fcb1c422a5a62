"""Reading the logs of the stack: the last lines of one or all, and what comes after."""

import time
from collections import deque
from pathlib import Path

from deploy.local.problems import SetupProblem
from deploy.local.stack import LocalStack

FOLLOW_EVERY_SECONDS = 0.3


def print_logs(stack: LocalStack, name: str | None, *, lines: int, follow: bool) -> None:
    """Print the last `lines` of each log; with `follow`, go on until interrupted."""
    files = {path.stem: path for path in sorted((stack.home / "logs").glob("*.log"))}
    if name is not None:
        if name not in files:
            raise SetupProblem(f"There is no log of {name}", f"There are: {', '.join(files) or 'none'}")
        files = {name: files[name]}
    width = max((len(entry) for entry in files), default=0) if name is None else 0
    places = {entry: _print_last(entry, path, lines, width) for entry, path in files.items()}
    while follow:
        time.sleep(FOLLOW_EVERY_SECONDS)
        places = {entry: _print_from(entry, path, places[entry], width) for entry, path in files.items()}


def _print_last(name: str, path: Path, lines: int, width: int) -> int:
    with path.open(errors="replace") as file:
        for line in deque(file, maxlen=lines):
            _print(name, line, width)
        return file.tell()


def _print_from(name: str, path: Path, place: int, width: int) -> int:
    """Print what was added; a file that became shorter was replaced and is read from its start."""
    with path.open(errors="replace") as file:
        file.seek(place if path.stat().st_size >= place else 0)
        while line := file.readline():
            _print(name, line, width)
        return file.tell()


def _print(name: str, line: str, width: int) -> None:
    print(f"{name:{width}} | {line.rstrip()}" if width else line.rstrip(), flush=True)
