"""What travels along the links of a graph, apart from pictures and plain values."""

from dataclasses import dataclass

from deploy.comfyui_standin.image_model import Checkpoint, Lora, Pixels


@dataclass(frozen=True)
class Model:
    """MODEL: a checkpoint with the LoRAs put on it so far."""

    checkpoint: Checkpoint
    loras: tuple[tuple[Lora, float], ...] = ()


@dataclass(frozen=True)
class Conditioning:
    """CONDITIONING: a prompt's embedding, and the picture to start from when a node has added one."""

    embedding: tuple[float, ...]
    start: Pixels | None = None


@dataclass(frozen=True)
class Latent:
    """LATENT: an empty clip of a size, or pictures."""

    width: int
    height: int
    length: int
    frames: Pixels | None = None


@dataclass(frozen=True)
class Video:
    """VIDEO: pictures and their rate."""

    images: Pixels
    fps: float
