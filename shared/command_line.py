"""What the commands that measure files have in common: one clear line on bad input, and JSON that explains itself."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

EXIT_PROBLEM = 2

CLIPS = "A clip is an MP4, MOV, MKV or WebM file, or a folder of PNG pictures."


class OneLineParser(argparse.ArgumentParser):
    """Wrong usage is one line on stderr and exit code 2. Its subcommands are such parsers as well."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter} | settings)

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_PROBLEM, f"{self.prog}: {message}; {self.prog} --help explains it\n")


class _Explained(argparse.Action):
    """Prints what the fields mean, and ends the program as --help does."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        width = max(map(len, self.const))
        print("\n".join(f"{name:{width}}  {meaning}" for name, meaning in self.const.items()))
        parser.exit()


def add_clip(command: argparse.ArgumentParser, name: str, help: str) -> None:
    command.add_argument(name.lower(), type=Path, metavar=name, help=help)


def add_json(command: argparse.ArgumentParser, fields: Mapping[str, str]) -> None:
    """--json, and --fields: the meaning, unit, range and direction of every field of it."""
    command.add_argument("--json", action="store_true", help="print JSON for programs")
    text = "what the fields of the JSON mean: unit, range, which direction is better"
    command.add_argument("--fields", action=_Explained, nargs=0, const=fields, help=text)
