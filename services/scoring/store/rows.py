"""Rows to dataclasses, and back to what JSON columns hold."""

from dataclasses import asdict
from typing import Any

import asyncpg

from services.scoring import domain


def segment(row: asyncpg.Record) -> domain.Segment:
    return domain.Segment(
        id=domain.SegmentId(row["id"]),
        scene_id=row["scene_id"],
        position=row["position"],
        segment_count=row["segment_count"],
        project_id=row["project_id"],
        character_id=row["character_id"],
        scene_type_id=row["scene_type_id"],
        purpose=row["purpose"],
        tier=row["tier"],
        request_id=row["request_id"],
        clip_sha256=row["clip_sha256"],
        baseline_clip_sha256=row["baseline_clip_sha256"],
        previous_clip_sha256=row["previous_clip_sha256"],
        source_image_sha256=row["source_image_sha256"],
        expected=domain.Expectation(**row["expected"]),
    )


def question(row: asyncpg.Record) -> domain.Question:
    return domain.Question(
        clip_sha256=row["clip_sha256"],
        baseline_clip_sha256=row["baseline_clip_sha256"],
        previous_clip_sha256=row["previous_clip_sha256"],
        source_image_sha256=row["source_image_sha256"],
        expected=domain.Expectation(**row["expected"]),
        method=domain.Method(
            suite_version=row["metric_suite_version"],
            identity_backend=row["identity_backend"],
            identity_backend_version=row["identity_backend_version"],
        ),
    )


def answer(row: asyncpg.Record) -> domain.Answer:
    readings = {name: _reading(name, fields) for name, fields in row["readings"].items()}
    return domain.Answer(
        question=question(row),
        measurement=domain.Measurement(readings=readings, not_measurable=row["not_measurable"]),
        measure_seconds=row["measure_seconds"],
    )


def readings_json(measurement: domain.Measurement) -> dict[str, Any]:
    """By metric; the name is the key and not repeated."""
    return {
        name: {field: value for field, value in asdict(reading).items() if field != "metric"}
        for name, reading in measurement.readings.items()
    }


def _reading(name: str, fields: dict[str, Any]) -> domain.Reading:
    region = fields["worst_region"]
    return domain.Reading(metric=name, **{**fields, "worst_region": None if region is None else tuple(region)})


def outcomes_json(outcomes: tuple[domain.GateOutcome, ...]) -> list[dict[str, Any]]:
    return [asdict(outcome) for outcome in outcomes]


def outcomes(rows: list[dict[str, Any]]) -> tuple[domain.GateOutcome, ...]:
    return tuple(domain.GateOutcome(**{**row, "verdict": domain.Verdict(row["verdict"])}) for row in rows)


def gate(row: asyncpg.Record) -> domain.Gate:
    return domain.Gate(
        metric=row["metric"],
        warn_below=row["warn_below"],
        fail_below=row["fail_below"],
        warn_above=row["warn_above"],
        fail_above=row["fail_above"],
        identity_backend=row["identity_backend"],
    )
