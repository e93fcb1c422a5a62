"""One clip against another, frame by frame, on the planes as they are stored."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache, partial
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np

from services.scoring.kernels import fidelity
from services.scoring.kernels.gaussian_ssim import gaussian_ssim_cells
from services.scoring.kernels.luma import Map, Plane, Region, extreme_cell
from services.scoring.kernels.ssim import ssim_cells
from services.scoring.kernels.ssim_rows import GAUSSIAN_TAPS
from services.scoring.workers.process import settle
from shared.video.decode import VideoError, probe
from shared.video.pictures import is_sequence, picture_files
from shared.video.planes import Planes, iter_planes


class NotComparable(Exception):
    """The two clips do not fit together; the message says in what, and which option would help."""


class Range(StrEnum):
    """`full`: limited-range streams are expanded first. `native`: the samples as they are stored."""

    FULL = "full"
    NATIVE = "native"


class Align(StrEnum):
    """`start`: the frames that both have, counted from the first. `size`: the clip is resized to the reference."""

    START = "start"
    SIZE = "size"


HIGHER_IS_BETTER = {
    "ssim": True, "ssim_gaussian": True, "psnr_y": True, "psnr_u": True, "psnr_v": True, "mse": False, "mae": False,
}  # fmt: skip


@dataclass(slots=True)
class Track:
    """One metric, by frame. `region` is that of the worst frame so far, (x, y, width, height) in the reference."""

    name: str
    values: list[float] = field(default_factory=list)
    worst_frame: int = 0
    region: Region | None = None

    def add(self, value: float, cells: Callable[[], Map], size: tuple[int, int]) -> None:
        """The grid's cells are asked for only where they are needed: for a frame that is worse than all before."""
        self.values.append(value)
        worst = self.values[self.worst_frame]
        if len(self.values) == 1 or (value < worst if HIGHER_IS_BETTER[self.name] else value > worst):
            highest = self.name not in ("ssim", "ssim_gaussian")
            self.worst_frame = len(self.values) - 1
            _, self.region = extreme_cell(cells=cells(), highest=highest, width=size[0], height=size[1])

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def p5(self) -> float:
        """One frame in twenty is at least as bad."""
        share = 5 if HIGHER_IS_BETTER[self.name] else 95
        return float(np.percentile(self.values, share, method="lower" if share == 5 else "higher"))


@dataclass(slots=True, kw_only=True)
class Comparison:
    """What was found, and what was compared: `expanded` says whether either stream's limited range was."""

    frames: int = 0
    size: tuple[int, int] = (0, 0)
    bits: int = 8
    expanded: bool = False
    resized: bool = False
    left_out: int = 0
    tracks: dict[str, Track] = field(default_factory=dict)
    squared_errors: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float, cells: Callable[[], Map]) -> None:
        self.tracks.setdefault(name, Track(name)).add(value, cells, self.size)

    def pooled_psnr(self, name: str) -> float:
        """From the mean of the squared errors over all frames, which is what FFmpeg's psnr filter calls average."""
        mean = float(np.mean(self.squared_errors[name]))
        return fidelity.psnr(squared_error=mean, data_range=float((1 << self.bits) - 1))


def compare(
    reference: Path,
    clip: Path,
    *,
    range_: Range = Range.FULL,
    align: frozenset[Align] = frozenset(),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Comparison:
    """Every frame of the clip against the reference's frame of the same number; a frame of each is held at a time.

    Raises NotComparable, or VideoError for what cannot be read.
    """
    settle()
    counts = _count("reference", reference), _count("clip", clip)
    if counts[0] != counts[1] and Align.START not in align:
        raise NotComparable(
            f"the reference has {counts[0]} frames, the clip {counts[1]}; --align start compares the first ones"
        )
    found = Comparison()
    for one, two in zip_longest(_planes("reference", reference), _planes("clip", clip)):
        if one is None or two is None:
            if Align.START not in align:
                raise NotComparable("one of the clips ends before the other; --align start compares the first frames")
            found.left_out += 1
            continue
        two = _fitted(one, two, align, found)
        if range_ is Range.FULL:
            found.expanded |= one.limited or two.limited
            one, two = as_seen(one), as_seen(two)
        add_pair(found, one, two)
        progress(found.frames, min(counts))
    return found


def _count(name: str, path: Path) -> int:
    with _named(name):
        return len(picture_files(path)) if is_sequence(path) else probe(path).frames


def _planes(name: str, path: Path) -> Iterator[Planes]:
    with _named(name):
        yield from iter_planes(path)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Of two clips, which one it is that cannot be read."""
    try:
        yield
    except VideoError as error:
        raise VideoError(f"the {name}: {error}") from error


def _fitted(one: Planes, two: Planes, align: frozenset[Align], found: Comparison) -> Planes:
    if one.bits != two.bits:
        depths = f"the reference has {one.bits} bits, the clip {two.bits}"
        raise NotComparable(f"{depths}; each depth has its own range, so convert one of them first")
    if min(one.size) < GAUSSIAN_TAPS:
        raise NotComparable(f"frames of {one.size[0]}x{one.size[1]} are too small; {GAUSSIAN_TAPS} pixels are needed")
    if one.size == two.size:
        return two
    if Align.SIZE not in align:
        sizes = f"the reference is {one.size[0]}x{one.size[1]}, the clip {two.size[0]}x{two.size[1]}"
        raise NotComparable(f"{sizes}; --align size resizes the clip")
    found.resized = True
    u, v = (
        None if mine is None or theirs is None else _resized(mine, theirs, two.bits)
        for mine, theirs in ((two.u, one.u), (two.v, one.v))
    )
    return Planes(index=two.index, y=_resized(two.y, one.y, two.bits), u=u, v=v, bits=two.bits, limited=two.limited)


def _resized(plane: Plane, like: Plane, bits: int) -> Plane:
    smaller = like.size < plane.size
    method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    resized = np.minimum(cv2.resize(plane, (like.shape[1], like.shape[0]), interpolation=method), (1 << bits) - 1)
    return resized.astype(np.uint8) if bits == 8 else resized.astype(np.uint16)


def as_seen(planes: Planes, *, luma: Plane | None = None) -> Planes:
    """At full range; `luma` is Y' where that has been brought there already."""
    if not planes.limited:
        return planes
    y = fidelity.expanded(plane=planes.y, bits=planes.bits, chroma=False) if luma is None else luma
    u, v = (
        None if plane is None else fidelity.expanded(plane=plane, bits=planes.bits, chroma=True)
        for plane in (planes.u, planes.v)
    )
    return replace(planes, y=y, u=u, v=v, limited=False)


def add_pair(found: Comparison, one: Planes, two: Planes) -> None:
    """One frame of the reference and one of the clip, of one size and depth, as they are to be compared."""
    if found.frames == 0:
        found.size, found.bits = one.size, one.bits
    found.frames += 1
    data_range = float((1 << one.bits) - 1)
    for name, (mine, theirs) in _pairs(one, two):
        squared_error = fidelity.mse(first=mine, second=theirs)
        cells = cache(partial(fidelity.squared_error_cells, first=mine, second=theirs))
        found.squared_errors.setdefault(f"psnr_{name}", []).append(squared_error)
        found.add(f"psnr_{name}", fidelity.psnr(squared_error=squared_error, data_range=data_range), cells)
        if name == "y":
            found.add("mse", squared_error, cells)
            found.add("mae", fidelity.mae(first=mine, second=theirs), cells)
            _add_scores(found, "ssim", ssim_cells(first=mine, second=theirs, data_range=data_range))
            _add_scores(found, "ssim_gaussian", gaussian_ssim_cells(first=mine, second=theirs, data_range=data_range))


def _add_scores(found: Comparison, name: str, scores: tuple[float, Map]) -> None:
    found.add(name, scores[0], lambda: scores[1])


def _pairs(one: Planes, two: Planes) -> Iterator[tuple[str, tuple[Plane, Plane]]]:
    """Planes of both, where both have them in one shape: a different chroma subsampling leaves luma only."""
    for name, mine, theirs in (("y", one.y, two.y), ("u", one.u, two.u), ("v", one.v, two.v)):
        if mine is not None and theirs is not None and mine.shape == theirs.shape:
            yield name, (mine, theirs)
