"""A folder of PNG pictures as a clip: in the order of their names, with digits read as numbers.

A folder says neither a frame rate nor a sound. Pictures count with 8 bits per channel, whatever the file has;
transparency is dropped. Hidden files are passed over: other systems leave some beside the pictures (`._1.png`).
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from shared.video.decode import DEFAULT_LIMITS, Frame, Rgb, VideoError, VideoInfo, VideoLimits


def is_sequence(path: Path) -> bool:
    """False for what cannot be looked at: it is refused where it is read."""
    return os.path.isdir(path)


def picture_files(folder: Path, *, limits: VideoLimits = DEFAULT_LIMITS) -> list[Path]:
    """The pictures in order. Raises VideoError if there are none, or too many."""
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise VideoError(f"the folder cannot be read: {error.strerror}") from error
    pictures = (folder / name for name in names if name.lower().endswith(".png") and not name.startswith("."))
    files = sorted(pictures, key=_natural)
    if not files:
        raise VideoError("the folder has no PNG pictures")
    if len(files) > limits.max_frames:
        raise VideoError(f"the folder has {len(files)} pictures; at most {limits.max_frames} are accepted")
    return files


def probe_pictures(folder: Path, *, fps: float, limits: VideoLimits = DEFAULT_LIMITS) -> VideoInfo:
    """Facts from the first picture and the number of files; the rate is what the caller says it is."""
    files = picture_files(folder, limits=limits)
    rgb = _picture(files[0], limits)
    return VideoInfo(
        width=rgb.shape[1], height=rgb.shape[0], frames=len(files), fps=fps, duration_seconds=len(files) / fps,
        codec="png", pix_fmt="rgb24",
    )  # fmt: skip


def iter_pictures(folder: Path, *, limits: VideoLimits = DEFAULT_LIMITS) -> Iterator[Frame]:
    """One at a time, all of one size. Raises VideoError when a picture is reached that cannot be used."""
    files = picture_files(folder, limits=limits)
    for index, rgb in enumerate(read_pictures(files, limits=limits)):
        yield Frame(index=index, rgb=rgb)


def read_pictures(files: Sequence[Path], *, limits: VideoLimits = DEFAULT_LIMITS) -> Iterator[Rgb]:
    """Some of a folder's pictures, one at a time; the others are not opened. Raises VideoError as `iter_pictures`."""
    size: tuple[int, ...] | None = None
    for file in files:
        rgb = _picture(file, limits)
        size = size or rgb.shape
        if rgb.shape != size:
            raise VideoError(
                f"the frame size changes: {file.name} is {rgb.shape[1]}x{rgb.shape[0]}, the first picture "
                f"{size[1]}x{size[0]}"
            )
        yield rgb


def _picture(file: Path, limits: VideoLimits) -> Rgb:
    try:
        with Image.open(file, formats=("PNG",)) as image:
            if image.width * image.height > limits.max_pixels:
                raise VideoError(f"{file.name} is {image.width}x{image.height}, which is too large")
            return eight_bits(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise VideoError(f"{file.name} is not a readable PNG picture") from error


def eight_bits(image: Image.Image) -> Rgb:
    """RGB of a picture of any mode. Grey of 16 bits is shifted: converting it would clip it at 255."""
    if image.mode.startswith("I"):
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.asarray(image.convert("RGB"), dtype=np.uint8)


def _natural(file: Path) -> list[tuple[int, str]]:
    """Digits compare as numbers, so that frame 10 follows frame 9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", file.name)]
