"""A scene's boundaries as people see them: one card for every cut, what it says, and what may be done about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JsonObject = Mapping[str, Any]

WINDOW_FRAMES = 12
"""What is played on each side of a cut: as much as is measured by default."""

OPEN = ("queued", "making", "proposed")
UNDECIDED = ("pending", "unheard")
COLOUR_WORDS = {"pending": "being measured", "unheard": "being measured"}


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
