"""Rows to dataclasses, and back to what JSON columns hold."""

from collections.abc import Mapping
from dataclasses import asdict, replace
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
    return domain.Answer(
        question=question(row),
        measurement=domain.Measurement(readings=_readings(row["readings"]), not_measurable=row["not_measurable"]),
        measure_seconds=row["measure_seconds"],
    )


def answer_with_drift(row: asyncpg.Record) -> domain.Answer:
    """As it was said of a segment: with its drift, where that was known then."""
    found = answer(row)
    return replace(found, measurement=found.measurement.with_drift(_readings(row["drift"] or {})))


def link(row: asyncpg.Record) -> domain.Link:
    measured = row["readings"] is not None
    return domain.Link(
        segment_id=domain.SegmentId(row["id"]),
        position=row["position"],
        tier=row["tier"],
        method=question(row).method if measured else None,
        measurement=answer(row).measurement if measured else None,
    )


def review(row: asyncpg.Record) -> domain.Review | None:
    if row["review_decision"] is None:
        return None
    return domain.Review(
        decision=row["review_decision"],
        at=row["reviewed_at"],
        by=row["reviewed_by"] or "",
        note=row["review_note"] or "",
    )


def readings_json(readings: Mapping[str, domain.Reading]) -> dict[str, Any]:
    """By metric; the name is the key and not repeated."""
    return {
        name: {field: value for field, value in asdict(reading).items() if field != "metric"}
        for name, reading in readings.items()
    }


def _readings(by_metric: Mapping[str, dict[str, Any]]) -> dict[str, domain.Reading]:
    return {name: _reading(name, fields) for name, fields in by_metric.items()}


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
