"""Folders of PNG files as clips: in the order of the numbers in their names, without a frame rate and without sound."""

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from shared.video.decode import DEFAULT_LIMITS, Rgb, VideoError
from shared.video.ends import ClipFacts

SEQUENCE_FPS = Fraction(24)
"""Of a repaired sequence, unless the clip that it meets says otherwise."""


def is_sequence(path: Path) -> bool:
    return path.is_dir()


def sequence_files(path: Path) -> list[Path]:
    """frame_9.png comes before frame_10.png."""
    files = sorted(path.glob("*.png"), key=lambda file: [int(part) for part in re.findall(r"\d+", file.stem)])
    if not files:
        raise VideoError("the folder has no PNG files")
    if len(files) > DEFAULT_LIMITS.max_frames:
        raise VideoError(f"the folder has {len(files)} PNG files; at most {DEFAULT_LIMITS.max_frames} are accepted")
    return files


def sequence_facts(path: Path) -> ClipFacts:
    height, width = next(sequence_frames(sequence_files(path)[:1])).shape[:2]
    return ClipFacts(width=width, height=height, fps=SEQUENCE_FPS, has_audio=False)


def sequence_frames(files: Sequence[Path]) -> Iterator[Rgb]:
    """8 bits per channel, whatever the file has; transparency is dropped."""
    size: tuple[int, int] | None = None
    for file in files:
        picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
        if picture is None:
            raise VideoError(f"{file.name} is not a readable PNG file")
        if size is not None and picture.shape[:2] != size:
            raise VideoError(f"the frame size changes at {file.name}")
        size = (picture.shape[0], picture.shape[1])
        yield np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)
