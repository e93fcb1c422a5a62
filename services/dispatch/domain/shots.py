"""Test shots: one short segment that shows what a configuration does, before a whole scene is paid for."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from services.dispatch.domain.errors import Conflict
from services.dispatch.domain.scenes import Json, Purpose, Review, Scene, SceneState, Segment, Tier

SHORTEST_SECONDS, LONGEST_SECONDS = 2.0, 3.0

FRAME_STEP = 4
"""Video models compress time in steps of four frames: a length they take stays one they take if its rest is kept."""

OWN_TO_A_SHOT = frozenset({"seed", "frames"})
"""Every shot has its own dice and is short; neither keeps it from being the first segment of a scene."""


class ShotSort(StrEnum):
    DATE = "date"
    CHARACTER = "character"
    QUALITY = "quality"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotDraft:
    """`assets` and `parameters` as they are locked for the render, full-tier."""

    workflow_id: int
    lora_id: int | None
    model_id: int | None
    source_scene_id: int | None
    batch_id: int | None
    cell_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """`parameters` are those that were asked for, at full tier. What came of it is set once it is `completed`.

    Paths are names in the media store: the hashes of what is stored.
    """

    id: int
    project_id: int
    scene_type_id: int
    character_id: int
    workflow_id: int | None
    lora_id: int | None
    model_id: int | None
    tier: Tier
    parameters: Json
    assets: Sequence[Json]
    seed_image_path: str
    output_video_path: str | None
    last_frame_path: str | None
    duration_secs: float | None
    quality_score: float | None
    gate_verdict: str | None
    render_seconds: float | None
    state: SceneState
    state_reason: str
    is_promoted: bool
    promoted_to_scene_id: int | None
    promoted_segment_id: int | None
    render_scene_id: int
    source_scene_id: int | None
    batch_id: int | None
    cell_name: str
    fingerprint: str
    created_by_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing in which two configurations are not the same. `hinders`: it keeps a shot from fitting a scene."""

    name: str
    first: Any
    second: Any
    hinders: bool = True


class DoesNotFit(Conflict):
    """The shot was made with something else than the scene asks for; a person may insist."""

    def __init__(self, message: str, differences: Sequence[Difference]) -> None:
        super().__init__(message)
        self.differences = tuple(differences)


def shot_frames(frames: int | None, fps: float | None) -> int | None:
    """A length of 2 to 3 s near the planned one, in a step that the model takes. None where the graph decides.

    Without a known rate the planned length stays: nothing says how long it is.
    """
    if frames is None or fps is None:
        return frames
    shortest, longest = math.ceil(SHORTEST_SECONDS * fps), max(1, math.floor(LONGEST_SECONDS * fps))
    if shortest <= frames <= longest:
        return frames
    fitting = [n for n in range(shortest, longest + 1) if n % FRAME_STEP == frames % FRAME_STEP]
    if frames > longest:
        return fitting[-1] if fitting else longest
    return fitting[0] if fitting else shortest


def fingerprint(
    *, character_id: int, seed_image_sha256: str, tier: Tier, assets: Sequence[Json], parameters: Json
) -> str:
    """Equal for two shots exactly when nothing that goes into their renders differs."""
    parts = {
        "character": character_id,
        "seed_image": seed_image_sha256,
        "tier": tier.value,
        "assets": sorted([asset["kind"], asset["version_id"]] for asset in assets),
        "parameters": parameters,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def differences(
    first: Json,
    second: Json,
    *,
    first_assets: Sequence[Json],
    second_assets: Sequence[Json],
    first_tier: Tier,
    second_tier: Tier,
) -> list[Difference]:
    """Everything in which two configurations differ, assets by name and version, then parameters by name."""
    found = [] if first_tier is second_tier else [Difference(name="tier", first=first_tier, second=second_tier)]
    mine, other = _versions(first_assets), _versions(second_assets)
    found += [
        Difference(name=kind, first=mine.get(kind), second=other.get(kind))
        for kind in sorted(mine.keys() | other.keys())
        if mine.get(kind) != other.get(kind)
    ]
    found += [
        Difference(name=name, first=first.get(name), second=second.get(name), hinders=name not in OWN_TO_A_SHOT)
        for name in sorted(first.keys() | second.keys())
        if first.get(name) != second.get(name)
    ]
    return found


def _versions(assets: Sequence[Json]) -> Mapping[str, str]:
    return {asset["kind"]: f"{asset['name']} version {asset['version']}" for asset in assets}


def refuse_promotion(shot: Shot, scene: Scene, chain: Sequence[Segment]) -> None:
    """What no override helps against: there is nothing to promote, or it would overwrite what a person approved."""
    if shot.state is not SceneState.COMPLETED:
        raise Conflict(f"test shot {shot.id} is {shot.state.value}; only a completed one can be promoted")
    if shot.is_promoted:
        where = f"to scene {shot.promoted_to_scene_id}" if shot.promoted_to_scene_id else "to a scene deleted since"
        raise Conflict(f"test shot {shot.id} was promoted {where}; make another shot for this scene")
    if scene.purpose is not Purpose.SCENE:
        raise Conflict(f"scene {scene.id} is a {scene.purpose.value}; promote to a person's scene")
    if scene.character_id != shot.character_id:
        raise Conflict(
            f"test shot {shot.id} shows character {shot.character_id}, scene {scene.id} is of character "
            f"{scene.character_id}; choose a shot of the scene's character"
        )
    for segment in chain:
        if segment.is_locked or segment.review is Review.APPROVED:
            raise Conflict(
                f"segment {segment.position} of scene {scene.id} is {'locked' if segment.is_locked else 'approved'}, "
                "and the shot would replace it; unlock or reject it first, or promote to another scene"
            )


def refuse_misfit(shot: Shot, scene: Scene, first: Segment, *, override: bool) -> list[Difference]:
    """The differences, for people to see. Raises DoesNotFit when one of them hinders and nobody insists."""
    found = differences(
        shot.parameters,
        first.requested_parameters,
        first_assets=shot.assets,
        second_assets=scene.assets,
        first_tier=shot.tier,
        second_tier=scene.tier,
    )
    if shot.seed_image_path != scene.seed_image_sha256:
        found.append(Difference(name="seed_image", first=shot.seed_image_path, second=scene.seed_image_sha256))
    hindering = [difference.name for difference in found if difference.hinders]
    if hindering and not override:
        raise DoesNotFit(
            f"test shot {shot.id} differs from segment 1 of scene {scene.id} in {', '.join(hindering)}; "
            "promote one that fits, or send override: true",
            found,
        )
    return found
