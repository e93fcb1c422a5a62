"""A cross-fade along the motion: the frames after a step begin as what those before it lead to, and end as they were.

Two things may jump at a step. Each is faded on its own, so that two pictures of one edge never lie over each other:

* place: the flow across the step, less the motion that goes on anyway (the mean of the steps next to it). The frames
  after the step are shifted back by that field, and the shift fades out.
* appearance: the difference in colour and detail that is left between the two frames once their places agree. It is
  carried along with the motion of the later frames and fades out. Where the motion cannot be followed only its
  low-frequency part is carried: it has no edges, so it leaves no ghost.

Both fade linearly over `count` frames: the mean brightness runs straight from one side to the other and never
overshoots (no pump), and the largest step is the smallest that is possible.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from services.smoothing.kernels.motion import chained, flow, inside, moved
from services.smoothing.kernels.picture import Field, Luma, Planes, Rgb, analysis_size, at_size, field_at_size, luma

CONTEXT = 2
"""Frames needed on each side of the step besides the ones that are changed."""

SHIFT_SIGMA = 0.02
"""Of the analysis width: a jump of the camera or of a layer is smooth at this scale, flow noise is not."""

SMALLEST_SHIFT = 0.15
"""Pixels of the analysis size, 90th percentile. Below it the place does not jump, and resampling would only blur."""

TRUST_LEVELS = 12.0
"""8-bit levels of mismatch, after motion, at which carrying detail is trusted to 1/e."""

BROAD_SIGMA = 0.03
"""Of the width: what is broader than this is colour and light, what is finer has edges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """What jumps: `shift` in native pixels on the grid of the first later frame, `detail` and `broad` in levels on the
    grid of that frame once shifted."""

    shift: Field | None
    detail: Planes
    broad: Planes


def blended(*, before: Sequence[Rgb], after: Sequence[Rgb], count: int, repeats: bool = False) -> list[Rgb]:
    """The first `count` frames of `after`, faded in from what `before` leads to; the rest of `after` is only looked at.

    `repeats`: the first frame after the step shows the same moment as the last one before it, not the next one.
    Needs two frames before and count + 2 after the step, all of one size; raises ValueError otherwise.
    """
    if len(before) < CONTEXT or count < 1 or len(after) < count + CONTEXT:
        raise ValueError(f"blending {count} frames needs {CONTEXT} frames before and {count + CONTEXT} after the step")
    height, width = after[0].shape[:2]
    size = analysis_size(width=width, height=height)
    lumas = [luma(rgb=at_size(rgb=frame, size=size)) for frame in (*before[-CONTEXT:], *after[: count + 1])]
    step = _step(before[-1], after[0], lumas, repeats)
    made = []
    travelled = np.zeros((height, width, 2), np.float32)
    for index in range(count):
        if index:
            one = flow(target=lumas[CONTEXT + index], source=lumas[CONTEXT + index - 1], fine=True)
            travelled = chained(first=field_at_size(field=one, size=(width, height)), second=travelled)
        share = 1.0 - (index + 1) / (count + 1)
        made.append(_faded(after[index], after[0], step, travelled, share))
    return made


def _step(last: Rgb, first: Rgb, lumas: Sequence[Luma], repeats: bool) -> _Step:
    size = (first.shape[1], first.shape[0])
    across = flow(target=lumas[CONTEXT], source=lumas[CONTEXT - 1], fine=True)
    back = flow(target=lumas[CONTEXT - 1], source=lumas[CONTEXT], fine=True)
    going_on = np.zeros_like(across) if repeats else _going_on(lumas)
    shift = _shift(across, going_on, back)
    expected = moved(source=last.astype(np.float32), field=field_at_size(field=going_on, size=size), cubic=True)
    given = first.astype(np.float32)
    native_shift = None
    if shift is not None:
        native_shift = field_at_size(field=shift, size=size)
        given = moved(source=given, field=-native_shift, cubic=True)
    difference = expected - given
    broad = _broad(difference)
    return _Step(shift=native_shift, detail=difference - broad, broad=broad)


def _going_on(lumas: Sequence[Luma]) -> Field:
    """The motion that the step would have if nothing happened: the mean of the steps next to it."""
    earlier = flow(target=lumas[CONTEXT - 1], source=lumas[CONTEXT - 2], fine=True)
    later = flow(target=lumas[CONTEXT + 1], source=lumas[CONTEXT], fine=True)
    return np.asarray((earlier + later) / 2, dtype=np.float32)


def _shift(across: Field, going_on: Field, back: Field) -> Field | None:
    """The jump in place, smoothed over where forward and backward flow agree."""
    jump = across - going_on
    loop = chained(first=across, second=back)
    error = np.sum(loop * loop, axis=2)
    trust = np.exp(-error / (0.5 + 0.01 * np.sum(across * across, axis=2))) * inside(field=across) + 1e-3
    sigma = SHIFT_SIGMA * across.shape[1]
    weighted = cv2.GaussianBlur(jump * trust[..., None], (0, 0), sigma)
    smooth = weighted / cv2.GaussianBlur(trust.astype(np.float32), (0, 0), sigma)[..., None]
    if np.percentile(np.hypot(smooth[..., 0], smooth[..., 1]), 90) < SMALLEST_SHIFT:
        return None
    return np.asarray(smooth, dtype=np.float32)


def _broad(difference: Planes) -> Planes:
    """The low-frequency part, by way of a quarter of the size: a wide Gaussian at native size would cost the most."""
    height, width = difference.shape[:2]
    small = cv2.resize(difference, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(small, (0, 0), BROAD_SIGMA * width / 4)
    return np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _faded(frame: Rgb, first: Rgb, step: _Step, travelled: Field, share: float) -> Rgb:
    """One later frame with `share` of the step taken back. `travelled`: from its grid to that of the first one."""
    picture = frame.astype(np.float32)
    origin = travelled
    if step.shift is not None:
        carried = moved(source=step.shift, field=travelled)
        picture = moved(source=picture, field=-share * carried, cubic=True)
        # From the shifted frame back to the frame, along its motion, and on to the first frame as it was shifted.
        origin = moved(source=travelled, field=-share * carried) + (1 - share) * carried
    trust = _trust(frame, first, travelled)
    broad = moved(source=step.broad, field=origin)
    detail = moved(source=step.detail, field=origin) * trust[..., None]
    return np.asarray(np.clip(picture + share * (broad + detail) + 0.5, 0, 255), dtype=np.uint8)


def _trust(frame: Rgb, first: Rgb, travelled: Field) -> Planes:
    there = moved(source=first.astype(np.float32), field=travelled)
    mismatch = cv2.GaussianBlur(frame.astype(np.float32) - there, (0, 0), 2.0)
    error = np.sum(mismatch * mismatch, axis=2) / 3
    return np.asarray(np.exp(-error / TRUST_LEVELS**2) * inside(field=travelled), dtype=np.float32)
