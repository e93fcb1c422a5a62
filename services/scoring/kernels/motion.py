"""How much moves, how evenly, and how well a frame follows from the one before: dense optical flow at a small size."""

import cv2
import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.compiled import compiled
from services.scoring.kernels.luma import GRID, Luma, Map, cell_means

Field = NDArray[np.float32]
Mask = NDArray[np.bool_]

SIDE = 96
"""Flow at 96 x 96 pixels costs one millisecond and still sees a drift of 0.1 % of the frame."""

LEAST_SIDE = 32
"""Four patches of the flow's search, which starts at a quarter of the size; on less, OpenCV's implementation reads
outside its pyramid, and the process falls (of a clip nine times as wide as high, for example)."""

CONSISTENCY_SHARE = 0.01
CONSISTENCY_FLOOR = 0.5
"""Ruder et al. 2016, eq. 5: how far a point may be from where it started after a step there and back, squared: a share
of the two flows' squared lengths, and half a pixel's worth."""

EDGE_SHARE = 0.01
EDGE_FLOOR = 0.002
"""Ruder et al. 2016, eq. 6: a squared gradient of the flow beyond this is the edge of something that moves."""


def flow(*, previous: Luma, current: Luma) -> Field:
    """Backward dense flow, shape (h, w, 2) in pixels: current(x, y) shows what was at previous((x, y) + flow).

    Dense inverse search with variational refinement (Kroeger et al., "Fast optical flow using dense inverse search",
    ECCV 2016; OpenCV's medium preset with less overlap of patches and fewer iterations, which costs up to a fifth of
    its precision and saves a third of its time). On photographs under known camera moves its median error is 0.1 pixel
    at a drift of 1 to 8 % of the frame per step, where Farneback's polynomial expansion is 10 pixels off at 8 % and
    takes twice as long. The previous frame is first given the mean and spread of the current one, so that a change of
    light is not a motion. The result depends on the number of OpenCV's threads in the last digits; measuring uses one.
    """
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setPatchStride(4)
    search.setGradientDescentIterations(16)
    search.setVariationalRefinementIterations(3)
    return _searched(previous, current, search)


def quick_flow(*, previous: Luma, current: Luma) -> Field:
    """As `flow`, in a quarter of the time and with twice the error: enough to say whether there and back meet."""
    return _searched(previous, current, cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST))


def _searched(previous: Luma, current: Luma, search: cv2.DISOpticalFlow) -> Field:
    if previous.shape != current.shape:
        raise ValueError(f"frames of shape {previous.shape} and {current.shape} cannot be compared")
    height, width = current.shape
    down, right = max(0, LEAST_SIDE - height), max(0, LEAST_SIDE - width)
    here, there = current, _relit(picture=previous, like=current)
    if down or right:
        here, there = (np.pad(each, ((0, down), (0, right)), mode="edge") for each in (here, there))
    field = search.calc(np.ascontiguousarray(here), np.ascontiguousarray(there), np.zeros((0,), np.float32))
    return np.ascontiguousarray(field[:height, :width], dtype=np.float32)


def motion_amount(*, field: Field) -> float:
    """Mean length of the flow as a fraction of the frame's diagonal; per frame, so times fps is per second."""
    height, width = field.shape[:2]
    return float(lengths(field=field).mean(dtype=np.float64)) / float(np.hypot(height, width))


def lengths(*, field: Field) -> NDArray[np.float32]:
    """Length of the flow at every pixel, in pixels."""
    found = np.empty(field.shape[:2], dtype=np.float32)
    _measure(field, found)
    return found


def unevenness_cells(*, before: Field, here: Field, after: Field) -> Map:
    """How far a step departs from the steps around it, per cell, as a fraction of the frame's diagonal.

    Length of the flow less the mean of its two neighbours: 0 for a camera that goes on as it went, however fast; a jump
    by a is a; a frame left out is one step's motion; a start, a stop and a freeze are half of it.
    """
    height, width = here.shape[:2]
    change = lengths(field=here - (before + after) * np.float32(0.5))
    return cell_means(values=change / float(np.hypot(height, width)), grid=GRID)


def warped(*, previous: Luma, field: Field) -> NDArray[np.float32]:
    """The previous frame moved along the flow onto the current one; edges repeat."""
    moved = np.empty(previous.shape, dtype=np.float32)
    _move(previous.astype(np.float32), field, moved)
    return moved


def visible(*, field: Field, reverse: Field) -> Mask:
    """Where the current frame shows something that the previous one showed too.

    `field` leads from the current frame to the previous one, `reverse` back again. Not visible: what leaves the frame;
    where there and back does not end where it began (disocclusions); and the edges of what moves, where flow is not to
    be trusted (Ruder, Dosovitskiy and Brox, "Artistic style transfer for videos", GCPR 2016, section 4.2, after
    Sundaram et al., ECCV 2010).
    """
    seen = np.empty(field.shape[:2], dtype=np.bool_)
    _see(field, np.ascontiguousarray(reverse[..., 0]), np.ascontiguousarray(reverse[..., 1]), seen)
    return seen


def warping_error_map(*, previous: Luma, current: Luma, field: Field, mask: Mask) -> NDArray[np.float32]:
    """Squared difference, luma in [0, 1], between the current frame and the previous one moved along the flow; 0 where
    `mask` says that there is nothing to compare.

    Lai et al., "Learning blind video temporal consistency", ECCV 2018, eq. 9, on luma. Both frames are first smoothed
    by a pixel, so that the interpolation of fine texture does not count as an error of the clip.
    """
    here, there = (np.asarray(cv2.GaussianBlur(each, (0, 0), 1.0), dtype=np.float32)
                   for each in (current.astype(np.float32), previous.astype(np.float32)))  # fmt: skip
    errors = np.zeros(field.shape[:2], dtype=np.float32)
    _compare(here, there, field, mask, errors)
    return errors


def _relit(*, picture: Luma, like: Luma) -> Luma:
    """The picture with the mean and the standard deviation of another."""
    (mean, spread), (goal_mean, goal_spread) = (cv2.meanStdDev(each) for each in (picture, like))
    gain = float(goal_spread[0, 0]) / max(float(spread[0, 0]), 1.0)
    offset = float(goal_mean[0, 0]) - gain * float(mean[0, 0])
    return np.asarray(np.clip(picture.astype(np.float32) * gain + offset + 0.5, 0, 255), dtype=np.uint8)


def _at_of(values: NDArray[np.float32], x: np.float32, y: np.float32) -> np.float32:
    """Between the pixels, linearly; edges repeat."""
    height, width = values.shape
    x, y = min(max(x, np.float32(0)), np.float32(width - 1)), min(max(y, np.float32(0)), np.float32(height - 1))
    left, top = np.int32(x), np.int32(y)
    right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
    across, down = x - np.float32(left), y - np.float32(top)
    above = values[top, left] + across * (values[top, right] - values[top, left])
    below = values[bottom, left] + across * (values[bottom, right] - values[bottom, left])
    return np.float32(above + down * (below - above))


_at = compiled(_at_of)


def _measure_of(field: Field, found: NDArray[np.float32]) -> None:
    for y in range(found.shape[0]):
        for x in range(found.shape[1]):
            found[y, x] = np.sqrt(field[y, x, 0] * field[y, x, 0] + field[y, x, 1] * field[y, x, 1])


_measure = compiled(_measure_of)


def _move_of(values: NDArray[np.float32], field: Field, moved: NDArray[np.float32]) -> None:
    for y in range(moved.shape[0]):
        for x in range(moved.shape[1]):
            moved[y, x] = _at(values, np.float32(x) + field[y, x, 0], np.float32(y) + field[y, x, 1])


_move = compiled(_move_of)


def _gradient_of(field: Field, y: int, x: int) -> np.float32:
    """Squared, over both components and both directions, by forward differences as in the authors' code."""
    right, below = min(x + 1, field.shape[1] - 1), min(y + 1, field.shape[0] - 1)
    total = np.float32(0)
    for k in range(2):
        across, down = field[y, right, k] - field[y, x, k], field[below, x, k] - field[y, x, k]
        total += across * across + down * down
    return total


_gradient = compiled(_gradient_of)


def _see_of(field: Field, reverse_x: NDArray[np.float32], reverse_y: NDArray[np.float32], seen: Mask) -> None:
    height, width = seen.shape
    share, floor = np.float32(CONSISTENCY_SHARE), np.float32(CONSISTENCY_FLOOR)
    edge_share, edge_floor = np.float32(EDGE_SHARE), np.float32(EDGE_FLOOR)
    for y in range(height):
        for x in range(width):
            dx, dy = field[y, x, 0], field[y, x, 1]
            to_x, to_y = np.float32(x) + dx, np.float32(y) + dy
            there = dx * dx + dy * dy
            seen[y, x] = False
            if to_x < 0 or to_y < 0 or to_x > width - 1 or to_y > height - 1:
                continue
            if _gradient(field, y, x) > edge_share * there + edge_floor:
                continue
            back_x, back_y = _at(reverse_x, to_x, to_y), _at(reverse_y, to_x, to_y)
            apart = (dx + back_x) * (dx + back_x) + (dy + back_y) * (dy + back_y)
            seen[y, x] = apart <= share * (there + back_x * back_x + back_y * back_y) + floor


_see = compiled(_see_of)


def _compare_of(
    here: NDArray[np.float32], there: NDArray[np.float32], field: Field, mask: Mask, errors: NDArray[np.float32]
) -> None:
    for y in range(errors.shape[0]):
        for x in range(errors.shape[1]):
            if mask[y, x]:
                moved = _at(there, np.float32(x) + field[y, x, 0], np.float32(y) + field[y, x, 1])
                errors[y, x] = ((here[y, x] - moved) / np.float32(255)) ** 2


_compare = compiled(_compare_of)
