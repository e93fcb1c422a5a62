"""Settings of the catalog."""

from pathlib import Path

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    token_private_key_file: Path = Field(
        validation_alias="CATALOG_TOKEN_PRIVATE_KEY_FILE",
        description="PEM; signs access tokens; readable by this service only",
    )
    bootstrap_token_file: Path | None = Field(
        default=None,
        validation_alias="CATALOG_BOOTSTRAP_TOKEN_FILE",
        description="where the first admin's token is written, mode 0600; without it no token is made at start",
    )
    bootstrap_token_days: int = Field(
        default=365, ge=2, le=3650, validation_alias="CATALOG_BOOTSTRAP_TOKEN_DAYS", description="life of that token"
    )
    max_image_bytes: int = Field(
        default=20 * 1024 * 1024,
        ge=1024,
        validation_alias="CATALOG_MAX_IMAGE_BYTES",
        description="of an uploaded image",
    )
    max_image_pixels: int = Field(
        default=25_000_000,
        ge=4096,
        le=100_000_000,
        validation_alias="CATALOG_MAX_IMAGE_PIXELS",
        description="width times height of an uploaded image; decoding takes up to 16 bytes of memory per pixel",
    )
