"""A scene as dispatch tells it, and its boundaries as smoothing does, for the pages that show them."""

from typing import Any

Json = dict[str, Any]

REPAIR = "0193fd4e-7c5a-7000-8000-000000000001"
SMOOTH = "/api/segments/{}/smooth-boundary"
CHECK = "/api/segments/{}/boundary-check"


def segment(position: int, clip: str | None, **changed: Any) -> Json:
    """A current version; its id is ten times its position."""
    stored = {"sha256": clip, "frames": 24, "fps": 12.0, "width": 192, "height": 192}
    told: Json = {
        "id": 10 * position,
        "scene_id": 7,
        "position": position,
        "version": 1,
        "clip": None if clip is None else stored,
        "is_locked": False,
        "is_stale": False,
        "review": "none",
    }
    return told | changed


def scene(*segments: Json, **changed: Any) -> Json:
    told: Json = {
        "id": 7,
        "name": "dawn",
        "state": "completed",
        "segment_count": len(segments),
        "created_by": "ada",
        "created_at": "2026-11-21T10:00:00Z",
        "segments": list(segments),
    }
    return told | changed


def reading(**changed: Any) -> Json:
    told: Json = {
        "ssim": 0.61,
        "typical_ssim": 0.97,
        "worst_offset": 3,
        "worst_visibility": 4.2,
        "luminance_step": -0.0004,
        "contrast_step": 0.012,
        "saturation_step": -0.031,
    }
    return told | changed


def check(position: int, *, before: Json | None, **changed: Any) -> Json:
    """How the segment at a position joins the one before it."""
    told: Json = {
        "segment_id": 10 * position,
        "current_segment_id": 10 * position,
        "before": before,
        "thresholds": {
            "version": 0, "yellow_visibility": 1.0, "red_visibility": 2.0, "green_ssim": 0.9, "red_ssim": 0.75
        },
    }  # fmt: skip
    return told | changed


def end(joins: int, /, **changed: Any) -> Json:
    """A red end, measured; `joins`: the position before it."""
    told: Json = {
        "status": "measured",
        "neighbour": {"segment_id": 10 * joins, "position": joins},
        "reading": reading(),
        "verdict": "red",
        "recommendation": "frame_blending",
        "reason": "a jump in appearance 3 frames after the cut, 4.2 times the limit",
        "accepted_by": None,
        "accepted_at": None,
        "repair": None,
        "ahead": None,
    }
    return told | changed


def green(joins: int) -> Json:
    numbers = reading(ssim=0.98, worst_visibility=0.4, worst_offset=0)
    reason = "no step in the window is visible (the largest has 0.40 of the limit)"
    return end(joins, verdict="green", recommendation="nothing", reason=reason, reading=numbers)


def repair(state: str, **changed: Any) -> Json:
    """Of the boundary from position 1 to 2."""
    told: Json = {
        "id": REPAIR,
        "state": state,
        "positions": [1, 2],
        "method": "frame_blending",
        "requested_by": "ada",
        "reasons": [],
        "before": None,
        "after": None,
        "clips": [],
        "dropped_frames": 0,
        "ahead": None,
        "progress": None,
    }
    return told | changed


def refused() -> Json:
    numbers = {"before": reading(), "after": reading(ssim=0.7, worst_visibility=3.9)}
    return repair("rejected", reasons=["segment 2, flicker: pass (0.001) before, fail (0.9) after"], **numbers)
