"""Requests and answers as lines of JSON, between the service and its measuring processes."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from services.smoothing import domain
from shared.processes import fields_of, line_of


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairRequest:
    """Two files that follow each other, and a folder for what is made of them."""

    previous: Path
    next: Path
    method: domain.Method
    frames: int | None
    limits: domain.Thresholds
    out: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairedFile:
    """One clip that was made: of which side, where it is, what it holds. Frames are counted."""

    side: str
    path: Path
    last_frame: Path
    frame_digest: str
    width: int
    height: int
    frames: int
    fps: float
    duration_seconds: float
    changed_frames: int
    dropped_at_start: int
    dropped_at_end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What came of an attempt. No files: it was refused, and `reasons` say why."""

    reasons: tuple[str, ...]
    before: domain.Numbers | None
    after: domain.Numbers | None
    files: tuple[RepairedFile, ...]
    seconds: float


PROGRESS_FILE = "progress"


def tell_progress(out: Path, done: int, total: int) -> None:
    """Leaves word in the folder of a request how far it is: an answer is one line, and comes at the end."""
    partial = out / f".{PROGRESS_FILE}"
    partial.write_text(f"{done} {total}")
    partial.replace(out / PROGRESS_FILE)


def progress_told(out: Path) -> domain.Progress | None:
    """What was told last; None if nothing was."""
    try:
        done, total = (out / PROGRESS_FILE).read_text().split()
    except FileNotFoundError:
        return None
    return domain.Progress(done=int(done), total=int(total))


def check_line(request: CheckRequest) -> bytes:
    return line_of({"previous": str(request.previous), "next": str(request.next)})


def check_of(line: bytes) -> CheckRequest:
    fields = json.loads(line)
    return CheckRequest(previous=Path(fields["previous"]), next=Path(fields["next"]))


def checked_line(answer: Checked) -> bytes:
    found = answer.found
    told = {"not_measurable": found} if isinstance(found, str) else {"seam": domain.plain(found)}
    return line_of(told | {"seconds": answer.seconds})


def checked_of(line: bytes) -> Checked:
    """Raises BrokeOffError with what the process says went wrong."""
    fields = fields_of(line)
    found = fields["not_measurable"] if "not_measurable" in fields else domain.seam_of(fields["seam"])
    return Checked(found=found, seconds=float(fields["seconds"]))


def repair_line(request: RepairRequest) -> bytes:
    return line_of(asdict(request))


def repair_of(line: bytes) -> RepairRequest:
    fields = json.loads(line)
    return RepairRequest(
        previous=Path(fields["previous"]),
        next=Path(fields["next"]),
        method=domain.Method(fields["method"]),
        frames=fields["frames"],
        limits=domain.Thresholds(**fields["limits"]),
        out=Path(fields["out"]),
    )


def repaired_line(answer: Repaired) -> bytes:
    return line_of(asdict(answer))


def repaired_of(line: bytes) -> Repaired:
    """Raises BrokeOffError with what the process says went wrong."""
    fields = fields_of(line)
    return Repaired(
        reasons=tuple(fields["reasons"]),
        before=_numbers(fields["before"]),
        after=_numbers(fields["after"]),
        files=tuple(
            RepairedFile(**{**file, "path": Path(file["path"]), "last_frame": Path(file["last_frame"])})
            for file in fields["files"]
        ),
        seconds=float(fields["seconds"]),
    )


def _numbers(fields: dict[str, Any] | None) -> domain.Numbers | None:
    return None if fields is None else domain.Numbers(**fields)
