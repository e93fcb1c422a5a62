"""The image model: real pixels from a start image, by continuous image operations. Pure functions of arrays.

Every effect grows from (almost) nothing in the first frame to its full size in the last one, so that a clip begins
where the clip before it ended and a chain of clips drifts a little further with each link. Coordinates are shares of
the picture, so that a draft at half size shows the same thing. Images are uint8 RGB [height, width, 3].
"""

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from deploy.comfyui_standin.samplers import denoise_frame, sigmas

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

IMAGE_MODEL_VERSION = "1"
"""Changes whenever the same graph and seed would give other pixels."""

EMBEDDING_LENGTH = 6
"""Numbers in a prompt embedding: three tint directions, two pan directions, one zoom direction."""

NEUTRAL_CFG = 6.0
"""The guidance at which contrast and saturation stay as they are."""

PAN_SHARE = 0.012
ZOOM_SHARE = 0.016
BREATH_SHARE = 0.0025
"""Sizes of the camera's pan, its zoom and the scene's own small movement, in shares of the picture's width."""

TINT_SHARE = 0.012
GUIDANCE_SHARE = 0.05
"""The largest change of a colour channel by the prompt, and of contrast or saturation by cfg, in one clip."""


def _no_curve() -> Floats:
    return np.linspace(0.0, 1.0, 9, dtype=np.float32)


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds: a tone curve over 0..1 and two gains for movement and grain."""

    tone_curve: Floats = field(default_factory=_no_curve)
    motion_gain: float = 1.0
    grain_gain: float = 1.0


@dataclass(frozen=True)
class Lora:
    """What a LoRA file holds. All zeros changes nothing.

    `colour` and `local_colour` are 3x4 differences from the identity (the last column is an offset), the second one
    applied where `region` says; `displacement` is [2, h, w] in shares of width and height; `detail` holds the gains
    of the fine and of the middle frequency band; `region` is [h, w] in 0..1.
    """

    colour: Floats
    local_colour: Floats
    region: Floats
    displacement: Floats
    detail: Floats


@dataclass(frozen=True)
class Settings:
    """One clip to render. `embedding` is the difference of the positive and the negative prompt's embedding."""

    width: int
    height: int
    frames: int
    seed: int
    steps: int
    cfg: float
    sampler: str = "euler"
    scheduler: str = "normal"
    denoise: float = 1.0
    embedding: tuple[float, ...] = (0.0,) * EMBEDDING_LENGTH


@dataclass(frozen=True)
class Look:
    """Everything that is the same for all frames of one clip, made ready once."""

    settings: Settings
    checkpoint: Checkpoint
    pan: tuple[float, float, float, float]
    zoom: float
    breath: Floats
    displacement: Floats
    region: Floats
    colour: Floats
    local_colour: Floats
    detail: tuple[float, float]
    texture: Floats


def embed(text: str) -> tuple[float, ...]:
    """Each word is a fixed direction; a text is their mean, so a small change of words is a small change of effect."""
    words = text.lower().split()
    if not words:
        return (0.0,) * EMBEDDING_LENGTH
    total = np.zeros(EMBEDDING_LENGTH)
    for word in words:
        digest = hashlib.sha256(word.encode()).digest()
        total += np.frombuffer(digest[:EMBEDDING_LENGTH], dtype=np.uint8) / 127.5 - 1.0
    return tuple(float(value) for value in total / len(words) ** 0.5)


def resize(image: Pixels, *, width: int, height: int) -> Pixels:
    """Scale to cover the wanted size and cut the middle out, so that proportions are kept."""
    rows, columns = image.shape[:2]
    if (rows, columns) == (height, width):
        return image
    scale = max(width / columns, height / rows)
    size = (max(width, round(columns * scale)), max(height, round(rows * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(image, size, interpolation=method)
    top, left = (scaled.shape[0] - height) // 2, (scaled.shape[1] - width) // 2
    return np.ascontiguousarray(scaled[top : top + height, left : left + width], dtype=np.uint8)


def _smooth_noise(random: np.random.Generator, *, cells: int, width: int, height: int, planes: int) -> Floats:
    coarse = random.standard_normal((cells, cells, planes)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def _upscaled(planes: Floats, *, width: int, height: int) -> Floats:
    """[k, h, w] -> [height, width, k]"""
    scaled = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_CUBIC) for plane in planes]
    return np.asarray(np.stack(scaled, axis=-1), dtype=np.float32)


def prepare(settings: Settings, checkpoint: Checkpoint, loras: tuple[tuple[Lora, float], ...]) -> Look:
    """Draw the seeded parts and add up the LoRAs, each times its strength."""
    random = np.random.default_rng(settings.seed)
    width, height = settings.width, settings.height
    draws = random.uniform(-1.0, 1.0, 5)
    hints = np.asarray(settings.embedding)
    pan_x, pan_y = (draws[:2] + 0.4 * hints[3:5]) * PAN_SHARE * checkpoint.motion_gain
    zoom = float(abs(draws[4]) * 0.6 + 0.4 + 0.3 * hints[5]) * ZOOM_SHARE * checkpoint.motion_gain
    breath = _smooth_noise(random, cells=5, width=width, height=height, planes=2)
    texture = random.standard_normal((height, width), dtype=np.float32)
    displacement = np.zeros((height, width, 2), np.float32)
    region = np.zeros((height, width), np.float32)
    colour, local_colour = np.zeros((3, 4), np.float32), np.zeros((3, 4), np.float32)
    fine = middle = 0.0
    for lora, strength in loras:
        displacement += _upscaled(lora.displacement, width=width, height=height) * np.float32(strength)
        region = np.maximum(region, _upscaled(lora.region[None], width=width, height=height)[..., 0])
        colour = colour + lora.colour * np.float32(strength)
        local_colour = local_colour + lora.local_colour * np.float32(strength)
        fine, middle = fine + float(lora.detail[0]) * strength, middle + float(lora.detail[1]) * strength
    return Look(
        settings=settings,
        checkpoint=checkpoint,
        pan=(float(pan_x), float(pan_y), float(draws[2]), float(draws[3])),
        zoom=zoom,
        breath=breath * np.float32(BREATH_SHARE * checkpoint.motion_gain),
        displacement=displacement,
        region=region,
        colour=colour,
        local_colour=local_colour,
        detail=(fine, middle),
        texture=texture,
    )


def progress_of(frame: int, frames: int, denoise: float) -> float:
    """How far the effects have grown: 0 in the first frame, `denoise` in the last, without a jerk at the ends."""
    if frames < 2:
        return 0.0
    share = frame / (frames - 1)
    return denoise * (0.5 * share + 0.5 * (0.5 - 0.5 * math.cos(math.pi * share)))


def _warp(image: Floats, look: Look, grown: float) -> Floats:
    height, width = image.shape[:2]
    pan_x, pan_y, bend_x, bend_y = look.pan
    sway = math.sin(math.pi * grown) * 0.35 * PAN_SHARE * look.checkpoint.motion_gain
    shift_x, shift_y = pan_x * grown + sway * bend_x, pan_y * grown + sway * bend_y
    scale = 1.0 / (1.0 + look.zoom * grown)
    moved = look.breath * np.float32(math.sin(math.pi * grown)) + look.displacement * np.float32(grown)
    columns = (np.arange(width, dtype=np.float32) - width / 2) * scale + width / 2 + shift_x * width
    rows = (np.arange(height, dtype=np.float32) - height / 2) * scale + height / 2 + shift_y * height
    map_x = columns[None, :] + moved[..., 0] * width
    map_y = rows[:, None] + moved[..., 1] * height
    border = cv2.BORDER_REFLECT_101
    warped = cv2.remap(image, map_x, map_y, interpolation=cv2.INTER_LANCZOS4, borderMode=border)
    return np.asarray(warped, dtype=np.float32)


def _affine(image: Floats, difference: Floats, amount: float) -> Floats:
    change = cv2.transform(image, difference * np.float32(amount))
    return np.asarray(change, dtype=np.float32)


def _coloured(image: Floats, look: Look, grown: float) -> Floats:
    settings = look.settings
    change = _affine(image, look.colour, grown)
    if look.local_colour.any():
        change += _affine(image, look.local_colour, grown) * look.region[..., None]
    tint = np.asarray(settings.embedding[:3], np.float32) * np.float32(TINT_SHARE * grown)
    image = image + change + tint
    guidance = GUIDANCE_SHARE * math.tanh((settings.cfg - NEUTRAL_CFG) / NEUTRAL_CFG) * grown
    grey = image @ np.asarray([[0.299], [0.587], [0.114]], np.float32)
    image = grey + (image - grey) * np.float32(1.0 + guidance)
    image = (image - 0.5) * np.float32(1.0 + 0.6 * guidance) + 0.5
    curve = look.checkpoint.tone_curve
    points = np.linspace(0.0, 1.0, len(curve), dtype=np.float32)
    if np.array_equal(curve, points):
        return np.asarray(image, dtype=np.float32)
    toned = np.interp(image, points, curve).astype(np.float32)
    return np.asarray(image + (toned - image) * np.float32(grown), dtype=np.float32)


def _detailed(image: Floats, look: Look, grown: float) -> Floats:
    """Frequency bands are measured in shares of the picture, so that draft and full size change alike."""
    fine, middle = look.detail
    if not (fine or middle):
        return image
    unit = image.shape[1] / 256.0
    soft = cv2.GaussianBlur(image, (0, 0), 0.8 * unit)
    softer = cv2.GaussianBlur(image, (0, 0), 3.0 * unit)
    change = (image - soft) * np.float32(fine * grown) + (soft - softer) * np.float32(middle * grown)
    return np.asarray(image + change, dtype=np.float32)


def target_frame(base: Floats, look: Look, frame: int) -> Floats:
    """What the frame would be without any noise left; float RGB in about 0..1."""
    grown = progress_of(frame, look.settings.frames, look.settings.denoise)
    return _detailed(_coloured(_warp(base, look, grown), look, grown), look, grown)


def render(
    start: Pixels,
    look: Look,
    tick: Callable[[int], None] = lambda step: None,
    *,
    quick: bool = False,
) -> Iterator[Pixels]:
    """The frames of one clip. `tick` hears the number of whole sampling steps done so far, and may raise to stop.

    The work is frames x steps passes over the picture. `quick` leaves the passes out (for tests of waiting, not of
    pictures).
    """
    settings = look.settings
    base = resize(start, width=settings.width, height=settings.height).astype(np.float32) / np.float32(255)
    schedule = sigmas(settings.scheduler, settings.steps)
    total = settings.frames * settings.steps
    for frame in range(settings.frames):
        image = target_frame(base, look, frame)
        if not quick:
            noise = np.random.default_rng([settings.seed, frame])
            grain = look.texture * np.float32(0.8) + noise.standard_normal(look.texture.shape, np.float32) * np.float32(
                0.4
            )
            passes = denoise_frame(
                image,
                grain * np.float32(look.checkpoint.grain_gain * settings.denoise),
                schedule,
                settings.sampler,
                noise,
            )
            for step, passed in enumerate(passes, start=1):
                image = passed
                tick((frame * settings.steps + step) * settings.steps // total)
        yield np.clip(image * np.float32(255) + np.float32(0.5), 0, 255).astype(np.uint8)
