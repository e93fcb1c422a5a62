"""Finding a known patch again in a frame, and holding on to it with sub-pixel accuracy.

A placement is the affine map, shape (2, 3), from the unit square centred on the origin (-0.5 to 0.5) to picture pixels.
Keeping the map rather than a box lets a region turn with the camera, and keeps it from jumping by whole pixels.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.look import PATCH
from services.scoring.kernels.luma import Luma

Box: TypeAlias = tuple[float, float, float, float]
Placement: TypeAlias = NDArray[np.float64]

TEMPLATE = 40
"""Side of the template for matching: large enough for eyes and mouth, small enough for a search per frame."""

REFINE_BLURS = (3.0, 1.2)
"""Patch pixels: the first catches a move of a few pixels, the second settles to a tenth of one."""

REFINE_STEPS = 8
SETTLED = 0.02
LARGEST_TURN = 0.35
"""What one refinement may change: patch sides of shift, or share of scale and radians of turn. Beyond it the update has
lost the region, and the starting placement is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Where a template was found: `score` is the zero-mean normalised cross-correlation, -1 to 1."""

    box: Box
    score: float


def placed(*, box: Box) -> Placement:
    """The upright placement of a box (x, y, width, height)."""
    x, y, width, height = box
    return np.array([[width, 0.0, x + width / 2], [0.0, height, y + height / 2]])


def bounds(*, placement: Placement) -> Box:
    """The upright box around a placement."""
    half_width = (abs(placement[0, 0]) + abs(placement[0, 1])) / 2
    half_height = (abs(placement[1, 0]) + abs(placement[1, 1])) / 2
    return (
        float(placement[0, 2] - half_width),
        float(placement[1, 2] - half_height),
        float(2 * half_width),
        float(2 * half_height),
    )


def patch(*, picture: NDArray[np.uint8], placement: Placement, side: int = PATCH) -> NDArray[np.uint8]:
    """The placed square resampled to side x side, with sub-pixel accuracy; beyond the picture the edge repeats.

    A region larger than the patch is smoothed first, so that nothing aliases; only the part around it is touched.
    """
    left, top, right, bottom = _around(placement, picture.shape)
    part = picture[top:bottom, left:right]
    step = float(max(np.hypot(placement[0, 0], placement[1, 0]), np.hypot(placement[0, 1], placement[1, 1]))) / side
    if step > 1.2:
        part = np.asarray(cv2.GaussianBlur(part, (0, 0), 0.45 * step), dtype=np.uint8)
    unit = np.array([[1 / side, 0, (0.5 - side / 2) / side], [0, 1 / side, (0.5 - side / 2) / side], [0, 0, 1]])
    matrix = placement @ unit - np.array([[0, 0, left + 0.5], [0, 0, top + 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    out = cv2.warpAffine(part, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, dtype=np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A reference patch made ready to be found again: standardised at each blur, with the solver of its increments."""

    side: int
    levels: tuple[tuple[NDArray[np.float64], NDArray[Any]], ...]


def goal(*, reference: Luma) -> Goal:
    standardised = [_standardised(reference, blur) for blur in REFINE_BLURS]
    solvers: list[NDArray[Any]] = [np.linalg.pinv(_steepest_descent(level)) for level in standardised]
    return Goal(side=reference.shape[0], levels=tuple(zip(standardised, solvers, strict=True)))


def refined(*, goal: Goal, picture: Luma, placement: Placement) -> Placement:
    """The placement moved, scaled and turned so that the patch there agrees best with the reference patch.

    Inverse-compositional Lucas-Kanade for a similarity transform, with brightness and contrast normalised (Baker and
    Matthews, "Lucas-Kanade 20 years on", IJCV 56, 2004, section 3.2). Only shift, scale and turn are free: bending a
    face is what must not be undone.
    """
    current = placement
    for blur, (wanted, solver) in zip(REFINE_BLURS, goal.levels, strict=True):
        for _ in range(REFINE_STEPS):
            error = _standardised(patch(picture=picture, placement=current, side=goal.side), blur) - wanted
            scale, turn, across, down = (float(value) for value in solver @ error.ravel())
            step = np.array([[1 + scale, -turn, across], [turn, 1 + scale, down], [0, 0, 1]])
            current = current @ np.linalg.inv(step)
            if max(abs(scale), abs(turn), abs(across), abs(down)) * goal.side < SETTLED:
                break
    return current if _plausible(placement, current) else placement


def agreement(*, goal: Goal, picture: Luma, placement: Placement) -> float:
    """Zero-mean normalised correlation of the patch at a placement with the reference patch, -1 to 1."""
    there = patch(picture=picture, placement=placement, side=goal.side)
    return float(np.mean(_standardised(there, REFINE_BLURS[-1]) * goal.levels[-1][0]))


def _around(placement: Placement, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    x, y, width, height = bounds(placement=placement)
    margin = 4 + 0.1 * max(width, height)
    left = int(np.clip(x - margin, 0, shape[1] - 1))
    top = int(np.clip(y - margin, 0, shape[0] - 1))
    right = int(np.clip(np.ceil(x + width + margin), left + 1, shape[1]))
    bottom = int(np.clip(np.ceil(y + height + margin), top + 1, shape[0]))
    return left, top, right, bottom


def _standardised(square: Luma, blur: float) -> NDArray[np.float64]:
    values = cv2.GaussianBlur(square.astype(np.float64), (0, 0), blur)
    return np.asarray((values - values.mean()) / max(1.0, float(values.std())), dtype=np.float64)


def _steepest_descent(wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    side = wanted.shape[0]
    down, across = np.gradient(wanted, 1.0 / side)
    at = (np.arange(side) - (side - 1) / 2) / side
    x, y = np.meshgrid(at, at)
    columns = (across * x + down * y, down * x - across * y, across, down)
    return np.stack([column.ravel() for column in columns], axis=1)


def _plausible(before: Placement, after: Placement) -> bool:
    change = np.linalg.inv(np.vstack([before, [0, 0, 1]])) @ np.vstack([after, [0, 0, 1]])
    return bool(np.all(np.isfinite(change)) and np.all(np.abs(change - np.eye(3)) < LARGEST_TURN))


def find(*, template: Luma, picture: Luma, near: Box, reach: float, scales: tuple[float, ...]) -> Match | None:
    """The best match of a square template of side TEMPLATE for a box of about `near`'s size.

    Searches within `reach` box widths around `near`, at each scale of its size. The peak is refined by a parabola
    through its neighbours (sub-pixel), so that a slow camera does not make the box jump. None: the window lies outside
    the picture.
    """
    best: Match | None = None
    for scale in scales:
        found = _find_at(template, picture, near, reach, scale)
        if found is not None and (best is None or found.score > best.score):
            best = found
    return best


def _find_at(template: Luma, picture: Luma, near: Box, reach: float, scale: float) -> Match | None:
    x, y, width, height = near
    box_width, box_height = width * scale, height * scale
    centre_x, centre_y = x + width / 2, y + height / 2
    shape = (picture.shape[1], picture.shape[0])
    window = _window(centre_x, centre_y, box_width * (0.5 + reach), box_height * (0.5 + reach), shape)
    left, top, right, bottom = window
    step_x, step_y = box_width / TEMPLATE, box_height / TEMPLATE
    columns, rows = round((right - left) / step_x), round((bottom - top) / step_y)
    if columns < TEMPLATE or rows < TEMPLATE:
        return None
    method = cv2.INTER_AREA if max(step_x, step_y) > 1 else cv2.INTER_LINEAR
    small = cv2.resize(picture[top:bottom, left:right], (columns, rows), interpolation=method)
    scores = cv2.matchTemplate(small, template, cv2.TM_CCOEFF_NORMED)
    _, score, _, (column, row) = cv2.minMaxLoc(scores)
    if not np.isfinite(score):
        return None
    fine_column = column + _peak(scores[row], column)
    fine_row = row + _peak(scores[:, column], row)
    per_x, per_y = (right - left) / columns, (bottom - top) / rows
    box = (left + fine_column * per_x, top + fine_row * per_y, TEMPLATE * per_x, TEMPLATE * per_y)
    return Match(box=box, score=float(score))


def _window(
    centre_x: float, centre_y: float, half_width: float, half_height: float, size: tuple[int, int]
) -> tuple[int, int, int, int]:
    left, right = max(0, int(centre_x - half_width)), min(size[0], int(np.ceil(centre_x + half_width)))
    top, bottom = max(0, int(centre_y - half_height)), min(size[1], int(np.ceil(centre_y + half_height)))
    return left, top, max(left, right), max(top, bottom)


def _peak(line: NDArray[Any], at: int) -> float:
    if at == 0 or at == len(line) - 1:
        return 0.0
    before, here, after = (float(value) for value in line[at - 1 : at + 2])
    bend = before - 2 * here + after
    return 0.0 if bend >= 0 else float(np.clip((before - after) / (2 * bend), -0.5, 0.5))
