"""Settings of dispatch, read from the environment by `main`."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Times are in seconds."""

    comfyui_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("http://127.0.0.1:8188",),
        validation_alias="DISPATCH_COMFYUI_URLS",
        description="comma-separated addresses of the render servers",
    )
    lease_seconds: float = Field(
        default=12,
        ge=1,
        le=600,
        validation_alias="DISPATCH_LEASE_SECONDS",
        description="how long a job stays with a worker that is not heard of any more",
    )
    poll_seconds: float = Field(
        default=0.25,
        ge=0.02,
        le=10,
        validation_alias="DISPATCH_POLL_SECONDS",
        description="between two looks at a prompt; the socket shortens it",
    )
    render_timeout_seconds: float = Field(
        default=3600, gt=0, validation_alias="DISPATCH_RENDER_TIMEOUT_SECONDS", description="longest run of one prompt"
    )
    queue_timeout_seconds: float = Field(
        default=3600,
        gt=0,
        validation_alias="DISPATCH_QUEUE_TIMEOUT_SECONDS",
        description="longest wait of one prompt behind other people's on a render server",
    )
    away_patience_seconds: float = Field(
        default=10,
        ge=0,
        validation_alias="DISPATCH_AWAY_PATIENCE_SECONDS",
        description="how long a server that stops answering is waited for before its job goes to another",
    )
    request_timeout_seconds: float = Field(
        default=10, gt=0, validation_alias="DISPATCH_REQUEST_TIMEOUT_SECONDS", description="of one call to a server"
    )
    health_seconds: float = Field(
        default=2, gt=0, validation_alias="DISPATCH_HEALTH_SECONDS", description="between two looks at every server"
    )
    prefetch: int = Field(
        default=1,
        ge=0,
        le=8,
        validation_alias="DISPATCH_PREFETCH",
        description="prompts sent to a server to wait behind the one that runs, so that it does not stand idle between",
    )
    max_attempts: int = Field(
        default=5,
        ge=1,
        le=100,
        validation_alias="DISPATCH_MAX_ATTEMPTS",
        description="failed attempts after which a job is given up",
    )
    max_clip_bytes: int = Field(
        default=2 * 1024**3, ge=1024, validation_alias="DISPATCH_MAX_CLIP_BYTES", description="largest clip fetched"
    )
    decode_timeout_seconds: float = Field(
        default=300, gt=0, validation_alias="DISPATCH_DECODE_TIMEOUT_SECONDS", description="longest decoding of a clip"
    )
    handover_ssim: float = Field(
        default=0.98,
        gt=0,
        le=1,
        validation_alias="DISPATCH_HANDOVER_SSIM",
        description="two frames at least this alike count as the same: what continues from one is not stale",
    )
    score_patience_seconds: float = Field(
        default=1800,
        ge=1,
        validation_alias="DISPATCH_SCORE_PATIENCE_SECONDS",
        description="how long a scene that waits for scores waits for one before it is paused",
    )
    repair_patience_seconds: float = Field(
        default=3600,
        ge=1,
        validation_alias="DISPATCH_REPAIR_PATIENCE_SECONDS",
        description="how long a repaired boundary waits for the scores that decide on it before it is refused",
    )
    fact_patience_seconds: float = Field(
        default=3,
        ge=0,
        le=30,
        validation_alias="DISPATCH_FACT_PATIENCE_SECONDS",
        description="how long a request waits for something that was created a moment ago in another service",
    )

    @field_validator("comfyui_urls", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
        return value

    @field_validator("comfyui_urls")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for url in value:
            if not url.startswith(("http://", "https://")):
                raise ValueError(f"{url!r} is no address; write for example http://127.0.0.1:8188")
        if len(set(value)) != len(value):
            raise ValueError("a render server is named twice")
        return value
