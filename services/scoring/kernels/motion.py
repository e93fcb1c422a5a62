"""How much moves, how evenly, and how well a frame follows from the one before: dense optical flow at a small size."""

import cv2
import numpy as np
from numpy.typing import NDArray

from services.scoring.kernels.luma import GRID, Luma, Map, cell_means

Field = NDArray[np.float32]
Mask = NDArray[np.bool_]

SIDE = 96
"""Flow at 96 x 96 pixels costs one millisecond and still sees a drift of 0.1 % of the frame."""

LEAST_SIDE = 16
"""Two patches of the flow's search; on less, OpenCV's implementation reads outside its pyramid."""

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
    ECCV 2016; OpenCV's medium preset). On photographs under known camera moves its median error is 0.1 pixel at a drift
    of 1 to 8 % of the frame per step, where Farneback's polynomial expansion is 10 pixels off at 8 % and takes twice as
    long. The previous frame is first given the mean and spread of the current one, so that a change of light is not a
    motion. The result depends on the number of OpenCV's threads in the last digits; measuring uses one.
    """
    return _searched(previous, current, cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


def quick_flow(*, previous: Luma, current: Luma) -> Field:
    """As `flow`, in a quarter of the time and with twice the error: enough to say whether there and back meet."""
    return _searched(previous, current, cv2.DISOPTICAL_FLOW_PRESET_FAST)


def _searched(previous: Luma, current: Luma, preset: int) -> Field:
    if previous.shape != current.shape:
        raise ValueError(f"frames of shape {previous.shape} and {current.shape} cannot be compared")
    height, width = current.shape
    down, right = max(0, LEAST_SIDE - height), max(0, LEAST_SIDE - width)
    here, there = current, _relit(picture=previous, like=current)
    if down or right:
        here, there = (np.pad(each, ((0, down), (0, right)), mode="edge") for each in (here, there))
    search = cv2.DISOpticalFlow.create(preset)
    field = search.calc(np.ascontiguousarray(here), np.ascontiguousarray(there), np.zeros((0,), np.float32))
    return np.ascontiguousarray(field[:height, :width], dtype=np.float32)


def motion_amount(*, field: Field) -> float:
    """Mean length of the flow as a fraction of the frame's diagonal; per frame, so times fps is per second."""
    height, width = field.shape[:2]
    return float(np.hypot(field[..., 0], field[..., 1]).mean(dtype=np.float64)) / float(np.hypot(height, width))


def unevenness_cells(*, before: Field, here: Field, after: Field) -> Map:
    """How far a step departs from the steps around it, per cell, as a fraction of the frame's diagonal.

    Length of the flow less the mean of its two neighbours: 0 for a camera that goes on as it went, however fast; a jump
    by a is a; a frame left out is one step's motion; a start, a stop and a freeze are half of it.
    """
    height, width = here.shape[:2]
    change = np.sqrt(_squared_length(here - (before + after) * np.float32(0.5)))
    return cell_means(values=change / float(np.hypot(height, width)), grid=GRID)


def warped(*, previous: Luma, field: Field) -> NDArray[np.float32]:
    """The previous frame moved along the flow onto the current one; edges repeat."""
    return _moved(previous.astype(np.float32), field)


def visible(*, field: Field, reverse: Field) -> Mask:
    """Where the current frame shows something that the previous one showed too.

    `field` leads from the current frame to the previous one, `reverse` back again. Not visible: what leaves the frame;
    where there and back does not end where it began (disocclusions); and the edges of what moves, where flow is not to
    be trusted (Ruder, Dosovitskiy and Brox, "Artistic style transfer for videos", GCPR 2016, section 4.2, after
    Sundaram et al., ECCV 2010).
    """
    xs, ys = _targets(field)
    back = _moved(reverse, field)
    there = _squared_length(field)
    lost = _squared_length(field + back) > CONSISTENCY_SHARE * (there + _squared_length(back)) + CONSISTENCY_FLOOR
    edge = _squared_gradient(field) > EDGE_SHARE * there + EDGE_FLOOR
    height, width = there.shape
    outside = (xs < 0) | (ys < 0) | (xs > width - 1) | (ys > height - 1)
    return np.asarray(~(lost | edge | outside))


def warping_error_map(*, previous: Luma, current: Luma, field: Field, mask: Mask) -> NDArray[np.float32]:
    """Squared difference, luma in [0, 1], between the current frame and the previous one moved along the flow; 0 where
    `mask` says that there is nothing to compare.

    Lai et al., "Learning blind video temporal consistency", ECCV 2018, eq. 9, on luma. Both frames are first smoothed
    by a pixel, so that the interpolation of fine texture does not count as an error of the clip.
    """
    here = cv2.GaussianBlur(current.astype(np.float32), (0, 0), 1.0)
    smooth = np.asarray(cv2.GaussianBlur(previous.astype(np.float32), (0, 0), 1.0), dtype=np.float32)
    there = _moved(smooth, field)
    return np.asarray(np.where(mask, np.square((here - there) / 255.0), 0.0), dtype=np.float32)


def _relit(*, picture: Luma, like: Luma) -> Luma:
    """The picture with the mean and the standard deviation of another."""
    (mean, spread), (goal_mean, goal_spread) = (cv2.meanStdDev(each) for each in (picture, like))
    gain = float(goal_spread[0, 0]) / max(float(spread[0, 0]), 1.0)
    offset = float(goal_mean[0, 0]) - gain * float(mean[0, 0])
    return np.asarray(np.clip(picture.astype(np.float32) * gain + offset + 0.5, 0, 255), dtype=np.uint8)


def _targets(field: Field) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where the flow leads from each pixel: x and y."""
    height, width = field.shape[:2]
    xs = field[..., 0] + np.arange(width, dtype=np.float32)
    ys = field[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(xs, dtype=np.float32), np.asarray(ys, dtype=np.float32)


def _moved(values: NDArray[np.float32], field: Field) -> NDArray[np.float32]:
    picture = cv2.remap(values, *_targets(field), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(picture, dtype=np.float32)


def _squared_length(field: Field) -> NDArray[np.float32]:
    return np.asarray(np.square(field[..., 0]) + np.square(field[..., 1]), dtype=np.float32)


def _squared_gradient(field: Field) -> NDArray[np.float32]:
    """Sum over both components and both directions, by forward differences as in the authors' code."""
    found = np.zeros(field.shape[:2], np.float32)
    found[:, :-1] += _squared_length(field[:, 1:] - field[:, :-1])
    found[:-1] += _squared_length(field[1:] - field[:-1])
    return found
