"""Settings of scoring."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.scoring.domain import BackendChoice, Device
from shared.settings import ServiceSettings


class IdentitySettings(BaseSettings):
    """What compares faces; the command line reads these alone."""

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True)

    identity_backend: str = Field(
        default="face-region",
        validation_alias="SCORING_IDENTITY_BACKEND",
        description="face-region (no weights, no identity), onnx-pair, or insightface (its own packs are for "
        "non-commercial research only)",
    )
    face_models: Path | None = Field(
        default=None, validation_alias="RUSHES_FACE_MODELS", description="folder of the back-end's files"
    )
    identity_device: Device = Field(
        default=Device.CPU,
        validation_alias="SCORING_IDENTITY_DEVICE",
        description="cpu, or cuda with the image for GPUs; a model that falls back to the processor makes the service "
        "not ready",
    )
    face_pack: str = Field(
        default="",
        validation_alias="SCORING_FACE_PACK",
        description="of insightface: its name; insightface's own packs are for non-commercial research only",
    )
    face_pack_sha256: str = Field(
        default="", validation_alias="SCORING_FACE_PACK_SHA256", description="of that pack; the error names what it is"
    )

    def choice(self) -> BackendChoice:
        return BackendChoice(
            name=self.identity_backend,
            models=None if self.face_models is None else str(self.face_models),
            pack=self.face_pack,
            pack_sha256=self.face_pack_sha256,
            device=self.identity_device,
        )


class Settings(IdentitySettings, ServiceSettings):
    processes: int = Field(
        default=2, ge=1, le=64, validation_alias="SCORING_PROCESSES", description="clips measured at the same time"
    )
    deadline_seconds: float = Field(
        default=120,
        gt=0,
        le=3600,
        validation_alias="SCORING_DEADLINE_SECONDS",
        description="for one clip; then its measuring process is killed",
    )
    lease_seconds: float = Field(
        default=10,
        ge=1,
        le=600,
        validation_alias="SCORING_LEASE_SECONDS",
        description="how long a clip stays with a worker that has fallen silent",
    )
    memory_limit_mib: int = Field(
        default=4096,
        ge=1024,
        validation_alias="SCORING_MEMORY_LIMIT_MIB",
        description="address space of one measuring process; with SCORING_IDENTITY_DEVICE=cuda its written memory",
    )
