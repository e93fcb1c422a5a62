"""What people give as JSON, in an option or a file."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

PARAMETERS_HELP = 'JSON of what is to differ, such as \'{"prompt": "rain", "width": 512, "steps": 12}\''

Parameters = Annotated[str, typer.Option(help=PARAMETERS_HELP)]


class Tier(StrEnum):
    DRAFT = "draft"
    FULL = "full"


def json_object(text: str, option: str) -> dict[str, Any]:
    """Raises BadParameter for what is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{option} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{option} must be a JSON object")
    return value


def json_file(file: Path) -> dict[str, Any]:
    """Raises BadParameter for a file that holds no JSON object."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{file} is not JSON: it is no text") from error
    return json_object(text, str(file))
