"""Draft and full: the same scene with less effort. Clips of different tiers are never compared."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from services.dispatch.domain.scenes import Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftScale:
    """How a draft is made. Sides below `minimum_side` pixels are beyond what video models were trained on."""

    size: float = 0.5
    steps: float = 0.5
    minimum_steps: int = 4
    minimum_side: int = 64


HALF = DraftScale()


def at_tier(
    parameters: Mapping[str, Any],
    tier: Tier,
    *,
    bound: Collection[str],
    size_multiple: int = 8,
    scale: DraftScale = HALF,
) -> dict[str, Any]:
    """The parameters that are really rendered. Frames, fps and seed never change, and nothing ever grows.

    Only what the graph binds is scaled, and a size only if both sides are bound: one side alone would change the shape.
    """
    scaled = dict(parameters)
    if tier is Tier.FULL:
        return scaled
    width, height, steps = (parameters.get(name) for name in ("width", "height", "steps"))
    if {"width", "height"} <= set(bound) and width is not None and height is not None:
        scaled["width"], scaled["height"] = draft_size(width, height, size_multiple=size_multiple, scale=scale)
    if "steps" in bound and steps is not None:
        scaled["steps"] = min(steps, max(scale.minimum_steps, round(steps * scale.steps)))
    return scaled


def draft_size(width: int, height: int, *, size_multiple: int, scale: DraftScale = HALF) -> tuple[int, int]:
    """A legal size near the scaled one that keeps the shape best; the full size where scaling would go too low."""
    if min(width, height) * scale.size < scale.minimum_side:
        return width, height
    widths = _neighbours(width * scale.size, size_multiple, most=width)
    heights = _neighbours(height * scale.size, size_multiple, most=height)
    shape, area = width / height, width * height * scale.size**2

    def badness(size: tuple[int, int]) -> float:
        proportion, surface = size[0] / size[1] / shape, size[0] * size[1] / area
        return 4 * abs(proportion - 1) + abs(surface - 1)

    return min(product(widths, heights), key=badness)


def _neighbours(wanted: float, multiple: int, *, most: int) -> list[int]:
    below = max(multiple, int(wanted // multiple) * multiple)
    return [side for side in (below, below + multiple) if side <= most] or [most]
