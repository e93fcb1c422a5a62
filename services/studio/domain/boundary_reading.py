"""How a scene's boundaries are read from what dispatch and smoothing answer, and in which words.

The facts are theirs; nothing here judges. The shape of their answers is known in this module only.
"""

from collections.abc import Mapping
from itertools import pairwise

from services.studio.domain.boundaries import Boundary, JsonObject, Repair, Row, SceneBoundaries, SceneLine, Shot

METHOD_WORDS = {"frame_blending": "frame blending", "re_extraction": "re-extraction"}
RECOMMENDATION_WORDS = METHOD_WORDS | {
    "nothing": "nothing",
    "regenerate": "render one side again: no repair joins these",
}
REPAIR_WORDS = {
    "queued": "A repair is queued",
    "making": "A repair is being made",
    "proposed": "A repair is made and waits for its scores",
    "current": "Repaired",
    "rejected": "A repair was refused",
    "cancelled": "A repair was cancelled",
    "undone": "A repair was undone",
}

NUMBERS = (
    ("ssim", "SSIM at the cut", "of the two frames that meet; 1 is equal"),
    ("worst_visibility", "Largest disturbance", "in the window around the cut; 1 is the limit of what is seen"),
    ("worst_offset", "Frames from the cut", "where that is; 0 is the cut, negative is before it"),
    ("luminance_step", "Step in luminance", "share of the range; 0 is none"),
    ("contrast_step", "Step in contrast", "share of the range; 0 is none"),
    ("saturation_step", "Step in saturation", "share of the range; 0 is none"),
)
"""What of a reading is shown: field, label, meaning."""


def scene_line(scene: JsonObject) -> SceneLine:
    return SceneLine(
        scene_id=scene["id"],
        name=scene["name"],
        state=scene["state"],
        segments=scene["segment_count"],
        created_by=scene["created_by"],
        created_at=scene["created_at"],
    )


def later_segments(scene: JsonObject) -> list[int]:
    """Those that have a boundary before them: its check is theirs."""
    return [one["id"] for one in scene["segments"] if one["position"] > 1 and one["clip"] is not None]


def boundaries_of(scene: JsonObject, checks: Mapping[int, JsonObject | None]) -> SceneBoundaries:
    """`checks`: by segment, smoothing's answer, or None where it knows no such segment yet."""
    shots = [_shot(one) for one in sorted(scene["segments"], key=lambda one: int(one["position"]))]
    limits: JsonObject = next((check["thresholds"] for check in checks.values() if check is not None), {})
    return SceneBoundaries(
        scene_id=scene["id"],
        name=scene["name"],
        first=shots[0] if shots else None,
        boundaries=tuple(
            _boundary(previous, following, checks.get(following.segment_id)) for previous, following in pairwise(shots)
        ),
        limits=limits,
    )


def _shot(segment: JsonObject) -> Shot:
    clip = segment["clip"]
    protection = "locked" if segment["is_locked"] else "approved" if segment["review"] == "approved" else ""
    return Shot(
        segment_id=segment["id"],
        position=segment["position"],
        version=segment["version"],
        clip=None if clip is None else clip["sha256"],
        frames=0 if clip is None else clip["frames"],
        fps=0.0 if clip is None else clip["fps"],
        protection=protection,
        is_stale=segment["is_stale"],
    )


def _boundary(previous: Shot, following: Shot, check: JsonObject | None) -> Boundary:
    found = None if check is None else check["before"]
    if previous.clip is None or following.clip is None:
        return _without_numbers(previous, following, "not_rendered", "one side is not rendered yet")
    if check is None or found is None or not _is_of(previous, following, check, found):
        return _without_numbers(previous, following, "unheard", "the newest versions are not known to smoothing yet")
    reading = found["reading"]
    repair = found["repair"]
    if repair is not None and repair["positions"] != [previous.position, following.position]:
        repair = None
    suggested = found["recommendation"] or ""
    return Boundary(
        previous=previous,
        next=following,
        colour=found["verdict"] or found["status"],
        reason=found["reason"] or ("being measured" if found["status"] == "pending" else ""),
        recommendation=RECOMMENDATION_WORDS.get(suggested, suggested.replace("_", " ")),
        suggested=suggested,
        ssim=None if reading is None else reading["ssim"],
        offset=0 if reading is None else reading["worst_offset"],
        rows=() if reading is None else _rows(reading, repair),
        accepted_by=found["accepted_by"] or "",
        accepted_at=found["accepted_at"] or "",
        repair=None if repair is None else _repair(repair),
        ahead=found["ahead"] or 0,
    )


def _is_of(previous: Shot, following: Shot, check: JsonObject, found: JsonObject) -> bool:
    """Whether smoothing speaks of the versions that the scene shows; it hears of new ones a moment later."""
    neighbour = found["neighbour"]
    known = (None if neighbour is None else neighbour["segment_id"], check["current_segment_id"])
    return known == (previous.segment_id, following.segment_id)


def _without_numbers(previous: Shot, following: Shot, colour: str, reason: str) -> Boundary:
    return Boundary(
        previous=previous, next=following, colour=colour, reason=reason, recommendation="", suggested="", ssim=None,
        offset=0, rows=(), accepted_by="", accepted_at="", repair=None, ahead=0,
    )  # fmt: skip


def _rows(reading: JsonObject, repair: JsonObject | None) -> tuple[Row, ...]:
    told: JsonObject = repair or {}
    without, repaired = told.get("before") or {}, told.get("after") or {}
    return tuple(
        Row(
            label=label,
            meaning=meaning,
            now=reading[field],
            without=without.get(field),
            repaired=repaired.get(field),
            whole=field == "worst_offset",
        )
        for field, label, meaning in NUMBERS
    )


def _repair(repair: JsonObject) -> Repair:
    progress: JsonObject = repair["progress"] or {}
    return Repair(
        repair_id=repair["id"],
        state=repair["state"],
        words=REPAIR_WORDS[repair["state"]],
        method=METHOD_WORDS[repair["method"]],
        requested_by=repair["requested_by"],
        reasons=tuple(repair["reasons"]),
        changed_frames=sum(clip["changed_frames"] for clip in repair["clips"]),
        dropped_frames=repair["dropped_frames"],
        ahead=repair["ahead"] or 0,
        done=progress.get("done") or 0,
        total=progress.get("total") or 0,
    )
