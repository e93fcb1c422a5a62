"""A render server in memory whose pictures depend on the seed it is given, as a real one's do."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.dispatch.adapters.render_server import OutputFile
from shared.video.encode import encode_h264
from tests.support.dispatch import FakeRenderServer

SIDE = 64


@dataclass
class PaintingServer(FakeRenderServer):
    """The same seed paints the same clip. `follows`: the picture depends on the image it starts from, too.

    `nearly`: seed -> another seed whose picture it paints with a difference that nobody sees.
    """

    follows: bool = False
    nearly: dict[int, int] = field(default_factory=dict)

    async def download(self, file: OutputFile, target: Path, *, max_bytes: int) -> int:
        graph = self.graphs[file.filename.removesuffix(".mp4")]
        seed = graph["7"]["inputs"]["seed"]
        like = self.nearly.get(seed, seed)
        start = graph["1"]["inputs"]["image"] if self.follows else ""
        picture = _picture(f"{like}{start}") + np.uint8(seed != like)
        encoded = target.with_suffix(".mp4")
        encode_h264(encoded, (picture for _ in range(self.clip_frames)), fps=12.0)
        target.write_bytes(encoded.read_bytes())
        return target.stat().st_size


def _picture(name: str) -> NDArray[np.uint8]:
    """Waves whose direction, length and phase the name decides."""
    draw = np.random.default_rng(list(name.encode()))
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    across, down, phase = draw.uniform(0.2, 0.9), draw.uniform(0.2, 0.9), draw.uniform(0, 6)
    wave = 128 + 90 * np.sin(across * x + down * y + phase)
    return np.repeat(wave.astype(np.uint8)[:, :, None], 3, axis=2)
