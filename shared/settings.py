"""Settings that every service has. Each is read from the environment; a service adds its own in a subclass."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Read once, in `main`; never at import."""

    model_config = SettingsConfigDict(env_prefix="RUSHES_", frozen=True, populate_by_name=True)

    kafka_bootstrap: str = Field(default="127.0.0.1:9492", description="host:port of the broker, comma separated")
    topic_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9._-]*$", description="before every topic and group name")
    database_url: SecretStr = Field(description="PostgreSQL DSN of this service's own role")
    database_pool_size: int = Field(default=8, ge=2, le=100)
    media_root: Path = Field(default=Path(".local/media"), description="folder of the content-addressed media store")
    http_host: str = Field(default="127.0.0.1", description="address to listen on; loopback unless told otherwise")
    http_port: int = Field(default=0, ge=0, le=65535)
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    token_public_key_file: Path = Field(description="PEM; verifies access tokens")
    drain_seconds: float = Field(default=20, gt=0, le=600, description="how long a shutdown waits for work in hand")
    parking_deadline_seconds: float = Field(
        default=900, gt=0, description="how long an event waits for the fact it needs before it is dead-lettered"
    )
    dead_letter_limit: int = Field(
        default=50,
        ge=1,
        description="dead letters in an hour after which the service stops instead of emptying a topic",
    )
    max_request_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
