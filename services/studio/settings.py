"""What studio is told by its environment."""

from pathlib import Path

from pydantic import Field

from services.studio.domain.routes import Owner
from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    http_port: int = Field(default=8400, ge=0, le=65535, description="the one public port")
    catalog_url: str = Field(default="http://127.0.0.1:8401", validation_alias="STUDIO_CATALOG_URL")
    dispatch_url: str = Field(default="http://127.0.0.1:8402", validation_alias="STUDIO_DISPATCH_URL")
    scoring_url: str = Field(default="http://127.0.0.1:8403", validation_alias="STUDIO_SCORING_URL")
    regression_url: str = Field(default="http://127.0.0.1:8404", validation_alias="STUDIO_REGRESSION_URL")
    smoothing_url: str = Field(default="http://127.0.0.1:8405", validation_alias="STUDIO_SMOOTHING_URL")
    media_secret_file: Path = Field(
        validation_alias="STUDIO_MEDIA_SECRET_FILE", description="at least 32 bytes; signs links to media"
    )
    media_link_seconds: float = Field(
        default=900, ge=10, le=86_400, validation_alias="STUDIO_MEDIA_LINK_SECONDS", description="life of a media link"
    )
    session_seconds: float = Field(
        default=12 * 3600,
        ge=60,
        le=30 * 86_400,
        validation_alias="STUDIO_SESSION_SECONDS",
        description="how long a browser stays signed in",
    )
    secure_cookies: bool = Field(
        default=False,
        validation_alias="STUDIO_SECURE_COOKIES",
        description="send the cookie over HTTPS only; switch on behind TLS, off for plain http on loopback",
    )
    openapi_cache_seconds: float = Field(default=60, ge=0, validation_alias="STUDIO_OPENAPI_CACHE_SECONDS")

    def upstream_urls(self) -> dict[Owner, str]:
        return {
            Owner.CATALOG: self.catalog_url,
            Owner.DISPATCH: self.dispatch_url,
            Owner.SCORING: self.scoring_url,
            Owner.REGRESSION: self.regression_url,
            Owner.SMOOTHING: self.smoothing_url,
        }
