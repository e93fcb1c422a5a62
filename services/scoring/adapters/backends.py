"""Which back-end compares faces, by the name a setting gives it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.scoring.adapters.faces import BackendUnavailable, OnnxPairBackend
from services.scoring.adapters.identity import FaceRegionBackend, IdentityBackend
from services.scoring.adapters.insightface_pack import InsightfaceBackend

NAMES = (FaceRegionBackend.name, OnnxPairBackend.name, InsightfaceBackend.name)


def identity_backend(name: str, *, models: Path | None, pack: str = "", pack_sha256: str = "") -> IdentityBackend:
    """Raises BackendUnavailable, saying what is missing; never falls back to another, whose numbers would differ."""
    if name == FaceRegionBackend.name:
        return FaceRegionBackend()
    if name not in NAMES:
        raise BackendUnavailable(f"there is no identity back-end '{name}'; known are {', '.join(NAMES)}")
    if models is None:
        raise BackendUnavailable(f"the back-end '{name}' needs the folder of face models: set RUSHES_FACE_MODELS")
    if name == OnnxPairBackend.name:
        return OnnxPairBackend(models)
    return InsightfaceBackend(models, pack=pack, sha256=pack_sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityStatus:
    """What `identity --status` and health say."""

    backend: str
    version: str
    usable: bool
    problem: str
    providers: list[str]
    notice: str

    def described(self) -> dict[str, Any]:
        return {
            "backend": self.backend,
            "version": self.version,
            "usable": self.usable,
            "problem": self.problem,
            "providers": self.providers,
            "notice": self.notice,
        }


def identity_status(name: str, *, models: Path | None, pack: str = "", pack_sha256: str = "") -> IdentityStatus:
    """Loads the back-end to know: available providers say nothing about the session's own."""
    try:
        backend = identity_backend(name, models=models, pack=pack, pack_sha256=pack_sha256)
    except BackendUnavailable as error:
        return IdentityStatus(
            backend=name, version="", usable=False, problem=str(error), providers=[], notice=""
        )  # fmt: skip
    return IdentityStatus(
        backend=backend.name, version=backend.version, usable=True, problem="", providers=providers_of(backend),
        notice=backend.notice,
    )  # fmt: skip


def providers_of(backend: IdentityBackend) -> list[str]:
    return backend.providers if isinstance(backend, OnnxPairBackend | InsightfaceBackend) else []


__all__ = ["NAMES", "BackendUnavailable", "IdentityStatus", "identity_backend", "identity_status", "providers_of"]
