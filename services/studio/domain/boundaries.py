"""How a scene's boundaries are read: one card for every cut, in the order of the film, and in which words.

The facts are dispatch's and smoothing's; nothing here judges. The shape of their answers is known in this module only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

JsonObject = Mapping[str, Any]

WINDOW_FRAMES = 12
"""What is played on each side of a cut: as much as is measured by default."""

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
OPEN = ("queued", "making", "proposed")
UNDECIDED = ("pending", "unheard")
COLOUR_WORDS = {"pending": "being measured", "unheard": "being measured"}

NUMBERS = (
    ("ssim", "SSIM at the cut", "of the two frames that meet; 1 is equal"),
    ("worst_visibility", "Largest disturbance", "in the window around the cut; 1 is the limit of what is seen"),
    ("worst_offset", "Frames from the cut", "where that is; 0 is the cut, negative is before it"),
    ("luminance_step", "Step in luminance", "share of the range; 0 is none"),
    ("contrast_step", "Step in contrast", "share of the range; 0 is none"),
    ("saturation_step", "Step in saturation", "share of the range; 0 is none"),
)
"""What of a reading is shown: field, label, meaning."""


@dataclass(frozen=True)
class Shot:
    """The version that a scene shows at a position. `protection`: why it is replaced only if named; may be empty."""

    segment_id: int
    position: int
    version: int
    clip: str | None
    frames: int
    fps: float
    protection: str
    is_stale: bool


@dataclass(frozen=True)
class Row:
    """One number: as it is now, and without and with the repair that is told of. None: not known."""

    label: str
    meaning: str
    now: float | None
    without: float | None
    repaired: float | None
    whole: bool


@dataclass(frozen=True)
class Repair:
    repair_id: str
    state: str
    words: str
    method: str
    requested_by: str
    reasons: tuple[str, ...]
    changed_frames: int
    dropped_frames: int
    ahead: int
    done: int
    total: int

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def doing(self) -> str:
        """What is going on, in words; nothing once it has ended."""
        match self.state:
            case "queued":
                return f"Queued behind {self.ahead} other{'' if self.ahead == 1 else 's'}" if self.ahead else "Queued"
            case "making" if self.total:
                return f"Making the candidate: frame {self.done} of {self.total}"
            case "making":
                return "Making the candidate"
            case "proposed":
                return "The candidate is made and is being scored; it becomes current only if no gate is worse"
            case _:
                return ""


@dataclass(frozen=True)
class Boundary:
    """`colour`: the verdict, or why there is none."""

    previous: Shot
    next: Shot
    colour: str
    reason: str
    recommendation: str
    suggested: str
    ssim: float | None
    offset: int
    rows: tuple[Row, ...]
    accepted_by: str
    accepted_at: str
    repair: Repair | None
    ahead: int

    @property
    def anchor(self) -> str:
        return f"b{self.next.position}"

    @property
    def is_followed(self) -> bool:
        """Whether something is going on that ends by itself."""
        return self.colour in UNDECIDED or (self.repair is not None and self.repair.is_open)

    @property
    def colour_words(self) -> str:
        return COLOUR_WORDS.get(self.colour, self.colour.replace("_", " "))

    @property
    def doing(self) -> str:
        """What is going on, in words; nothing where nothing is."""
        if self.repair is not None and self.repair.is_open:
            return self.repair.doing
        if self.colour == "pending":
            return f"Being measured, {self.ahead} boundaries are before it" if self.ahead else "Being measured"
        return "Waiting for smoothing to hear of the newest versions" if self.colour == "unheard" else ""

    @property
    def state(self) -> str:
        """Another text is another page; progress alone is none."""
        repair = "" if self.repair is None else f"{self.repair.repair_id}:{self.repair.state}"
        return f"{self.previous.segment_id}>{self.next.segment_id} {self.colour} {self.accepted_by} {repair}"

    @property
    def is_measured(self) -> bool:
        return self.colour in ("green", "yellow", "red")

    @property
    def can_repair(self) -> bool:
        return self.is_measured and not self.is_followed and self.colour != "green"

    @property
    def can_accept(self) -> bool:
        return self.can_repair and not self.accepted_by

    @property
    def protected(self) -> tuple[Shot, ...]:
        return tuple(shot for shot in (self.previous, self.next) if shot.protection)

    @property
    def player(self) -> dict[str, Any]:
        """What the page's script plays: the last frames of the one clip and then the first of the other."""
        sides = ({"clip": one.clip, "frames": one.frames, "fps": one.fps} for one in (self.previous, self.next))
        return {"sides": list(sides), "window": WINDOW_FRAMES, "offset": self.offset}


@dataclass(frozen=True)
class SceneBoundaries:
    scene_id: int
    name: str
    first: Shot | None
    boundaries: tuple[Boundary, ...]
    limits: JsonObject

    @property
    def state(self) -> str:
        return "; ".join(one.state for one in self.boundaries)

    @property
    def followed(self) -> list[dict[str, Any]]:
        """What goes on, for an open page. `total` 0: not known."""
        return [
            {
                "anchor": one.anchor,
                "text": one.doing,
                "done": 0 if one.repair is None else one.repair.done,
                "total": 0 if one.repair is None else one.repair.total,
            }
            for one in self.boundaries
            if one.is_followed
        ]

    @property
    def counts(self) -> dict[str, int]:
        colours = [one.colour for one in self.boundaries]
        return {colour: colours.count(colour) for colour in ("red", "yellow", "green") if colour in colours}


@dataclass(frozen=True)
class SceneLine:
    """A scene in a list."""

    scene_id: int
    name: str
    state: str
    segments: int
    created_by: str
    created_at: str


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
