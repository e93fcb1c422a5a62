"""Dense optical flow between neighbouring frames, and pictures moved along it."""

import cv2
import numpy as np

from services.smoothing.kernels.picture import SMALLEST_SIDE, Field, Luma, Planes

LOCAL_SIGMA = 6.0
LOCAL_FLOOR = 10.0


def flow(*, target: Luma, source: Luma, fine: bool = False) -> Field:
    """Backward flow, shape (h, w, 2) in pixels: target(x, y) shows what is at source((x, y) + flow).

    Dense inverse search (Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016). Both pictures are
    first normalised to zero local mean and unit local deviation, so that a change of light or contrast is not a motion.
    `fine` spends five times as long on half the patch distance.
    """
    if target.shape != source.shape:
        raise ValueError(f"frames of shape {target.shape} and {source.shape} cannot be compared")
    if min(target.shape) < SMALLEST_SIDE:
        raise ValueError(f"motion needs at least {SMALLEST_SIDE}x{SMALLEST_SIDE} pixels")
    preset = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM if fine else cv2.DISOPTICAL_FLOW_PRESET_FAST
    search = cv2.DISOpticalFlow.create(preset)
    field = search.calc(_normalised(target), _normalised(source), np.zeros((*target.shape, 2), np.float32))
    return np.asarray(field, dtype=np.float32)


def moved(*, source: Planes, field: Field, cubic: bool = False) -> Planes:
    """The source moved along a backward flow onto the target's grid; beyond the picture its edge repeats."""
    at = positions(field=field)
    method = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    out = cv2.remap(source, at[..., 0], at[..., 1], method, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, dtype=np.float32)


def positions(*, field: Field) -> Field:
    """Where each pixel of the target comes from, in pixels of the source: its own position plus the flow."""
    height, width = field.shape[:2]
    xs, ys = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.asarray(np.dstack((xs, ys)) + field, dtype=np.float32)


def chained(*, first: Field, second: Field) -> Field:
    """The flow that goes along `first` and from there along `second`: first(x) + second(x + first(x))."""
    return np.asarray(first + moved(source=second, field=first), dtype=np.float32)


def inside(*, field: Field) -> Planes:
    """1 where the flow points into the picture, 0 where it leaves it; shape (h, w)."""
    at = positions(field=field)
    height, width = field.shape[:2]
    x, y = at[..., 0], at[..., 1]
    return np.asarray((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1), dtype=np.float32)


def _normalised(luma: Luma) -> Luma:
    picture = luma.astype(np.float32)
    mean = cv2.GaussianBlur(picture, (0, 0), LOCAL_SIGMA)
    spread = np.sqrt(np.maximum(cv2.GaussianBlur((picture - mean) ** 2, (0, 0), LOCAL_SIGMA), 0.0))
    return np.asarray(np.clip(128 + 48 * (picture - mean) / (spread + LOCAL_FLOOR), 0, 255), dtype=np.uint8)
