"""What compares faces: the back-ends there are, and what their numbers mean.

Each back-end has a scale of its own: a cosine of 0.4 is the same person to one and a stranger to the next, and 0.4 of a
region's likeness is neither. So each brings the limits that suit it, and numbers of different ones are never compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

IDENTITY_METRICS = frozenset({"identity_similarity", "drift_identity"})
"""Metrics whose numbers belong to the back-end that measured them."""


class Device(StrEnum):
    """Where the models of a back-end are asked to run."""

    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityKind:
    """`is_identity`: it recognises a person. `notice`: what a user must know who chooses it or reads its numbers.

    Below `warn_below` and `fail_below` a clip's identity_similarity warns and fails where nobody set other limits;
    below the limits of drift, its change since segment 1 does.
    """

    name: str
    is_identity: bool
    notice: str
    warn_below: float
    fail_below: float
    drift_warn_below: float
    drift_fail_below: float


FACE_REGION = IdentityKind(
    name="face-region",
    is_identity=False,
    notice="Weightless back-end: compares edges and colours of the face region (or the subject, where no face is "
    "found) with the source image. It notices that the look of the region changed; it does not recognise a person.",
    warn_below=0.6,
    fail_below=0.35,
    drift_warn_below=-0.25,
    drift_fail_below=-0.5,
)
"""Measured on photographs under camera moves: the same region 0.96 and above, a warped or recoloured one from 0.6."""

ONNX_PAIR = IdentityKind(
    name="onnx-pair",
    is_identity=True,
    notice="Cosine of MobileFaceNet embeddings of YuNet's faces. On photographs the same person measures 0.49 and "
    "above, different people 0.37 and below. The recogniser's training data was withdrawn by its publisher: for tests "
    "and local trials.",
    warn_below=0.49,
    fail_below=0.37,
    drift_warn_below=-0.2,
    drift_fail_below=-0.4,
)

INSIGHTFACE = IdentityKind(
    name="insightface",
    is_identity=True,
    notice="Cosine of the embeddings of an insightface model pack. insightface's own packs are for non-commercial "
    "research only.",
    warn_below=0.28,
    fail_below=0.2,
    drift_warn_below=-0.2,
    drift_fail_below=-0.4,
)
"""The limits between which insightface's own demonstration of buffalo_l (web-demos/src_recognition/main.py) says that
two pictures "are likely to be the same person": below 0.2 they are not, from 0.28 they are."""

IDENTITY_KINDS: Mapping[str, IdentityKind] = {kind.name: kind for kind in (FACE_REGION, ONNX_PAIR, INSIGHTFACE)}


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendChoice:
    """What the settings ask for. `models` is the folder of the back-end's files; `pack` and its hash are
    insightface's."""

    name: str = FACE_REGION.name
    models: str | None = None
    pack: str = ""
    pack_sha256: str = ""
    device: Device = Device.CPU

    @classmethod
    def told(cls, fields: Mapping[str, str]) -> "BackendChoice":
        """From what `asdict` made of one, after JSON."""
        return cls(**{**fields, "device": Device(fields["device"])})  # type: ignore[arg-type] # five texts, one a device
