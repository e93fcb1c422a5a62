"""Makes and reads the small `.safetensors` files the stand-in renders with: LoRAs and a checkpoint.

    python -m deploy.comfyui_standin.lora_files out.safetensors --parameters parameters.json
    python -m deploy.comfyui_standin.lora_files base.safetensors --checkpoint

A file says what it does in its numbers alone: a colour matrix, a low-resolution displacement field, two frequency gains
and the region where the local part applies.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from deploy.comfyui_standin.image_model import Checkpoint, Floats, Lora

FIELD_CELLS = 32
"""Rows and columns of the displacement field and of the region."""

CHECKPOINT_NAME = "standin-base.safetensors"


@dataclass(frozen=True)
class Region:
    """A soft ellipse: centre and radii in shares of the picture; 1 inside, falling to 0 at twice the radius."""

    x: float
    y: float
    radius_x: float
    radius_y: float

    def weights(self) -> Floats:
        centres = (np.arange(FIELD_CELLS, dtype=np.float32) + 0.5) / FIELD_CELLS
        distance = np.hypot((centres[None, :] - self.x) / self.radius_x, (centres[:, None] - self.y) / self.radius_y)
        share = np.clip(2.0 - distance, 0.0, 1.0)
        return np.asarray(share * share * (3.0 - 2.0 * share), dtype=np.float32)


def colour_matrix(
    *, warmth: float = 0.0, saturation: float = 0.0, contrast: float = 0.0, brightness: float = 0.0, hue: float = 0.0
) -> Floats:
    """A 3x4 difference from the identity. `hue` (radians) turns colours about the grey axis."""
    grey = np.full((3, 3), 1.0 / 3.0)
    cross = np.asarray([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3.0)
    turned = np.cos(hue) * np.eye(3) + np.sin(hue) * cross + (1.0 - np.cos(hue)) * grey
    saturated = grey + (turned - grey) * (1.0 + saturation)
    linear = saturated * (1.0 + contrast) @ np.diag([1.0 + warmth, 1.0, 1.0 - warmth])
    offset = np.full((3, 1), brightness - 0.5 * contrast)
    return np.asarray(np.hstack([linear - np.eye(3), offset]), dtype=np.float32)


def displacement_field(
    region: Region, *, bulge: float = 0.0, swirl: float = 0.0, x: float = 0.0, y: float = 0.0
) -> Floats:
    """[2, cells, cells]: inside the region, outward push, turn and plain shift, in shares of the picture."""
    centres = (np.arange(FIELD_CELLS, dtype=np.float32) + 0.5) / FIELD_CELLS
    across = np.broadcast_to((centres[None, :] - region.x) / region.radius_x, (FIELD_CELLS, FIELD_CELLS))
    down = np.broadcast_to((centres[:, None] - region.y) / region.radius_y, (FIELD_CELLS, FIELD_CELLS))
    weights = region.weights()
    move_x = (-bulge * across - swirl * down + x) * weights
    move_y = (-bulge * down + swirl * across + y) * weights
    return np.asarray(np.stack([move_x, move_y]), dtype=np.float32)


def _quantised(values: Floats, step: float | None) -> Floats:
    return values if not step else np.asarray(np.round(values / step) * step, dtype=np.float32)


def write_lora(
    path: Path,
    *,
    colour: Floats | None = None,
    local_colour: Floats | None = None,
    region: Region | None = None,
    displacement: Floats | None = None,
    detail: Sequence[float] = (0.0, 0.0),
    quantisation_step: float | None = None,
) -> None:
    """Write a LoRA. Parts left out do nothing. `quantisation_step` rounds every number, as a smaller export would."""
    nothing = np.zeros((3, 4), np.float32)
    where = np.zeros((FIELD_CELLS, FIELD_CELLS), np.float32) if region is None else region.weights()
    field = np.zeros((2, FIELD_CELLS, FIELD_CELLS), np.float32) if displacement is None else displacement
    tensors = {
        "colour.weight": nothing if colour is None else colour,
        "local_colour.weight": nothing if local_colour is None else local_colour,
        "region.weight": where,
        "displacement.weight": field,
        "detail.weight": np.asarray(detail, np.float32),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(save({name: _quantised(value, quantisation_step) for name, value in tensors.items()}))


def write_lora_from_parameters(path: Path, parameters: dict[str, Any]) -> None:
    """`parameters`: the keyword arguments of `colour_matrix` under `colour` and `local_colour`, of `Region` under
    `region`, of `displacement_field` under `displacement` (which needs a region), plus `detail` and
    `quantisation_step`.

    Raises TypeError for a name that doesn't exist.
    """
    given = dict(parameters)
    region = Region(**given.pop("region")) if given.get("region") else None
    field = given.pop("displacement", None)
    if field is not None and region is None:
        raise TypeError("displacement needs a region")
    write_lora(
        path,
        region=region,
        displacement=displacement_field(region, **field) if field is not None and region is not None else None,
        colour=colour_matrix(**given.pop("colour", {})),
        local_colour=colour_matrix(**given.pop("local_colour", {})),
        **given,
    )


def read_lora(path: Path) -> Lora:
    """Raises ValueError for a file that isn't one of ours, with the name of what is wrong."""
    tensors = _tensors(path)
    try:
        return Lora(
            colour=tensors["colour.weight"].reshape(3, 4),
            local_colour=tensors["local_colour.weight"].reshape(3, 4),
            region=np.ascontiguousarray(tensors["region.weight"]),
            displacement=np.ascontiguousarray(tensors["displacement.weight"]),
            detail=tensors["detail.weight"].reshape(2),
        )
    except KeyError as missing:
        raise ValueError(f"lora key not found: {missing}") from missing


def write_checkpoint(path: Path, *, tone_gamma: float = 1.0, motion_gain: float = 1.0, grain_gain: float = 1.0) -> None:
    """Write a checkpoint. `tone_gamma` bends the tone curve; the two gains scale camera movement and grain."""
    curve = np.linspace(0.0, 1.0, 9, dtype=np.float32) ** np.float32(tone_gamma)
    tensors = {
        "tone.weight": np.asarray(curve, np.float32),
        "motion.weight": np.asarray([motion_gain], np.float32),
        "grain.weight": np.asarray([grain_gain], np.float32),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(save(tensors))


def read_checkpoint(path: Path) -> Checkpoint:
    """Raises ValueError for a file that isn't one of ours."""
    tensors = _tensors(path)
    try:
        return Checkpoint(
            tone_curve=tensors["tone.weight"],
            motion_gain=float(tensors["motion.weight"][0]),
            grain_gain=float(tensors["grain.weight"][0]),
        )
    except KeyError as missing:
        raise ValueError(f"could not detect model type: {missing} is missing") from missing


def _tensors(path: Path) -> dict[str, Floats]:
    try:
        return {name: np.asarray(value, np.float32) for name, value in load(path.read_bytes()).items()}
    except Exception as problem:
        raise ValueError(f"{path.name} is not a readable safetensors file: {problem}") from problem


def main() -> None:
    """The command line: one file per call."""
    parser = argparse.ArgumentParser(description="Write a LoRA or a checkpoint for the ComfyUI stand-in.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--parameters", type=Path, help="JSON file with the parameters; see write_lora_from_parameters")
    parser.add_argument("--checkpoint", action="store_true", help="write a checkpoint (parameters of write_checkpoint)")
    arguments = parser.parse_args()
    parameters = json.loads(arguments.parameters.read_text()) if arguments.parameters else {}
    if arguments.checkpoint:
        write_checkpoint(arguments.path, **parameters)
    else:
        write_lora_from_parameters(arguments.path, parameters)


if __name__ == "__main__":
    main()
