"""Rows to values."""

from typing import Any
from uuid import UUID

import asyncpg

from services.smoothing import domain


def segment(row: asyncpg.Record | dict[str, Any]) -> domain.Segment:
    """Of its own row, or of one that was read as JSON."""
    return domain.Segment(
        id=domain.SegmentId(row["id"]),
        scene_id=row["scene_id"],
        position=row["position"],
        segment_count=row["segment_count"],
        version=row["version"],
        project_id=row["project_id"],
        character_id=row["character_id"],
        scene_type_id=row["scene_type_id"],
        purpose=row["purpose"],
        tier=row["tier"],
        clip_sha256=row["clip_sha256"],
        frames=row["frames"],
        repair_id=None if row["repair_id"] is None else UUID(str(row["repair_id"])),
    )


def check(row: asyncpg.Record) -> domain.Check:
    return domain.Check(
        state=domain.CheckState(row["state"]),
        seam=None if row["seam"] is None else domain.seam_of(row["seam"]),
        not_measurable=row["not_measurable"],
        measured_at=row["measured_at"],
        ahead=row["ahead"],
    )
