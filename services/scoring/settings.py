"""Settings of scoring."""

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
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
        description="address space of one measuring process",
    )
