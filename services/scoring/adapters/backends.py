"""Which back-end compares faces, by the name a setting gives it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.scoring.adapters.faces import BackendUnavailable, OnnxPairBackend
from services.scoring.adapters.identity import FaceRegionBackend, IdentityBackend
from services.scoring.adapters.insightface_pack import InsightfaceBackend

NAMES = (FaceRegionBackend.name, OnnxPairBackend.name, InsightfaceBackend.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendChoice:
    """`models` is the folder of the back-end's files; `pack` and its hash are for insightface alone."""

    name: str = FaceRegionBackend.name
    models: str | None = None
    pack: str = ""
    pack_sha256: str = ""


def identity_backend(choice: BackendChoice) -> IdentityBackend:
    """Raises BackendUnavailable, saying what is missing; never falls back to another, whose numbers would differ."""
    if choice.name == FaceRegionBackend.name:
        return FaceRegionBackend()
    if choice.name not in NAMES:
        raise BackendUnavailable(f"there is no identity back-end '{choice.name}'; known are {', '.join(NAMES)}")
    if choice.models is None:
        raise BackendUnavailable(
            f"the back-end '{choice.name}' needs the folder of face models: set RUSHES_FACE_MODELS"
        )
    models = Path(choice.models)
    if choice.name == OnnxPairBackend.name:
        return OnnxPairBackend(models)
    return InsightfaceBackend(models, pack=choice.pack, sha256=choice.pack_sha256)


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


def identity_status(choice: BackendChoice) -> IdentityStatus:
    """Loads the back-end to know: available providers say nothing about the session's own."""
    try:
        backend = identity_backend(choice)
    except BackendUnavailable as error:
        return IdentityStatus(
            backend=choice.name, version="", usable=False, problem=str(error), providers=[], notice=""
        )  # fmt: skip
    return IdentityStatus(
        backend=backend.name, version=backend.version, usable=True, problem="", providers=providers_of(backend),
        notice=backend.notice,
    )  # fmt: skip


def providers_of(backend: IdentityBackend) -> list[str]:
    return backend.providers if isinstance(backend, OnnxPairBackend | InsightfaceBackend) else []


__all__ = [
    "NAMES",
    "BackendChoice",
    "BackendUnavailable",
    "IdentityStatus",
    "identity_backend",
    "identity_status",
    "providers_of",
]
