"""Requests and answers as lines of JSON, between the service and its measuring processes."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from services.scoring.domain import Expectation, Measurement, Reading, SourceRegion
from services.scoring.workers.measurement import MeasurementRequest
from shared.processes import fields_of, line_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A measurement, the seconds it took, of which how many in which stage, and what the process's models run on."""

    measurement: Measurement
    seconds: float
    stages: Mapping[str, float] = field(default_factory=dict)
    providers: Mapping[str, list[str]] = field(default_factory=dict)


INTRODUCE = b'{"introduce": true}\n'
"""Asks a process what it is; the answer measures nothing."""


def request_line(request: MeasurementRequest) -> bytes:
    return line_of(asdict(request))


def request_of(line: bytes) -> MeasurementRequest:
    fields: dict[str, Any] = json.loads(line)
    return MeasurementRequest(
        clip=Path(fields["clip"]),
        expected=Expectation(**fields["expected"]),
        source_image=_path(fields["source_image"]),
        further_source_images=tuple(Path(path) for path in fields["further_source_images"]),
        sequence_fps=fields["sequence_fps"],
        freeze_seconds=fields["freeze_seconds"],
        known_region=_region(fields["known_region"]),
        previous_clip=_path(fields["previous_clip"]),
        baseline_clip=_path(fields["baseline_clip"]),
        absent=tuple((metric, reason) for metric, reason in fields["absent"]),
    )


def answer_line(answered: Answered) -> bytes:
    return line_of(asdict(answered))


def answer_of(line: bytes) -> Answered:
    """Raises BrokeOffError with what the process says went wrong."""
    fields = fields_of(line)
    found = fields["measurement"]
    measurement = Measurement(
        readings={name: _reading(reading) for name, reading in found["readings"].items()},
        not_measurable=found["not_measurable"],
        region=_region(found["region"]),
    )
    return Answered(
        measurement=measurement,
        seconds=float(fields["seconds"]),
        stages=fields["stages"],
        providers=fields["providers"],
    )


def _reading(fields: dict[str, Any]) -> Reading:
    region = fields["worst_region"]
    return Reading(**{**fields, "worst_region": None if region is None else tuple(region)})


def _region(fields: dict[str, Any] | None) -> SourceRegion | None:
    if fields is None:
        return None
    x, y, width, height = fields["box"]
    return SourceRegion(kind=fields["kind"], box=(x, y, width, height))


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
