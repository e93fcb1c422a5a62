"""Requests and answers as lines of JSON, between the service and its measuring processes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.smoothing import domain
from shared.processes import BrokeOffError


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """Two files that follow each other."""

    previous: Path
    next: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The seam, or why it cannot be measured; and the seconds it took."""

    found: domain.Seam | str
    seconds: float


def check_line(request: CheckRequest) -> bytes:
    return _line({"previous": str(request.previous), "next": str(request.next)})


def check_of(line: bytes) -> CheckRequest:
    fields = json.loads(line)
    return CheckRequest(previous=Path(fields["previous"]), next=Path(fields["next"]))


def checked_line(answer: Checked) -> bytes:
    found = answer.found
    told = {"not_measurable": found} if isinstance(found, str) else {"seam": domain.plain(found)}
    return _line(told | {"seconds": answer.seconds})


def checked_of(line: bytes) -> Checked:
    """Raises BrokeOffError with what the process says went wrong."""
    fields = told(line)
    found = fields["not_measurable"] if "not_measurable" in fields else domain.seam_of(fields["seam"])
    return Checked(found=found, seconds=float(fields["seconds"]))


def failure_line(reason: str) -> bytes:
    return _line({"failure": reason})


def told(line: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(line)
    if "failure" in fields:
        raise BrokeOffError(str(fields["failure"]))
    return fields


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode() + b"\n"
