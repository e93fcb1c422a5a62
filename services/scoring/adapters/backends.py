"""Which back-end compares faces, by the name a setting gives it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from services.scoring.adapters.faces import OnnxPairBackend
from services.scoring.adapters.identity import FaceRegionBackend, IdentityBackend
from services.scoring.adapters.insightface_pack import InsightfaceBackend
from services.scoring.adapters.onnx import BackendUnavailable, fallback
from services.scoring.domain import FACE_REGION, IDENTITY_KINDS, ONNX_PAIR, BackendChoice, Device


def identity_backend(choice: BackendChoice) -> IdentityBackend:
    """Raises BackendUnavailable, saying what is missing; never falls back to another, whose numbers would differ."""
    if choice.name == FACE_REGION.name:
        return FaceRegionBackend()
    if choice.name not in IDENTITY_KINDS:
        known = ", ".join(IDENTITY_KINDS)
        raise BackendUnavailable(f"there is no identity back-end '{choice.name}'; known are {known}")
    if choice.models is None:
        raise BackendUnavailable(
            f"the back-end '{choice.name}' needs the folder of face models: set RUSHES_FACE_MODELS"
        )
    models = Path(choice.models)
    if choice.name == ONNX_PAIR.name:
        return OnnxPairBackend(models, device=choice.device)
    return InsightfaceBackend(models, pack=choice.pack, sha256=choice.pack_sha256, device=choice.device)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityStatus:
    """What `identity --status` and health say. `problem` is empty if the back-end works, on the device asked for."""

    backend: str
    version: str
    is_identity: bool
    usable: bool
    device: Device
    providers: Mapping[str, list[str]]
    problem: str
    notice: str

    def described(self) -> dict[str, Any]:
        return asdict(self)


def status_of(backend: IdentityBackend, device: Device) -> IdentityStatus:
    return IdentityStatus(
        backend=backend.kind.name,
        version=backend.version,
        is_identity=backend.kind.is_identity,
        usable=True,
        device=device,
        providers=backend.providers,
        problem=fallback(backend.providers, device) or "",
        notice=backend.kind.notice,
    )


def identity_status(choice: BackendChoice) -> IdentityStatus:
    """Loads the back-end to know: available providers say nothing about the session's own."""
    try:
        return status_of(identity_backend(choice), choice.device)
    except BackendUnavailable as error:
        kind = IDENTITY_KINDS.get(choice.name)
        return IdentityStatus(
            backend=choice.name,
            version="",
            is_identity=kind is not None and kind.is_identity,
            usable=False,
            device=choice.device,
            providers={},
            problem=str(error),
            notice="" if kind is None else kind.notice,
        )


__all__ = [
    "BackendUnavailable",
    "IdentityStatus",
    "fallback",
    "identity_backend",
    "identity_status",
    "status_of",
]
