"""What was rendered, and what was not because a part of it was enough.

Seconds are those of the render itself, without its wait. They are written down when they happen, in a ledger of their
own, so that they outlive the scenes that they were spent on.

Saved by promotion is what the promoted shot had taken: the scene's first segment was not rendered a second time.

Saved by regeneration is counted against the way without it, which is to render the whole scene again: for each
regeneration that a person asked for and that came back, the segments of the other positions and what their current
versions had taken. A cascade from that regeneration takes its own segments out again, each with what the version that
it replaces had taken. What was promoted took nothing in its scene, so nothing is saved on it twice. Retries under
other seeds, and regenerations that failed, save nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from services.dispatch.domain.scenes import Purpose, Segment


class Entry(StrEnum):
    RENDERED = "rendered"
    SAVED_BY_REGENERATION = "saved_by_regeneration"
    SAVED_BY_PROMOTION = "saved_by_promotion"


class Work(StrEnum):
    """`retry`: another seed for a segment whose score did not pass. `regression`: whatever a service asked for."""

    TEST_SHOT = "test_shot"
    REGENERATION = "regeneration"
    RETRY = "retry"
    SCENE = "scene"
    REGRESSION = "regression"


def work_of(purpose: Purpose, segment: Segment) -> Work:
    """`segment` as it was before its clip came: what is current then is part of its scene's chain."""
    if purpose is Purpose.TEST_SHOT and segment.is_current:
        return Work.TEST_SHOT
    if purpose not in (Purpose.SCENE, Purpose.TEST_SHOT):
        return Work.REGRESSION
    if segment.is_retry:
        return Work.RETRY
    return Work.SCENE if segment.is_current else Work.REGENERATION


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """The ledger's entries of one day (UTC), project, purpose and kind of work, added up."""

    day: date
    project_id: int
    purpose: Purpose
    work: Work
    entry: Entry
    segments: int
    render_seconds: float
    queued_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    segments: int
    render_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """`key`: the kind of work, the purpose, the project or the day."""

    key: str
    segments: int
    render_seconds: float
    queued_seconds: float
    saved_segments: int
    saved_render_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    since: datetime
    until: datetime
    by_work: Sequence[Used]
    by_purpose: Sequence[Used]
    by_project: Sequence[Used]
    by_day: Sequence[Used]
    saved_by_regeneration: Amount
    saved_by_promotion: Amount


def summed(rows: Sequence[UsageRow], *, since: datetime, until: datetime) -> Usage:
    """Every kind of work has its line, also where nothing was done; purposes, projects and days have what there is."""
    return Usage(
        since=since,
        until=until,
        by_work=_grouped(rows, lambda row: row.work.value, keys=[work.value for work in Work]),
        by_purpose=_grouped(rows, lambda row: row.purpose.value),
        by_project=_grouped(rows, lambda row: str(row.project_id)),
        by_day=_grouped(rows, lambda row: row.day.isoformat()),
        saved_by_regeneration=_amount(row for row in rows if row.entry is Entry.SAVED_BY_REGENERATION),
        saved_by_promotion=_amount(row for row in rows if row.entry is Entry.SAVED_BY_PROMOTION),
    )


def _grouped(
    rows: Sequence[UsageRow], key_of: Callable[[UsageRow], str], *, keys: Sequence[str] | None = None
) -> list[Used]:
    wanted = sorted({key_of(row) for row in rows}) if keys is None else keys
    return [_used(key, [row for row in rows if key_of(row) == key]) for key in wanted]


def _used(key: str, rows: Sequence[UsageRow]) -> Used:
    rendered = [row for row in rows if row.entry is Entry.RENDERED]
    saved = _amount(row for row in rows if row.entry is not Entry.RENDERED)
    return Used(
        key=key,
        segments=sum(row.segments for row in rendered),
        render_seconds=sum(row.render_seconds for row in rendered),
        queued_seconds=sum(row.queued_seconds for row in rendered),
        saved_segments=saved.segments,
        saved_render_seconds=saved.render_seconds,
    )


def _amount(rows: Iterable[UsageRow]) -> Amount:
    found = list(rows)
    return Amount(segments=sum(row.segments for row in found), render_seconds=sum(row.render_seconds for row in found))
