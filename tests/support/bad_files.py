"""Files that are named like clips and are none, or are broken ones."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from shared.video.decode import png_bytes
from tests.support.clips import photograph


def silence(path: Path) -> None:
    """An MP4 with a second of sound and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def frameless(path: Path) -> None:
    """A video stream that is announced and never comes."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=16)
        stream.width, stream.height, stream.pix_fmt = 160, 160, "yuv420p"
        container.start_encoding()


def damaged(path: Path, good: Path) -> None:
    """A third of the pictures' bytes are zero. (H.264 has no checksum: of a few other bytes no decoder would know.)"""
    data = bytearray(good.read_bytes())
    start = data.index(b"mdat")
    third = (len(data) - start) // 3
    data[start + third : start + 2 * third] = bytes(third)
    path.write_bytes(data)


BAD: dict[str, tuple[str, Callable[[Path, Path], object]]] = {
    "empty.mp4": ("the file is empty (0 bytes)", lambda path, good: path.write_bytes(b"")),
    "text.mp4": ("not a readable", lambda path, good: path.write_text("These are words.\n" * 200)),
    "picture.mp4": ("not a readable", lambda path, good: path.write_bytes(png_bytes(photograph("coffee")))),
    "playlist.mp4": ("not a readable", lambda path, good: path.write_text(f"ffconcat version 1.0\nfile {good}\n")),
    "noise.mkv": ("not a readable", lambda path, good: path.write_bytes(np.random.default_rng(1).bytes(20_000))),
    "sound.mp4": ("the file has no video stream", lambda path, good: silence(path)),
    "frameless.mkv": ("not a readable", lambda path, good: frameless(path)),
    "cut.mp4": ("", lambda path, good: path.write_bytes(good.read_bytes()[:-3000])),
    "headless.mp4": ("not a readable", lambda path, good: path.write_bytes(good.read_bytes()[2000:])),
    "damaged.mp4": ("", lambda path, good: damaged(path, good)),
}
"""By name: what the one line says (of the last ones, different things), and how it is made beside a good clip."""


def bad_files(folder: Path, good: Path) -> dict[str, str]:
    """All of them, in the folder; by name what is said of each."""
    for name, (_, make) in BAD.items():
        make(folder / name, good)
    return {name: says for name, (says, _) in BAD.items()}
